use crate::note;
use crate::output::{print, thousands};
use std::fmt;
use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use subbyte::train::{Control, Event, Observer, Taken};

/// All bars of the process, one below the other; nothing is drawn unless stderr is a terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Writes while no bar is in the way.
pub fn beside_bars<T>(write: impl FnOnce() -> T) -> T {
    BARS.suspend(write)
}

/// A bar below those that are there, on a terminal.
fn bar(total: usize, template: &str) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = BARS.add(ProgressBar::new(total as u64));
        bar.set_style(style(template));
        bar
    })
}

/// Progress of work on a known number of images or bytes: a bar on a terminal, a line every few seconds elsewhere.
pub struct Bar {
    label: String,
    unit: &'static str,
    total: usize,
    bar: Option<ProgressBar>,
    told: std::time::Instant,
}

/// Time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);

impl Bar {
    /// Starts at 0 of `total` images.
    pub fn new(label: impl Into<String>, total: usize) -> Self {
        let template = "{msg} {bar:30} {pos}/{len} images, {speed}, {eta} left";
        Self::with(label.into(), "images", total, template)
    }

    /// Starts at 0 of `total` bytes.
    pub fn bytes(label: impl Into<String>, total: u64) -> Self {
        let template = "{msg} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        Self::with(label.into(), "bytes", total as usize, template)
    }

    /// Starts at 0 of `total` steps.
    pub fn steps(label: impl Into<String>, total: usize) -> Self {
        let template = "{msg} {bar:30} {pos}/{len} steps, {eta} left";
        Self::with(label.into(), "steps", total, template)
    }

    fn with(label: String, unit: &'static str, total: usize, template: &str) -> Self {
        let bar = bar(total, template);
        if let Some(bar) = &bar {
            bar.set_message(label.clone());
        }
        Self {
            label,
            unit,
            total,
            bar,
            told: std::time::Instant::now(),
        }
    }

    /// Prints a result to stdout, above the bar where both are on a terminal.
    ///
    /// # Errors
    /// As [`print`].
    pub fn print(&self, text: &str) -> Result<()> {
        if std::io::stdout().is_terminal() {
            beside_bars(|| print(text))
        } else {
            print(text)
        }
    }

    /// So many are done.
    pub fn at(&mut self, done: usize) {
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if self.told.elapsed() >= QUIET => {
                note!("{}: {done} of {} {}", self.label, self.total, self.unit);
                self.told = std::time::Instant::now();
            }
            None => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Progress through long tasks that may have bars of their own: a bar above those on a terminal, a line a task elsewhere.
pub struct TaskBar {
    noun: &'static str,
    total: usize,
    bar: Option<ProgressBar>,
}

impl TaskBar {
    /// Starts with `done` of `total` tasks finished; `noun` says what one is.
    pub fn new(label: impl Into<String>, noun: &'static str, done: usize, total: usize) -> Self {
        let bar = bar(
            total,
            &format!("{{prefix}} {{bar:30}} {{pos}}/{{len}} {noun}s, {{elapsed}}, {{msg}}"),
        );
        if let Some(bar) = &bar {
            bar.set_prefix(label.into());
            bar.set_position(done as u64);
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        Self { noun, total, bar }
    }

    /// A task begins after `done` finished ones.
    pub fn begin(&self, name: &str, done: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(name.to_owned());
            }
            None => note!("{} {} of {}: {name}", self.noun, done + 1, self.total),
        }
    }

    /// How far the task is that runs; shown on a terminal only.
    pub fn within(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Task number `done` has ended; `result` says how.
    pub fn end(&self, result: &str, done: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(result.to_owned());
            }
            None => note!("{} {done} of {}: {result}", self.noun, self.total),
        }
    }
}

impl Drop for TaskBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("a valid template")
        .with_key(
            "speed",
            |state: &ProgressState, out: &mut dyn fmt::Write| {
                // A line that cannot be written is not shown.
                let _ = write!(out, "{}/s", thousands(state.per_sec() as u64));
            },
        )
        .progress_chars("━╸─")
}

/// Shows a training run: a bar with speed, loss, accuracy and remaining time on a terminal, a line an epoch everywhere.
pub struct TrainingBar {
    label: String,
    epochs: usize,
    bar: Option<ProgressBar>,
    stop: fn() -> bool,
}

impl TrainingBar {
    /// `stop` is asked after every step whether to end the run.
    pub fn new(label: impl Into<String>, stop: fn() -> bool) -> Self {
        Self {
            label: label.into(),
            epochs: 0,
            bar: None,
            stop,
        }
    }
}

impl Observer for TrainingBar {
    fn event(&mut self, event: &Event<'_>) -> Control {
        let label = &self.label;
        match event {
            Event::Started(start) => {
                self.epochs = start.epochs;
                let held_back = match start.validation_images {
                    0 => String::new(),
                    n => format!(", {n} held back for validation"),
                };
                note!(
                    "{label}: {} with {} parameters, {} training images{held_back}",
                    start.network,
                    start.parameters,
                    start.training_images
                );
                if let Some(taken) = &start.taken {
                    note!("{label}: {}", taken_over(taken));
                }
                if start.resumed_at > 0 {
                    note!("{label}: resumed after epoch {}", start.resumed_at);
                }
            }
            Event::Step(step) => {
                if self.bar.is_none() {
                    self.bar = bar(step.steps, "{prefix} {bar:24} {pos}/{len} {msg}");
                }
                if let Some(bar) = &self.bar {
                    bar.set_prefix(format!("{label} epoch {}/{}", step.epoch, self.epochs));
                    bar.set_position(step.step as u64);
                    bar.set_message(format!(
                        "{:.0} img/s, loss {:.3}, {:.1} %, {} left",
                        step.images_per_second,
                        step.loss,
                        100.0 * step.accuracy,
                        indicatif::HumanDuration(Duration::from_secs(step.remaining.as_secs()))
                    ));
                }
            }
            Event::EpochEnd(epoch) => {
                // A network that makes pictures is never right.
                let classifies = epoch.accuracy > 0.0;
                let training = match classifies {
                    true => format!(", training {:.2} %", 100.0 * epoch.accuracy),
                    false => String::new(),
                };
                let validation = epoch
                    .validation
                    .map_or(String::new(), |v| match classifies {
                        true => format!(", validation {:.2} %", 100.0 * v.top1),
                        false => format!(", validation loss {:.4}", v.loss),
                    });
                note!(
                    "{label}: epoch {}/{}: loss {:.4}{training}{validation}, {:.0} img/s, {:.1} s",
                    epoch.epoch,
                    self.epochs,
                    epoch.loss,
                    epoch.images_per_second,
                    epoch.seconds
                );
            }
            Event::Reestimation { images } => {
                note!("{label}: measuring batch-norm statistics on {images} images");
            }
            Event::Finished { path } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                note!("{label}: wrote {}", path.display());
            }
            _ => {}
        }
        if (self.stop)() {
            Control::Stop
        } else {
            Control::Continue
        }
    }
}

/// What a network took over from another one, and what it has of its own.
fn taken_over(taken: &Taken) -> String {
    let own = taken.missing.iter().map(String::as_str);
    // Steps of quantizers follow from the weights and the first images.
    let own: Vec<&str> = own.filter(|name| !name.ends_with(".scale")).collect();
    let own = match own.len() {
        0 => String::new(),
        1..=LISTED => format!("; anew: {}", own.join(", ")),
        n => format!(
            "; anew: {} and {} more",
            own[..LISTED].join(", "),
            n - LISTED
        ),
    };
    format!(
        "{} parameters taken from another network{own}",
        taken.parameters
    )
}

/// Parameters that a line lists.
const LISTED: usize = 8;

impl Drop for TrainingBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
