use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use subbyte::data::Dataset;
use subbyte_plot::{Column, Report, Table, code_histograms, pixel_table, training_curves};

use super::{Trained, remarks, rows};
use crate::measurement::Lowered;
use crate::output::thousands;
use crate::pictures;

/// Images whose codes are counted.
const HISTOGRAM_IMAGES: usize = 512;

/// Writes the pictures and `report.html` into `folder`.
pub fn write(
    folder: &Path,
    networks: &[Trained],
    lowered: &Lowered,
    data: &Dataset,
    time: Duration,
) -> Result<()> {
    let runs: Vec<_> = networks
        .iter()
        .map(|n| pictures::curves(n.title, &n.checkpoint.history))
        .collect();
    let curves = training_curves(&runs)?;
    curves.write(folder.join("curves.png"))?;
    let histograms = code_histograms(&pictures::histograms(
        &lowered.model,
        data,
        HISTOGRAM_IMAGES,
    )?)?;
    histograms.write(folder.join("codes.png"))?;

    let results = rows(networks, lowered).into_iter().fold(
        Table::new([
            Column::text("network"),
            Column::number("top-1"),
            Column::number("bytes"),
            Column::number("images/s"),
        ]),
        Table::row,
    );
    let mut report = Report::new("subbyte quickstart")
        .paragraph(
            "Networks of one shape, trained on the subset of Fashion-MNIST inside the binary and measured on all of its test \
             images after the last epoch. Images per second: float networks in the training executor, the integer model in the \
             engine, all threads.",
        )
        .table(&results)
        .preformatted(&remarks(lowered, folder, time))
        .section("Training")
        .figure(&curves, "Loss and accuracy on training images, epoch by epoch.");
    if let Some(picture) = pictures::table_picture(&lowered.model) {
        let table = pixel_table(&picture)?;
        table.write(folder.join("pixel-table.png"))?;
        report = report.section("Pixel table").figure(
            &table,
            "The learned table: each column is one of the 256 pixel values, each row one code. Above it the tone curve, the sum \
             of a column's levels.",
        );
    }
    let layers = lowered.measurement.layers.iter().flatten().fold(
        Table::new([
            Column::text("layer"),
            Column::text("operator"),
            Column::text("shape"),
            Column::number("weight bits"),
            Column::number("multiply-adds"),
            Column::number("bytes"),
        ]),
        |table, layer| {
            let number = |n: u64| if n == 0 { String::new() } else { thousands(n) };
            table.row([
                layer.name.clone(),
                layer.operator.clone(),
                layer.shape.map(|n| n.to_string()).join(" x "),
                layer.weight_bits.map_or(String::new(), |b| b.to_string()),
                number(layer.macs),
                number(layer.bytes),
            ])
        },
    );
    report
        .section("Codes")
        .figure(&histograms, "How often each code occurs, per layer.")
        .section("Integer model")
        .paragraph("Operators of the model; shapes are channels x height x width.")
        .table(&layers)
        .write(folder.join("report.html"))?;
    Ok(())
}
