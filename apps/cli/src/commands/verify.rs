use std::process::ExitCode;

use crate::note;
use anyhow::{Result, bail};
use subbyte::engine::{Level, Options, Plan};
use subbyte::model::{Model, TestVector, reference};

use crate::args::Verify;
use crate::files;
use crate::output::{Table, print};

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
    let mut table = Table::new(["level", "steps", "result"]).text(3);
    let mut failures = 0;
    let mut row = |level: &str, steps: &str, outcome: Result<(), String>| {
        failures += usize::from(outcome.is_err());
        let result = outcome.map_or_else(|what| format!("FAILED: {what}"), |()| "ok".to_owned());
        table.row([level.to_owned(), steps.to_owned(), result]);
    };
    row(
        "reference",
        "",
        replay(&model, |image| Ok(reference::run(&model, image)?)),
    );
    let mut skipped = Vec::new();
    for &level in Level::ALL {
        if !level.is_available() {
            skipped.push(level.name());
            continue;
        }
        for (fuse, steps) in [(true, "fused"), (false, "single")] {
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
            row(level.name(), steps, outcome);
        }
    }
    let mut text = format!(
        "{vectors} test vectors of {}\n\n{table}",
        args.model.display()
    );
    if !skipped.is_empty() {
        text += &format!(
            "\nskipped, since this processor lacks them: {}",
            skipped.join(", ")
        );
    }
    print(&text)?;
    if failures == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    note!(
        "error: {} does not give the logits of its test vectors; if all rows failed, the model was changed after it was lowered, \
         otherwise a kernel is wrong: please report it with the model",
        args.model.display()
    );
    Ok(ExitCode::FAILURE)
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
