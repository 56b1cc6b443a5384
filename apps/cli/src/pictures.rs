//! From models, data and logs to what `subbyte-plot` draws.

use anyhow::Result;
use subbyte::data::Dataset;
use subbyte::engine::{Observed, Options, Plan};
use subbyte::model::{Model, Node, Op};
use subbyte::train;
use subbyte_plot::{Epoch, Histogram, PixelTablePicture, Run};

/// The model's pixel table, where it has one.
pub fn table_picture(model: &Model) -> Option<PixelTablePicture> {
    model.nodes.iter().find_map(|node| match &node.op {
        Op::PixelTable(table) => Some(PixelTablePicture {
            tables: table.tables,
            depth: table.depth,
            bits: table.code.bits,
            codes: table.codes.unpack(),
            levels: (0..=table.code.max_code())
                .map(|code| table.code.level(code))
                .collect(),
        }),
        _ => None,
    })
}

/// How often every code occurs in each tensor of new codes, over at most `limit` images spread evenly over `data`. Operations that
/// only move or choose codes are left out.
///
/// # Errors
/// If the images do not have the size that the model reads.
pub fn histograms(model: &Model, data: &Dataset, limit: usize) -> Result<Vec<Histogram>> {
    let plan = Plan::new(
        model,
        Options {
            fuse: false,
            ..Options::default()
        },
    )?;
    let mut arena = plan.arena();
    // A byte has 256 values, whatever the bits of a code.
    let mut counts = vec![[0u64; 256]; model.nodes.len()];
    for image in data.spread(limit) {
        plan.observe(&mut arena, image, &mut |node, seen| {
            if let Observed::Codes(codes) = seen {
                codes
                    .iter()
                    .for_each(|&code| counts[node][usize::from(code)] += 1);
            }
        })?;
    }
    let histogram = |(node, counts): (&Node, &[u64; 256])| {
        let code = match &node.op {
            Op::PixelTable(table) => table.code,
            Op::Requant(requant) => requant.code(),
            Op::Add { code } | Op::CodeTable { code, .. } => *code,
            _ => return None,
        };
        let counts = counts[..=usize::from(code.max_code())].to_vec();
        Some(Histogram {
            name: node.name.clone(),
            counts,
        })
    };
    Ok(model
        .nodes
        .iter()
        .zip(&counts)
        .filter_map(histogram)
        .collect())
}

/// The curves of a run.
pub fn curves(name: &str, epochs: &[train::Epoch]) -> Run {
    let epochs = epochs.iter().map(|e| Epoch {
        epoch: u32::try_from(e.epoch).unwrap_or(u32::MAX),
        train_loss: e.loss,
        train_accuracy: e.accuracy,
        validation_accuracy: e.validation.map_or(f64::NAN, |v| v.top1),
    });
    Run {
        name: name.to_owned(),
        epochs: epochs.collect(),
    }
}
