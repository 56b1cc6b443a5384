use std::fmt;
use std::process::ExitCode;

use crate::note;
use anyhow::{Result, bail};
use serde::Serialize;
use subbyte::engine::{Level, Options, Plan};
use subbyte::model::{Model, TestVector, reference};

use crate::args::Verify;
use crate::files;
use crate::output::{Table, print, print_json};

#[derive(Serialize)]
struct Report {
    model: String,
    /// Number of test vectors.
    vectors: usize,
    replays: Vec<Replay>,
    /// Levels that this processor lacks.
    skipped: Vec<&'static str>,
}

/// All vectors on one level.
#[derive(Serialize)]
struct Replay {
    level: &'static str,
    /// Whether steps were fused; null for the reference, which has none.
    fused: Option<bool>,
    /// What is wrong; null where all logits are those of the vectors.
    failure: Option<String>,
}

/// Replays the test vectors of a model on the reference interpreter and on every instruction set, with steps fused and not.
pub fn run(args: &Verify) -> Result<ExitCode> {
    let (model, _) = files::load_model(&args.model)?;
    let vectors = model.vectors.len();
    if vectors == 0 {
        bail!(
            "{} has no test vectors, so there is nothing to replay; lower the network again with `--vectors N`",
            args.model.display()
        );
    }
    let reference = replay(&model, |image| Ok(reference::run(&model, image)?));
    let mut replays = vec![Replay {
        level: "reference",
        fused: None,
        failure: reference.err(),
    }];
    let mut skipped = Vec::new();
    for &level in Level::ALL {
        if !level.is_available() {
            skipped.push(level.name());
            continue;
        }
        for fuse in [true, false] {
            let plan = Plan::new(
                &model,
                Options {
                    level: Some(level),
                    fuse,
                    ..Options::default()
                },
            )?;
            let mut arena = plan.arena();
            let outcome = replay(&model, |image| Ok(plan.run(&mut arena, image)?.to_vec()));
            replays.push(Replay {
                level: level.name(),
                fused: Some(fuse),
                failure: outcome.err(),
            });
        }
    }
    let report = Report {
        model: args.model.display().to_string(),
        vectors,
        replays,
        skipped,
    };
    if args.json {
        print_json(&report)?;
    } else {
        print(&report.to_string())?;
    }
    if report.replays.iter().all(|replay| replay.failure.is_none()) {
        return Ok(ExitCode::SUCCESS);
    }
    note!(
        "error: {} does not give the logits of its test vectors; if all rows failed, the model was changed after it was lowered, \
         otherwise a kernel is wrong: please report it with the model",
        args.model.display()
    );
    Ok(ExitCode::FAILURE)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["level", "steps", "result"]).text(3);
        for replay in &self.replays {
            let steps = match replay.fused {
                None => "",
                Some(true) => "fused",
                Some(false) => "single",
            };
            let result = match &replay.failure {
                None => "ok".to_owned(),
                Some(what) => format!("FAILED: {what}"),
            };
            table.row([replay.level.to_owned(), steps.to_owned(), result]);
        }
        write!(
            f,
            "{} test vectors of {}\n\n{table}",
            self.vectors, self.model
        )?;
        if !self.skipped.is_empty() {
            let skipped = self.skipped.join(", ");
            write!(f, "\nskipped, since this processor lacks them: {skipped}")?;
        }
        Ok(())
    }
}

/// The first logit that `run` gives another value than the test vectors, in words.
fn replay(model: &Model, mut run: impl FnMut(&[u8]) -> Result<Vec<i32>>) -> Result<(), String> {
    for (i, TestVector { image, logits }) in model.vectors.iter().enumerate() {
        let found = run(image).map_err(|error| error.to_string())?;
        if let Some(at) = (0..logits.len()).find(|&at| found[at] != logits[at]) {
            return Err(format!(
                "vector {i}: logit {at} is {}, not {}",
                found[at], logits[at]
            ));
        }
    }
    Ok(())
}
