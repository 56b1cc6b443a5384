//! Names of tensors in networks that were trained elsewhere, and what subbyte calls them.

/// What training scripts put in front of the names of a network's tensors, in any order and number.
const PREFIXES: &[&str] = &[
    "state_dict.",
    "model_state_dict.",
    "model.",
    "module.",
    "net.",
    "_orig_mod.",
];

/// Layers: theirs, ours. A `#` stands for a whole number, the same on both sides in order; `+` for one more than theirs, since they
/// count blocks from 0.
#[rustfmt::skip]
const LAYERS: &[(&str, &str)] = &[
    // ResNets of torchvision and timm; of akamaster/pytorch_resnet_cifar10 (`linear`); of kuangliu/pytorch-cifar (`linear`, `shortcut`).
    ("conv1",                 "stem"),
    ("bn1",                   "stem.norm"),
    ("layer#.#.conv#",        "stage#.block+.conv#"),
    ("layer#.#.bn#",          "stage#.block+.conv#.norm"),
    ("layer#.#.downsample.0", "stage#.block+.shortcut"),
    ("layer#.#.downsample.1", "stage#.block+.shortcut.norm"),
    ("layer#.#.shortcut.0",   "stage#.block+.shortcut"),
    ("layer#.#.shortcut.1",   "stage#.block+.shortcut.norm"),
    ("fc",                    "classifier"),
    ("linear",                "classifier"),
];

/// Tensors of a norm: theirs, ours. Those of other layers are called `weight` and `bias` on both sides.
const NORM: &[(&str, &str)] = &[
    ("weight", "gamma"),
    ("bias", "beta"),
    ("running_mean", "mean"),
    ("running_var", "variance"),
];

/// Our name of a tensor; `None` for one that no built-in network has, such as a counter.
pub(super) fn ours(theirs: &str) -> Option<String> {
    let mut name = theirs;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    let (layer, part) = name.rsplit_once('.')?;
    let (pattern, layer) =
        (LAYERS.iter()).find_map(|(theirs, ours)| Some((ours, numbers(theirs, layer)?)))?;
    let layer = fill(pattern, &layer);
    let part = match (layer.ends_with(".norm"), part) {
        (true, part) => NORM.iter().find(|(theirs, _)| *theirs == part)?.1,
        (false, "weight" | "bias") => part,
        (false, _) => return None,
    };
    Some(format!("{layer}.{part}"))
}

/// The numbers at the `#` of a pattern; `None` where the text is not of the pattern.
fn numbers(pattern: &str, text: &str) -> Option<Vec<usize>> {
    let mut parts = pattern.split('#');
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut numbers = Vec::new();
    for part in parts {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        numbers.push(number.parse().ok()?);
        rest = after.strip_prefix(part)?;
    }
    rest.is_empty().then_some(numbers)
}

/// A pattern with its numbers.
fn fill(pattern: &str, numbers: &[usize]) -> String {
    let mut numbers = numbers.iter();
    let mut next = |add: usize| {
        numbers
            .next()
            .map_or(0, |n| n.saturating_add(add))
            .to_string()
    };
    (pattern.chars())
        .map(|c| match c {
            '#' => next(0),
            '+' => next(1),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recipe, test};

    #[test]
    fn names_are_translated_whatever_stands_in_front() {
        for (theirs, expected) in [
            ("conv1.weight", Some("stem.weight")),
            ("bn1.running_var", Some("stem.norm.variance")),
            (
                "state_dict.module.layer2.0.conv1.weight",
                Some("stage2.block1.conv1.weight"),
            ),
            ("layer3.8.bn2.bias", Some("stage3.block9.conv2.norm.beta")),
            (
                "layer2.0.downsample.0.weight",
                Some("stage2.block1.shortcut.weight"),
            ),
            (
                "layer2.0.downsample.1.running_mean",
                Some("stage2.block1.shortcut.norm.mean"),
            ),
            ("fc.bias", Some("classifier.bias")),
            ("module.linear.weight", Some("classifier.weight")),
            ("layer1.0.bn1.num_batches_tracked", None),
            ("conv1", None),
            ("layer1.x.conv1.weight", None),
            ("head.conv1.weight", None),
            ("conv1.weight.momentum", None),
        ] {
            assert_eq!(ours(theirs).as_deref(), expected, "{theirs}");
        }
    }

    /// Every name that the map makes of a whole network is one of ours, and none of ours is left out.
    #[test]
    fn the_float_networks_are_covered_to_the_last_parameter() {
        let norm = |layer: &str| {
            NORM.iter()
                .map(|(part, _)| format!("{layer}.{part}"))
                .collect::<Vec<_>>()
        };
        for (network, blocks, shortcut, classifier) in [
            ("resnet20", &[3, 3, 3][..], "", "linear"),
            ("resnet32", &[5, 5, 5], "", "linear"),
            ("resnet56", &[9, 9, 9], "", "linear"),
            ("resnet18", &[2, 2, 2, 2], "downsample", "fc"),
            ("resnet18-cifar", &[2, 2, 2, 2], "shortcut", "linear"),
        ] {
            let mut theirs = vec![
                "conv1.weight".to_owned(),
                format!("{classifier}.weight"),
                format!("{classifier}.bias"),
            ];
            theirs.extend(norm("bn1"));
            for (stage, &blocks) in (1..).zip(blocks) {
                for block in 0..blocks {
                    let name = format!("layer{stage}.{block}");
                    for i in [1, 2] {
                        theirs.push(format!("{name}.conv{i}.weight"));
                        theirs.extend(norm(&format!("{name}.bn{i}")));
                    }
                    if stage > 1 && block == 0 && !shortcut.is_empty() {
                        theirs.push(format!("{name}.{shortcut}.0.weight"));
                        theirs.extend(norm(&format!("{name}.{shortcut}.1")));
                    }
                }
            }
            let mut found: Vec<String> = theirs.iter().filter_map(|name| ours(name)).collect();
            found.sort();
            let mut recipe = Recipe::default();
            recipe.set("bits=float").unwrap();
            recipe.set(&format!("network={network}")).unwrap();
            let graph = recipe.network(&test::images(20)).unwrap();
            assert_eq!(
                found,
                graph.params.into_keys().collect::<Vec<_>>(),
                "{network}"
            );
        }
    }
}
