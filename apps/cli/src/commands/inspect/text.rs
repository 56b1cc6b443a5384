use std::fmt::Write;

use super::{Item, Layer, Payload, PixelTable, Report, Training};
use crate::output::{Table, percent, thousands};

/// A report for people.
pub fn render(report: &Report) -> String {
    let [colours, height, width] = report.input;
    let colours = if colours == 1 { "grey" } else { "colour" };
    let mut text = format!(
        "{}: {} for {width}x{height} {colours} images, {} bytes\n\n{}\n\
         in, out: bits of a code, or of the widest sum that can occur; bit operations: MACs x weight bits x in\n",
        report.file.display(),
        report.kind,
        thousands(report.bytes as u64),
        layers(report)
    );
    let mut section = |title: &str, body: String| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{title}\n{}\n", body.trim_end());
    };
    if let Some(table) = &report.pixel_table {
        section("Pixel table", pixel_table(table));
    }
    if let (Some(items), Some(payload)) = (&report.items, &report.payload) {
        section("Where the bytes go", bill(items, payload, report.bytes));
    }
    if let Some(vectors) = report.test_vectors {
        section("Test vectors", format!("  {vectors}"));
    }
    if let Some(training) = &report.checkpoint {
        section("Training", checkpoint(training));
    }
    if let Some(pairs) = report.provenance.as_ref().filter(|pairs| !pairs.is_empty()) {
        section(
            "Provenance",
            pairs
                .iter()
                .map(|(name, value)| pair(name, value))
                .collect(),
        );
    }
    if !report.classes.is_empty() {
        section("Classes", format!("  {}", report.classes.join(", ")));
    }
    text
}

fn layers(report: &Report) -> Table {
    let mut table = Table::new([
        "layer",
        "operator",
        "CxHxW",
        "weight bits",
        "in",
        "out",
        "parameters",
        "bytes",
        "MACs",
        "bit operations",
    ])
    .text(2);
    for layer in &report.layers {
        table.row(row(layer));
    }
    let totals = &report.totals;
    let blank = String::new;
    table.row([
        "total".to_owned(),
        blank(),
        blank(),
        blank(),
        blank(),
        blank(),
        thousands(totals.parameters),
        thousands(totals.bytes),
        thousands(totals.macs),
        totals.bit_operations.map_or_else(blank, thousands),
    ]);
    table
}

fn row(layer: &Layer) -> [String; 10] {
    let number = |n: u64| if n == 0 { String::new() } else { thousands(n) };
    let bits = |bits: Option<u32>| bits.map_or_else(|| "float".to_owned(), |bits| bits.to_string());
    let input_bits = match layer.operator.as_str() {
        "Image" => String::new(),
        _ => bits(layer.input_bits),
    };
    let weight_bits = match layer.weight_bits {
        Some(bits) if bits.fract() == 0.0 => bits.to_string(),
        Some(bits) => format!("{bits:.2}"),
        None if layer.macs > 0 => "float".to_owned(),
        None => String::new(),
    };
    [
        layer.name.clone(),
        format!(
            "{} {}",
            layer.operator,
            layer.detail.as_deref().unwrap_or_default()
        ),
        layer.shape.map(|n| n.to_string()).join("x"),
        weight_bits,
        input_bits,
        bits(layer.output_bits),
        number(layer.parameters),
        number(layer.bytes),
        number(layer.macs),
        layer.bit_operations.map_or_else(String::new, number),
    ]
}

fn pixel_table(table: &PixelTable) -> String {
    let tables = if table.tables == 1 {
        "one table for all colours"
    } else {
        "a table for each colour"
    };
    let distinct: Vec<String> = table.distinct_rows.iter().map(usize::to_string).collect();
    let mut text = format!(
        "  {tables}, D = {}, {} bits, {} of 256 rows distinct\n",
        table.depth,
        table.bits,
        distinct.join(" / ")
    );
    // More codes than this say nothing one by one.
    if table.code_shares.len() <= 16 {
        let share = |(code, &share): (usize, &f64)| format!("{code}: {}", percent(share));
        let shares: Vec<String> = table.code_shares.iter().enumerate().map(share).collect();
        text += &format!("  share of each code: {}\n", shares.join(", "));
    }
    for picture in &table.pictures {
        text += "\n";
        for line in picture {
            text += &format!("  |{line}|\n");
        }
    }
    text
}

/// Bytes by section, those that a model needs to run first.
fn bill(items: &[Item], payload: &Payload, all: usize) -> String {
    const PURPOSES: [(&str, &str); 8] = [
        ("HEADER", "header and section table"),
        ("NODES", "operators"),
        ("WEIGHTS", "weights"),
        ("TABLES", "pixel table, thresholds, biases"),
        ("PADDING", "padding"),
        ("VECTORS", "test vectors"),
        ("NAMES", "names"),
        ("PROVENANCE", "provenance"),
    ];
    let mut table = Table::new(["part", "bytes", "share"]);
    for (section, purpose) in PURPOSES {
        let bytes = items
            .iter()
            .filter(|item| item.section == section)
            .map(|item| item.bytes)
            .sum::<usize>();
        if bytes > 0 {
            table.row([
                purpose.to_owned(),
                thousands(bytes as u64),
                percent(bytes as f64 / all as f64),
            ]);
        }
    }
    let ratio = payload
        .ratio
        .map_or_else(String::new, |ratio| format!(", {ratio:.3} times as much"));
    let zeros = payload.zero_weights.map_or_else(String::new, |share| {
        format!(" {} of the weights are 0.", percent(share))
    });
    format!(
        "{table}\nWeight bits / 8: {} bytes. The file without test vectors, names and provenance: {} bytes{ratio}.{zeros}",
        thousands(payload.weight_bytes.ceil() as u64),
        thousands(payload.bytes as u64)
    )
}

fn checkpoint(training: &Training) -> String {
    let mut text = format!("  {} epochs on images {}\n", training.epochs, training.data);
    if let Some(epoch) = &training.last_epoch {
        text += &format!(
            "  last epoch: loss {:.4}, training accuracy {}",
            epoch.loss,
            percent(epoch.accuracy)
        );
        if let Some(validation) = &epoch.validation {
            text += &format!(", validation accuracy {}", percent(validation.top1));
        }
        text += "\n";
    }
    if let Some(table) = &training.table {
        text += &format!(
            "  pixel table: {} of {} rows distinct, {} for pixels of no training image, {} at the limits of their range\n",
            table.distinct, table.rows, table.unseen, table.at_limits
        );
    }
    text + &pair("recipe", &training.recipe)
}

/// A name with its value; one of several lines stands below it.
fn pair(name: &str, value: &str) -> String {
    if !value.trim_end().contains('\n') {
        return format!("  {name}: {value}\n");
    }
    let lines = value
        .lines()
        .map(|line| format!("    {line}").trim_end().to_owned() + "\n");
    format!("  {name}:\n{}", lines.collect::<String>())
}
