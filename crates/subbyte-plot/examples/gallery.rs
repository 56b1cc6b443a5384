//! Draws every figure from made-up numbers into a folder, to be looked at: `cargo run -p subbyte-plot --example gallery -- FOLDER`.

use std::{env, error::Error, fs, path::PathBuf};

use subbyte_plot::{
    Column, Epoch, Figure, Histogram, PixelTablePicture, Point, Report, Run, Table, accuracy_bytes,
    code_histograms, pixel_table, training_curves,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("which folder?")?);
    fs::create_dir_all(&folder)?;
    let runs = [
        run("float", 30, 0.912, 0.06),
        run(
            "quantized body, float first and last layers",
            30,
            0.903,
            0.08,
        ),
        run("fully quantized w2a2, pixel table", 22, 0.899, 0.04),
    ];
    let figures = [
        ("curves", training_curves(&runs)?),
        (
            "curves-one",
            training_curves(&[run("w2a2", 5, 0.87, 0.05)])?,
        ),
        ("table-rgb", pixel_table(&table(3, 8, 2))?),
        ("table-grey", pixel_table(&table(1, 24, 4))?),
        ("table-wide", pixel_table(&table(1, 1, 8))?),
        ("histograms", code_histograms(&histograms())?),
        ("sizes", accuracy_bytes(&points())?),
    ];
    for (name, figure) in &figures {
        figure.write(folder.join(name).with_extension("png"))?;
        figure.write(folder.join(name).with_extension("svg"))?;
    }
    report(&figures).write(folder.join("report.html"))?;
    Ok(())
}

/// Saturating curves with some noise; one epoch was not validated.
fn run(name: &str, epochs: u32, top: f64, gap: f64) -> Run {
    let mut noise = noise(name.len() as u32);
    let epochs = (1..=epochs).map(|epoch| {
        let progress = 1.0 - (-f64::from(epoch) / 7.0).exp();
        let mut near = |v: f64| v + 0.012 * noise();
        Epoch {
            epoch,
            train_loss: near(2.1 * (1.0 - progress) + 0.12 + gap / 2.0),
            train_accuracy: near(0.35 + (top + gap - 0.36) * progress),
            validation_accuracy: if epoch == 9 {
                f64::NAN
            } else {
                near(0.35 + (top - 0.36) * progress)
            },
        }
    });
    Run {
        name: name.into(),
        epochs: epochs.collect(),
    }
}

/// A soft thermometer: row d changes its code around its own threshold.
fn table(tables: usize, depth: usize, bits: u8) -> PixelTablePicture {
    let max = (1 << bits) - 1;
    let mut noise = noise(7);
    let mut codes = Vec::new();
    for t in 0..tables {
        for value in 0..256 {
            for d in 0..depth {
                let shift = (d as f64 + 0.5) / depth as f64 - 0.5 + 0.03 * t as f64;
                let slope = if d % 4 == 3 { -1.2 } else { 1.6 };
                let soft =
                    0.5 + slope * (f64::from(value) / 255.0 - 0.5 - 0.7 * shift) + 0.03 * noise();
                codes.push((soft * f64::from(max)).round().clamp(0.0, f64::from(max)) as u8);
            }
        }
    }
    PixelTablePicture {
        tables,
        depth,
        bits,
        codes,
        levels: (0..=max).collect(),
    }
}

fn histograms() -> Vec<Histogram> {
    let bell = |codes: usize, centre: f64| {
        let height = |code: usize| {
            let distance = (code as f64 / (codes - 1) as f64 - centre) * 3.0;
            (60_000.0 * (-distance * distance).exp()) as u64
        };
        (0..codes).map(height).collect()
    };
    let layers = [
        ("table", 4, 0.5),
        ("stem.conv.weight", 4, 0.45),
        ("stem.relu", 4, 0.0),
        ("layer1.0.conv1.weight", 4, 0.55),
        ("layer1.0.relu1", 4, 0.2),
        ("layer1.0.stream", 256, 0.2),
        ("layer1.0.a_long_name_of_a_layer.weight", 16, 0.5),
        ("layer1.1.conv1.weight", 2, 0.4),
    ];
    let mut all: Vec<Histogram> = layers
        .into_iter()
        .map(|(name, codes, centre)| Histogram {
            name: name.into(),
            counts: bell(codes, centre),
        })
        .collect();
    all.push(Histogram {
        name: "never run".into(),
        counts: vec![0; 8],
    });
    all
}

fn points() -> Vec<Point> {
    [
        ("float", 1_120_000, 0.912),
        ("w8a8", 285_000, 0.9117),
        ("w4a4", 145_000, 0.909),
        ("w2a2, float first and last layers", 91_000, 0.903),
        ("w2a2, 8-bit first and last layers", 82_000, 0.9025),
        ("w2a2, pixel table", 76_000, 0.899),
        ("w2a2, thermometer", 75_500, 0.8905),
        ("w1a2, pixel table", 41_000, 0.884),
        ("w1a1", 39_000, 0.861),
    ]
    .map(|(name, bytes, accuracy)| Point {
        name: name.into(),
        bytes,
        accuracy,
    })
    .into()
}

fn report(figures: &[(&str, Figure)]) -> Report {
    let table = Table::new([
        Column::text("network"),
        Column::number("top-1"),
        Column::number("bytes"),
        Column::number("images/s"),
    ])
    .row(["float", "91.2 %", "1 120 000", "2 140"])
    .row([
        "quantized body, float first and last layers",
        "90.3 %",
        "91 000",
        "1 870",
    ])
    .row(["fully quantized, as evaluated", "89.9 %", "", ""])
    .row([
        "fully quantized, integer model",
        "89.9 %",
        "76 000",
        "11 300",
    ]);
    let mut report = Report::new("From raw pixels to integer logits")
        .paragraph("A sample of every part of a report, made of made-up numbers. It says nothing about any network.")
        .section("Result")
        .table(&table)
        .paragraph("Evaluation and the integer model differ in 0 codes and 0 predictions of 10 000 images.")
        .section("Pictures");
    for (name, figure) in figures {
        report = report.figure(
            figure,
            &format!("{name}: what is to be seen, and what follows from it."),
        );
    }
    report
        .section("Model")
        .preformatted("node      operator    shape        bits   bytes\nstem      Conv2d      16x28x28     w2a2     108\nlayer1.0  Conv2d      16x28x28     w2a2     576")
}

/// Noise between -1 and 1 from a small linear congruential generator.
fn noise(seed: u32) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 23) - 1.0
    }
}
