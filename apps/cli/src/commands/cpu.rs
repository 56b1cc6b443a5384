use anyhow::Result;
use serde::Serialize;
use subbyte::engine::{Kernel, LEVEL_VARIABLE, Level, REGISTRY};

use crate::args::Cpu;
use crate::output::{Table, print, print_json};

/// Characters that a line of a kernel's summary may take.
const SUMMARY: usize = 48;

#[derive(Serialize)]
struct Report {
    architecture: &'static str,
    /// The level that plans use.
    chosen: &'static str,
    /// The environment variable that lowers it.
    variable: &'static str,
    levels: Vec<LevelReport>,
    kernels: Vec<KernelReport>,
}

#[derive(Serialize)]
struct LevelReport {
    name: &'static str,
    available: bool,
    chosen: bool,
}

#[derive(Serialize)]
struct KernelReport {
    name: &'static str,
    operation: &'static str,
    summary: &'static str,
    levels: Vec<&'static str>,
}

/// Shows what this machine can run and what was compiled for it.
pub fn run(args: &Cpu) -> Result<()> {
    let report = Report::new(Level::resolve(None)?);
    if args.json {
        return print_json(&report);
    }
    print(&format!(
        "{} processor; lower the instruction set with {}=NAME\n\n{}\n{}",
        report.architecture,
        report.variable,
        report.levels(),
        report.kernels()
    ))
}

impl Report {
    fn new(chosen: Level) -> Self {
        let level = |&level: &Level| LevelReport {
            name: level.name(),
            available: level.is_available(),
            chosen: level == chosen,
        };
        let kernel = |kernel: &Kernel| KernelReport {
            name: kernel.name(),
            operation: kernel.operation(),
            summary: kernel.summary(),
            levels: kernel.levels().iter().map(|level| level.name()).collect(),
        };
        Self {
            architecture: std::env::consts::ARCH,
            chosen: chosen.name(),
            variable: LEVEL_VARIABLE,
            levels: Level::ALL.iter().map(level).collect(),
            kernels: REGISTRY.iter().map(kernel).collect(),
        }
    }

    fn levels(&self) -> Table {
        let mut table = Table::new(["instruction set", "available", "used"]).text(3);
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        for level in &self.levels {
            table.row([
                level.name.to_owned(),
                yes(level.available),
                yes(level.chosen),
            ]);
        }
        table
    }

    fn kernels(&self) -> Table {
        let mut table = Table::new(["kernel", "operation", "compiled for", "takes"]).text(4);
        for kernel in &self.kernels {
            let mut summary = lines(kernel.summary).into_iter();
            table.row([
                kernel.name.to_owned(),
                kernel.operation.to_owned(),
                kernel.levels.join(" "),
                summary.next().unwrap_or_default(),
            ]);
            for more in summary {
                table.row([String::new(), String::new(), String::new(), more]);
            }
        }
        table
    }
}

/// The words of a summary in lines as long as may be.
fn lines(summary: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in summary.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= SUMMARY => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
