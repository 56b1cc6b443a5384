//! The smallest budget under which a network keeps its accuracy.

use anyhow::{Result, bail};
use subbyte::graph::Graph;
use subbyte::{Plan, Pool};

use super::{Task, tell, unless_stopped};
use crate::files;
use crate::images::Labelled;
use crate::output::thousands;
use crate::{calibration, interrupt, note};

/// Most labelled images to search by, and about the most bytes that they have.
const IMAGES: usize = 2048;
const IMAGE_BYTES: usize = 192 << 20;

/// Budgets are searched until two that differ by this share lie on either side.
const CLOSE: f64 = 0.02;

/// The network in as few bytes as the bisection finds under which at most `points` points of top-1 are lost on labelled images that
/// do not calibrate; `None` where it was interrupted.
pub fn within(task: &Task<'_>, points: f64) -> Result<Option<Graph>> {
    let labelled = labelled(task)?;
    let examples = || labelled.iter().map(|(label, image)| (*label, &image[..]));
    let geometry = files::geometry(&task.graph)?;
    let float = subbyte::measure_float(&task.graph, geometry, examples())?.top1;
    let Some(ranked) = task.ranked(task.criterion())? else {
        return Ok(None);
    };
    let mut trials = 0;
    let mut trial = |budget: usize| -> Result<Option<(Graph, f64, usize)>> {
        let mut bar = task.bar("quantizing");
        let made = ranked.within(budget, |progress| tell(&mut bar, progress));
        let Some(graph) = unless_stopped(made)? else {
            return Ok(None);
        };
        let model = subbyte::lower::lower(&graph)?;
        let bytes = subbyte::model::write(&model)?.len();
        let plan = Plan::new(&model, task.args.engine.options())?;
        let mut pool = Pool::new(task.args.engine.threads)?;
        let score = subbyte::score(&plan, &mut pool, examples(), |_| {})?;
        let lost = 100.0 * (float - score.accuracy.top1());
        drop(bar);
        trials += 1;
        note!(
            "trial {trials}: {} bytes lose {lost:.2} points on {} images",
            thousands(bytes as u64),
            labelled.len()
        );
        Ok((!interrupt::asked()).then_some((graph, lost, bytes)))
    };
    // Every weight as wide as it can be: more bytes are of no use.
    let Some((mut best, lost, most)) = trial(usize::MAX)? else {
        return Ok(None);
    };
    if lost > points {
        bail!(
            "even {} bytes, every weight as wide as this criterion has it, lose {lost:.2} points; allow more, or give activations more bits",
            thousands(most as u64)
        );
    }
    // Invariant: `high` loses little enough; what is below `low` loses too much, or is impossible.
    let (mut low, mut high) = (ranked.least()? as f64, most as f64);
    let mut next = low;
    while high / low > 1.0 + CLOSE {
        let Some((graph, lost, _)) = trial(next.ceil() as usize)? else {
            return Ok(None);
        };
        match lost <= points {
            true => (best, high) = (graph, next),
            false => low = next,
        }
        // Bytes are worth the more the fewer there are.
        next = (low * high).sqrt();
    }
    Ok(Some(best))
}

/// Labelled images: those of the calibration set that do not calibrate, else those that the model is measured on.
fn labelled(task: &Task<'_>) -> Result<Labelled> {
    let geometry = files::geometry(&task.graph)?;
    let count = IMAGES.min(IMAGE_BYTES / geometry.bytes()).max(1);
    let classes = (&task.graph.classes[..], files::classes(&task.graph));
    if let Some(source) = &task.source {
        let calibrating = task.calibration.iter().map(|batch| batch.len()).sum();
        let found =
            calibration::labelled(source, geometry, task.resize, classes, count, calibrating)?;
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            return Ok(found);
        }
    }
    let Some(images) = &task.images else {
        bail!("no labelled images to search by; give --data PATH");
    };
    note!(
        "note: the calibration set has no labels, so the search goes by images of --data; the accuracy on them is not untouched by it"
    );
    Ok(images.labelled(count, 0))
}
