//! Classes of shapes and formats, to tell whether random cases reach all of them.

use std::collections::BTreeSet;

use subbyte_kernels::{Conv, Extent, Finish, Kernel, Problem, Window};

use super::Tensor;

/// Names of classes.
pub type Classes = BTreeSet<String>;

/// The classes that a problem belongs to.
pub fn classes(problem: &Problem<'_>, inputs: &[Tensor]) -> Classes {
    let mut found = Classes::new();
    match problem {
        Problem::Conv(p) => {
            conv(&mut found, p);
            channels(&mut found, "inputs", p.input.channels);
            if extreme(p, inputs[0].codes()) {
                found.insert("largest codes and weights".into());
            }
            let output = p.output();
            for (side, size) in [("height", output.height), ("width", output.width)] {
                let parity = if size % 2 == 0 { "even" } else { "odd" };
                found.insert(format!("{parity} {side}"));
            }
            if let Some(sums) = kernel_sums(p) {
                for end in [-128, 127].into_iter().filter(|end| sums.contains(end)) {
                    found.insert(format!("kernels of sum {end}"));
                }
            }
        }
        Problem::PixelConv(p) => {
            conv(&mut found, &p.conv);
            let identity = p.table.depth == 1 && p.table.codes.iter().copied().eq(0..=255);
            found.insert(format!("{} colours", p.table.input.channels));
            if identity {
                found.insert("pixels as they are".into());
            }
            if p.table.codes.len() > 256 * p.table.depth {
                found.insert("several tables".into());
            }
        }
        Problem::LinearSums(p) => {
            channels(&mut found, "outputs", p.channels);
            finish(&mut found, &p.finish);
        }
        Problem::MaxPool(p) => window(&mut found, &p.window, p.input),
        Problem::Mul(p) => finish(&mut found, &p.finish),
        Problem::Requant(p) => {
            channels(&mut found, "outputs", p.channels);
            finish(&mut found, &p.finish);
        }
        Problem::SumPool(p) => {
            window(&mut found, &p.window, p.input);
            finish(&mut found, &p.finish);
        }
        _ => {}
    }
    found
}

/// The classes that a kernel has to meet; a kernel that supports none of a class' problems is an exception here.
pub fn required(kernel: &Kernel) -> Classes {
    let mut all = Classes::new();
    let mut add = |names: &[&str]| all.extend(names.iter().map(|name| name.to_string()));
    let name = kernel.name();
    let operation = kernel.operation();
    let convolution = operation.ends_with("convolution");
    if name == "conv-winograd8" {
        add(&["odd height", "odd width", "even height", "even width"]);
        add(&["kernels of sum -128", "kernels of sum 127"]);
        add(&[
            "4 bit codes",
            "6 bit codes",
            "3 bit weights",
            "4 bit weights",
        ]);
    } else if convolution {
        add(&["1x1", "5x5", "7x7", "kernel of two sizes", "stride 2"]);
    }
    if convolution {
        add(&["3x3", "stride 1", "no padding", "padding"]);
        add(&["padding on one side", "padding of level 0"]);
        add(&["padding of another level", "bias"]);
        add(&[
            "few outputs",
            "more than 16 outputs",
            "more than 64 outputs",
        ]);
        add(&["1 bit codes", "2 bit codes", "1 bit weights"]);
    }
    if operation == "convolution" {
        add(&["few inputs", "more than 16 inputs", "more than 64 inputs"]);
        add(&["largest codes and weights"]);
        match name {
            "conv-depthwise" => add(&["depthwise"]),
            _ => add(&["one group"]),
        }
    }
    if ["conv-scalar", "conv-dot"].contains(&name) {
        add(&["groups", "depthwise"]);
    }
    if ["conv-table64", "conv-pixels64", "conv-dot8", "conv-dot"].contains(&name) {
        add(&["3 bit weights", "power-of-two weights"]);
    }
    if operation == "pixel table + convolution" {
        add(&["1 colours", "3 colours", "several tables"]);
    }
    if name == "pixel-conv-words" {
        add(&["pixels as they are"]);
    }
    if convolution
        || ["linear over sums", "product", "requantization", "sum pool"].contains(&operation)
    {
        add(&["thresholds", "descending", "thresholds at the ends"]);
        add(&["multiplier and shift"]);
        if !name.starts_with("conv-pixels") && name != "pixel-conv-few" {
            add(&["sums"]);
        }
        for bits in 1..=8 {
            add(&[&format!("{bits} bit results")]);
        }
    }
    if name == "conv-scalar" {
        for (weights, codes) in (1..=8).flat_map(|w| (1..=8).map(move |c| (w, c))) {
            add(&[&format!("w{weights}a{codes}")]);
        }
    }
    all
}

fn conv(found: &mut Classes, p: &Conv<'_>) {
    window(found, &p.window, p.input);
    channels(found, "outputs", p.channels);
    finish(found, &p.finish);
    let group = match p.groups {
        1 => "one group",
        groups if groups == p.input.channels && groups == p.channels => "depthwise",
        _ => "groups",
    };
    found.insert(group.into());
    let weights = weight_bits(p.weights);
    found.insert(format!("{weights} bit weights"));
    found.insert(format!("{} bit codes", p.code.bits));
    found.insert(format!("w{weights}a{}", p.code.bits));
    let levels: BTreeSet<i32> = p.weights.iter().copied().collect();
    if levels == [-4, -2, -1, 0, 1, 2, 4].into() {
        found.insert("power-of-two weights".into());
    }
    if p.window.padding != [0; 4] {
        let level = if p.pad == 0 {
            "level 0"
        } else {
            "another level"
        };
        found.insert(format!("padding of {level}"));
    }
    if !p.bias.is_empty() {
        found.insert("bias".into());
    }
}

/// The least and the largest sum of an input's weights of an output channel, times the step of the codes.
fn kernel_sums(p: &Conv<'_>) -> Option<[i64; 2]> {
    let inputs = p.group_inputs();
    let sums = p
        .weights
        .chunks_exact(p.channel_weights())
        .flat_map(|own| {
            (0..inputs).map(move |i| own[i..].iter().step_by(inputs).map(|&w| i64::from(w)).sum())
        })
        .map(|sum: i64| sum * i64::from(p.code.step));
    let sums: Vec<i64> = sums.collect();
    Some([*sums.iter().min()?, *sums.iter().max()?])
}

/// Bits of weights by their levels; of weights far apart more than 8.
fn weight_bits(weights: &[i32]) -> u32 {
    let levels: BTreeSet<i32> = weights.iter().copied().collect();
    levels.len().next_power_of_two().ilog2().max(1)
}

/// Whether all codes and all weights are the largest, so that no sum can be larger.
fn extreme(p: &Conv<'_>, codes: &[u8]) -> bool {
    let largest = p.weights[0];
    largest > 0
        && p.weights.iter().all(|&w| w == largest)
        && codes.iter().all(|&c| c == p.code.max_code())
}

fn window(found: &mut Classes, p: &Window, input: Extent) {
    let [height, width] = p.kernel;
    if height == width {
        found.insert(format!("{height}x{width}"));
    } else {
        found.insert("kernel of two sizes".into());
    }
    if p.stride[0] == p.stride[1] {
        found.insert(format!("stride {}", p.stride[0]));
    }
    let [top, left, bottom, right] = p.padding;
    found.insert(match p.padding {
        [0, 0, 0, 0] => "no padding".into(),
        _ => "padding".into(),
    });
    if top != bottom || left != right {
        found.insert("padding on one side".into());
    }
    if input.height != input.width {
        found.insert("not square".into());
    }
}

fn channels(found: &mut Classes, side: &str, channels: usize) {
    found.insert(match channels {
        0..=16 => format!("few {side}"),
        17..=64 => format!("more than 16 {side}"),
        _ => format!("more than 64 {side}"),
    });
}

fn finish(found: &mut Classes, finish: &Finish<'_>) {
    let bits = |max_code: u8| format!("{} bit results", max_code.count_ones());
    match *finish {
        Finish::Sums => {
            found.insert("sums".into());
        }
        Finish::Thresholds {
            max_code,
            thresholds,
            descending,
        } => {
            found.insert("thresholds".into());
            found.insert(bits(max_code));
            if descending.contains(&true) {
                found.insert("descending".into());
            }
            if thresholds.contains(&i32::MIN) && thresholds.contains(&i32::MAX) {
                found.insert("thresholds at the ends".into());
            }
        }
        Finish::MulShift { max_code, .. } => {
            found.insert("multiplier and shift".into());
            found.insert(bits(max_code));
        }
    }
}
