//! What a sweep came to: a row a cell.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use subbyte::results::{RunResult, Spread};
use subbyte::train::sweep::Sweep;
use subbyte_plot::{Point, accuracy_bytes};

use super::runs::result;
use crate::files;
use crate::output::{Table, thousands};

/// All that is finished of a sweep.
#[derive(Serialize)]
pub struct Results {
    folder: PathBuf,
    cells: Vec<Cell>,
    /// Names of the runs that are not finished.
    missing: Vec<String>,
    /// Tables and picture.
    pub files: Vec<PathBuf>,
}

/// The finished runs of one cell; figures are over these. Accuracies are fractions: of the integer model, for networks with float
/// layers of evaluation.
#[derive(Serialize)]
struct Cell {
    name: String,
    /// As in cards of the zoo.
    input: String,
    /// Channels that the first layer reads.
    channels: usize,
    /// Bits of the first layer, of those in between, and of the last.
    bits: [String; 3],
    /// Whether an integer model was measured.
    integer: bool,
    top1: f64,
    /// Over seeds; null of a single one.
    top1_deviation: Option<f64>,
    top5: f64,
    top5_deviation: Option<f64>,
    epochs: usize,
    /// Mean length of the file.
    bytes: usize,
    /// Mean time of training.
    seconds: f64,
    machine: String,
    runs: Vec<Finished>,
}

/// A finished run.
#[derive(Serialize)]
struct Finished {
    name: String,
    #[serde(flatten)]
    result: RunResult,
}

impl Cell {
    /// The cell of some runs; `None` without any.
    fn of(name: &str, runs: Vec<Finished>) -> Option<Self> {
        let spread = |value: fn(&RunResult) -> f64| {
            let values: Vec<f64> = runs.iter().map(|run| value(&run.result)).collect();
            Spread::of(&values)
        };
        let (top1, top5) = (spread(RunResult::best_top1)?, spread(RunResult::best_top5)?);
        let machines: BTreeSet<&str> = runs.iter().map(|run| &run.result.machine[..]).collect();
        let first = &runs[0].result;
        Some(Self {
            name: name.to_owned(),
            input: first.input.clone(),
            channels: first.input_channels(),
            bits: first.bits(),
            integer: first.top1.is_some(),
            top1: top1.mean,
            top1_deviation: top1.deviation,
            top5: top5.mean,
            top5_deviation: top5.deviation,
            epochs: first.epochs,
            bytes: spread(|run| run.bytes as f64)?.mean.round() as usize,
            seconds: spread(|run| run.seconds)?.mean,
            machine: Vec::from_iter(machines).join("; "),
            runs,
        })
    }

    /// What was measured.
    fn measured(&self) -> &'static str {
        if self.integer { "integers" } else { "floats" }
    }
}

impl Results {
    /// Those of all runs that are finished.
    pub fn gather(sweep: &Sweep) -> Result<Self> {
        let mut finished: Vec<Vec<Finished>> = sweep.cells().iter().map(|_| Vec::new()).collect();
        let mut missing = Vec::new();
        for run in sweep.runs() {
            let name = run.name.clone();
            match result(sweep, run)? {
                Some(result) => finished[run.cell].push(Finished { name, result }),
                None => missing.push(name),
            }
        }
        let cells = sweep.cells().iter().zip(finished);
        Ok(Self {
            folder: sweep.folder().to_owned(),
            cells: cells
                .filter_map(|(name, runs)| Cell::of(name, runs))
                .collect(),
            missing,
            files: Vec::new(),
        })
    }

    /// Writes tables and picture and returns where they are.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for (name, text) in [
            ("results.csv", self.cells_csv()),
            ("runs.csv", self.runs_csv()),
            ("results.md", self.markdown()),
        ] {
            let path = folder.join(name);
            files::write(&path, text.as_bytes())?;
            written.push(path);
        }
        let point = |cell: &Cell| Point {
            name: cell.name.clone(),
            bytes: cell.bytes as u64,
            accuracy: cell.top1,
        };
        let points: Vec<Point> = self.cells.iter().map(point).collect();
        if !points.is_empty() {
            let path = folder.join("accuracy-bytes.png");
            accuracy_bytes(&points)?.write(&path)?;
            written.push(path);
        }
        Ok(written)
    }

    /// For the terminal.
    pub fn table(&self) -> Table {
        let header = [
            "cell", "input", "first", "body", "last", "measured", "seeds", "top-1, %", "top-5, %",
            "bytes", "seconds",
        ];
        let mut table = Table::new(header).text(6);
        for cell in &self.cells {
            let [first, body, last] = cell.bits.clone();
            table.row([
                cell.name.clone(),
                cell.input.clone(),
                first,
                body,
                last,
                cell.measured().to_owned(),
                cell.runs.len().to_string(),
                percent(cell.top1, cell.top1_deviation),
                percent(cell.top5, cell.top5_deviation),
                thousands(cell.bytes as u64),
                thousands(cell.seconds.round() as u64),
            ]);
        }
        table
    }

    fn markdown(&self) -> String {
        let mut text = "\
| cell | input | channels | first | body | last | measured | seeds | top-1, % | top-5, % | epochs | bytes | seconds | machine |
|---|---|--:|---|---|---|---|--:|--:|--:|--:|--:|--:|---|
"
        .to_owned();
        for cell in &self.cells {
            let [first, body, last] = &cell.bits;
            text += &format!(
                "| {} | {} | {} | {first} | {body} | {last} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                cell.name,
                cell.input,
                cell.channels,
                cell.measured(),
                cell.runs.len(),
                percent(cell.top1, cell.top1_deviation),
                percent(cell.top5, cell.top5_deviation),
                cell.epochs,
                thousands(cell.bytes as u64),
                thousands(cell.seconds.round() as u64),
                cell.machine
            );
        }
        text += "\nLast epoch; mean and sample deviation over seeds; test images that training never saw. `integers`: all codes and \
                 sums of the integer model; `floats`: evaluation of a network with float layers. Bytes are those of the file.\n";
        if !self.missing.is_empty() {
            text += &format!(
                "\n{} not finished: {}\n",
                runs(self.missing.len()),
                self.missing.join(", ")
            );
        }
        text
    }

    fn cells_csv(&self) -> String {
        let mut text = csv(&[
            "cell",
            "input",
            "channels",
            "first",
            "body",
            "last",
            "measured",
            "seeds",
            "top1",
            "top1_deviation",
            "top5",
            "top5_deviation",
            "epochs",
            "bytes",
            "seconds",
            "machine",
        ]);
        for cell in &self.cells {
            let [first, body, last] = &cell.bits;
            text += &csv(&[
                &cell.name,
                &cell.input,
                &cell.channels.to_string(),
                first,
                body,
                last,
                cell.measured(),
                &cell.runs.len().to_string(),
                &fraction(Some(cell.top1)),
                &fraction(cell.top1_deviation),
                &fraction(Some(cell.top5)),
                &fraction(cell.top5_deviation),
                &cell.epochs.to_string(),
                &cell.bytes.to_string(),
                &format!("{:.1}", cell.seconds),
                &cell.machine,
            ]);
        }
        text
    }

    fn runs_csv(&self) -> String {
        let mut text = csv(&[
            "run",
            "cell",
            "seed",
            "top1",
            "top5",
            "top1_evaluated",
            "top5_evaluated",
            "images",
            "epochs",
            "bytes",
            "seconds",
            "machine",
        ]);
        for (cell, run) in self
            .cells
            .iter()
            .flat_map(|c| c.runs.iter().map(move |r| (c, r)))
        {
            let result = &run.result;
            text += &csv(&[
                &run.name,
                &cell.name,
                &result.seed.to_string(),
                &fraction(result.top1),
                &fraction(result.top5),
                &fraction(Some(result.top1_evaluated)),
                &fraction(Some(result.top5_evaluated)),
                &result.images.to_string(),
                &result.epochs.to_string(),
                &result.bytes.to_string(),
                &format!("{:.1}", result.seconds),
                &result.machine,
            ]);
        }
        text
    }
}

/// `3` as `3 runs`.
pub fn runs(count: usize) -> String {
    format!("{count} run{}", if count == 1 { "" } else { "s" })
}

/// `0.6512` with deviation `0.0021` as `65.12 ± 0.21`.
fn percent(share: f64, deviation: Option<f64>) -> String {
    let deviation = deviation.map_or(String::new(), |d| format!(" ± {:.2}", 100.0 * d));
    format!("{:.2}{deviation}", 100.0 * share)
}

fn fraction(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.5}"))
}

/// A line of a CSV file, quoted where needed.
fn csv(cells: &[&str]) -> String {
    let quoted = cells.iter().map(|cell| {
        if cell.contains(['"', ',', '\n']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            (*cell).to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::{csv, percent};

    #[test]
    fn cells_with_commas_are_quoted() {
        assert_eq!(csv(&["a", "b,c", "d\"e"]), "a,\"b,c\",\"d\"\"e\"\n");
    }

    #[test]
    fn a_single_seed_has_no_deviation() {
        assert_eq!(percent(0.6512, Some(0.0021)), "65.12 ± 0.21");
        assert_eq!(percent(0.5, None), "50.00");
    }
}
