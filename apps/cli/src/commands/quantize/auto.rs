//! The method that serves a network best under a budget.

use anyhow::{Result, bail};
use subbyte::graph::{Graph, Op, Placement};
use subbyte::quantize::{self, Qsq, Rounding, Uniform};

use super::{Task, clip, placement, tell, unless_stopped};
use crate::args::Criterion;
use crate::note;
use crate::output::thousands;

/// Levels of the powers of two, from the fewest bits to the most.
const QUALITIES: [(u8, u8); 2] = [(4, 3), (1, 2)];

/// Quantizes by every method whose file fits, with the most bits that do, and keeps the network whose output distribution is nearest to
/// the float network's on the calibration images; `None` where it was interrupted.
pub fn best(task: &Task<'_>, budget: usize) -> Result<Option<Graph>> {
    let placement = placement(task.args, &task.graph);
    let mut best: Option<(f64, &str, Graph)> = None;
    let mut keep = |name: &'static str, graph: Graph| -> Result<()> {
        let moved = quantize::output_divergence(&task.graph, &graph, &task.calibration)?;
        let bytes = thousands(bytes(&graph)? as u64);
        note!("{name}: {bytes} bytes, the output moves by {moved:.4} nats");
        if best.as_ref().is_none_or(|(least, ..)| moved < *least) {
            best = Some((moved, name, graph));
        }
        Ok(())
    };
    let Some(ranked) = task.ranked(Criterion::OutputError)? else {
        return Ok(None);
    };
    // The only one that has bits for every budget that can be met at all; its error says the least.
    let Some(graph) = task.within(&ranked, budget)? else {
        return Ok(None);
    };
    keep("ptilmpq", graph)?;
    for bits in (2..=8).rev() {
        if weights(&task.graph, &placement, bits) >= budget {
            continue;
        }
        let mut placement = placement.clone();
        placement.body.weights = Some(bits);
        let method = Uniform {
            placement,
            clip: clip(task.args.clip),
            rounding: Rounding::ClosedForm,
        };
        let mut bar = task.bar("uniform");
        let tell = |progress| tell(&mut bar, progress);
        let made = quantize::uniform(&task.graph, &task.calibration, &method, tell);
        let Some(graph) = unless_stopped(made)? else {
            return Ok(None);
        };
        drop(bar);
        if bytes(&graph)? <= task.for_codes(budget) {
            keep("uniform", graph)?;
            break;
        }
    }
    for (quality, bits) in QUALITIES {
        if weights(&task.graph, &placement, bits) >= budget {
            continue;
        }
        let method = Qsq {
            placement: placement.clone(),
            clip: clip(task.args.clip),
            rounding: Rounding::ClosedForm,
            vector: task.args.vector.get(),
            quality,
        };
        let mut bar = task.bar("qsq");
        let tell = |progress| tell(&mut bar, progress);
        let made = quantize::qsq(&task.graph, &task.calibration, &method, tell);
        let Some(graph) = unless_stopped(made)? else {
            return Ok(None);
        };
        drop(bar);
        if bytes(&graph)? <= task.for_codes(budget) {
            keep("qsq", graph)?;
            break;
        }
    }
    let Some((_, name, graph)) = best else {
        bail!("no method fits {} bytes", thousands(budget as u64));
    };
    note!("took {name}");
    Ok(Some(graph))
}

/// Bytes of the model's file without test vectors and provenance.
fn bytes(graph: &Graph) -> Result<usize> {
    let model = subbyte::lower::lower(graph)?;
    Ok(subbyte::model::write(&model)?.len())
}

/// Bytes that codes of weights take at least, with `bits` bits in layers without bits of their own.
fn weights(graph: &Graph, placement: &Placement, bits: u8) -> usize {
    let layers = graph.nodes.iter().filter_map(|node| {
        let weights = match node.op {
            Op::Conv2d { .. } | Op::Linear => graph.param_of(node.inputs[1])?.1.len(),
            _ => return None,
        };
        let own = placement.layers.get(&node.name).and_then(|b| b.weights);
        Some(weights * usize::from(own.unwrap_or(bits)) / 8)
    });
    layers.sum()
}
