use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use subbyte::Plan;
use subbyte::engine::Step;

use super::ceiling::{CeilingReport, Ceilings};
use super::measure::Times;
use crate::output::{Table, thousands};

/// Characters that names of layers may take in the table.
const NAMES: usize = 44;

/// What `bench` finds out. Times are of runs that compute on one thread unless `threads` says more; shares are fractions.
#[derive(Serialize)]
pub struct Report {
    pub model: String,
    pub architecture: &'static str,
    /// The highest instruction set of the plan.
    pub level: &'static str,
    pub file_bytes: usize,
    /// Bytes of packed weights and tables.
    pub packed_bytes: usize,
    /// Images of a run.
    pub batch: usize,
    /// Multiply-adds of one image.
    pub macs: u64,
    pub runs: Vec<Row>,
    /// Runs that the layers were timed in.
    pub layer_runs: usize,
    pub layers: Vec<Layer>,
    pub ceilings: Vec<CeilingReport>,
}

/// Whole runs.
#[derive(Serialize)]
pub struct Row {
    threads: usize,
    /// Bytes of memory beside weights, images and logits.
    arena_bytes: usize,
    runs: usize,
    minimum_ms: f64,
    median_ms: f64,
    interquartile_range_ms: f64,
    /// By the median.
    images_per_second: f64,
}

impl Row {
    pub fn new(threads: NonZeroUsize, plan: &Plan, times: &Times, batch: usize) -> Self {
        // Threads that share no image have a memory each.
        let arenas = if batch == 1 { 1 } else { threads.get() };
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Self {
            threads: threads.get(),
            arena_bytes: arenas * plan.arena_bytes(),
            runs: times.runs(),
            minimum_ms: ms(times.minimum()),
            median_ms: ms(times.median()),
            interquartile_range_ms: ms(times.interquartile_range()),
            images_per_second: batch as f64 / times.median().as_secs_f64().max(1e-9),
        }
    }
}

/// A step of the plan.
#[derive(Serialize)]
pub struct Layer {
    /// The model's nodes that it computes.
    nodes: Vec<String>,
    operation: &'static str,
    kernel: &'static str,
    level: &'static str,
    /// The shortest of all runs.
    microseconds: f64,
    /// Of the sum of all layers' times.
    share: f64,
    macs: u64,
    /// Billions of multiply-adds a second; null for layers without weights.
    gmacs: Option<f64>,
    /// What they would be if nothing but the innermost operations of the kernel took time.
    ceiling_gmacs: Option<f64>,
    /// The first by the second.
    ceiling_share: Option<f64>,
}

impl Layer {
    /// `None` for steps that only name a tensor anew.
    pub fn new(step: &Step, time: Duration, total: Duration, ceilings: &Ceilings) -> Option<Self> {
        let kernel = step.kernel?;
        // A clock that did not tick has measured less than a nanosecond.
        let nanoseconds = (time.as_nanos() as f64).max(1.0);
        let least = ceilings.least_nanoseconds(step);
        let rate = |nanoseconds: f64| step.macs as f64 / nanoseconds;
        Some(Self {
            nodes: step.names.clone(),
            operation: step.operation,
            kernel: kernel.name,
            level: kernel.level.name(),
            microseconds: nanoseconds / 1e3,
            share: nanoseconds / (total.as_nanos() as f64).max(1.0),
            macs: step.macs,
            gmacs: (step.macs > 0).then(|| rate(nanoseconds)),
            ceiling_gmacs: least.map(rate),
            ceiling_share: least.map(|least| least / nanoseconds),
        })
    }

    /// All nodes; of those that are named after the one before, what their names add.
    fn names(&self) -> String {
        let mut names = String::new();
        let mut before = None;
        for node in &self.nodes {
            let more = before.and_then(|before| node.strip_prefix(before));
            names += if names.is_empty() { "" } else { " + " };
            names += more.filter(|more| more.starts_with('.')).unwrap_or(node);
            before = Some(node.as_str());
        }
        if names.chars().count() <= NAMES {
            return names;
        }
        let start: String = names.chars().take(NAMES - 1).collect();
        format!("{start}…")
    }
}

fn rate(gmacs: Option<f64>) -> String {
    gmacs.map_or(String::new(), |rate| format!("{rate:.1}"))
}

fn share(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| format!("{:.1} %", 100.0 * share))
}

impl Report {
    fn runs(&self) -> Table {
        let mut table = Table::new([
            "threads",
            "minimum ms",
            "median ms",
            "spread ms",
            "images/s",
            "runs",
            "memory bytes",
        ])
        .text(0);
        for row in &self.runs {
            table.row([
                row.threads.to_string(),
                format!("{:.3}", row.minimum_ms),
                format!("{:.3}", row.median_ms),
                format!("{:.3}", row.interquartile_range_ms),
                thousands(row.images_per_second as u64),
                thousands(row.runs as u64),
                thousands(row.arena_bytes as u64),
            ]);
        }
        table
    }

    fn layers(&self) -> Table {
        let header = [
            "layer", "kernel", "us", "share", "GMAC/s", "ceiling", "of it",
        ];
        let mut table = Table::new(header).text(2);
        for layer in &self.layers {
            table.row([
                layer.names(),
                layer.kernel.to_owned(),
                format!("{:.1}", layer.microseconds),
                share(Some(layer.share)),
                rate(layer.gmacs),
                rate(layer.ceiling_gmacs),
                share(layer.ceiling_share),
            ]);
        }
        let time: f64 = self.layers.iter().map(|layer| layer.microseconds).sum();
        table.row([
            "sum".to_owned(),
            String::new(),
            format!("{time:.1}"),
            share(Some(self.layers.iter().map(|layer| layer.share).sum())),
            rate((self.macs > 0).then(|| self.macs as f64 / (1e3 * time))),
            String::new(),
            String::new(),
        ]);
        table
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |bytes| thousands(bytes as u64);
        writeln!(f, "{} on {}, {}", self.model, self.architecture, self.level)?;
        writeln!(
            f,
            "{} bytes of file, {} bytes of packed weights and tables\n",
            bytes(self.file_bytes),
            bytes(self.packed_bytes)
        )?;
        writeln!(
            f,
            "Runs of {} image{}; spread is the interquartile range, images/s is by the median.\n\n{}",
            self.batch,
            if self.batch == 1 { "" } else { "s" },
            self.runs()
        )?;
        writeln!(
            f,
            "Layers on one thread, the shortest of {} runs; the ceiling is what the machine does in the kernel's innermost\n\
             operations alone.\n\n{}",
            thousands(self.layer_runs as u64),
            self.layers()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Layer;

    fn names(nodes: &[&str]) -> String {
        let layer = Layer {
            nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
            operation: "",
            kernel: "",
            level: "",
            microseconds: 1.0,
            share: 1.0,
            macs: 0,
            gmacs: None,
            ceiling_gmacs: None,
            ceiling_share: None,
        };
        layer.names()
    }

    #[test]
    fn names_of_fused_nodes_are_not_repeated() {
        assert_eq!(
            names(&["input", "stem", "stem.quantize"]),
            "input + stem + .quantize"
        );
        assert_eq!(names(&["a.conv1", "a.conv10"]), "a.conv1 + a.conv10");
        let long = "x".repeat(100);
        assert_eq!(names(&[&long]).chars().count(), 44);
    }
}
