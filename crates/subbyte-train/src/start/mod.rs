//! Starting from another network.

mod file;
mod first_layer;
mod names;

use subbyte_graph::{Graph, Op, Role, Storage};

pub(crate) use file::{Tensors, read};

use crate::{Taken, recipe::FromScales};

/// Replaces the parameters of `graph` by those of `theirs` that have the same name and shape.
///
/// A first convolution that reads a pixel table, or a fixed encoder of several columns, takes the weights of one that reads colours,
/// spread over the columns.
///
/// Where a weight or a table is taken without its scale, the scale is set to 0, which stands for "to be measured". Clip values count as
/// scales here.
pub(crate) fn take_parameters(graph: &mut Graph, theirs: &Tensors, scales: FromScales) -> Taken {
    let mut taken = Taken::default();
    for (name, param) in &mut graph.params {
        if param.role == Role::Constant {
            continue;
        }
        let scale = matches!(param.role, Role::Scale | Role::Clip);
        let wanted = !scale || scales == FromScales::Keep;
        match theirs.get(name) {
            Some((shape, numbers)) if wanted && *shape == param.shape => {
                param.storage = Storage::F32(numbers.clone());
                taken.parameters += 1;
            }
            _ => taken.missing.push(name.clone()),
        }
    }
    let theirs = |name: &str| {
        theirs
            .get(name)
            .map(|(shape, numbers)| (&shape[..], &numbers[..]))
    };
    if let Some((name, weights)) = first_layer::weights(graph, theirs)
        && let Some(at) = taken.missing.iter().position(|missing| *missing == name)
        && let Some(param) = graph.params.get_mut(&name)
    {
        param.storage = Storage::F32(weights);
        taken.missing.remove(at);
        taken.parameters += 1;
    }
    for name in scales_to_measure(graph, &taken.missing) {
        if let Some(scale) = graph.params.get_mut(&name) {
            scale.storage = Storage::F32(vec![0.0; scale.len()]);
        }
    }
    taken
}

/// Scales among `missing` whose quantizer reads a parameter that is not.
fn scales_to_measure(graph: &Graph, missing: &[String]) -> Vec<String> {
    let missing = |name: &str| missing.iter().any(|m| m == name);
    let scale_of = |node: &subbyte_graph::Node| {
        let (Op::Quantize(_), [x, scale]) = (&node.op, &node.inputs[..]) else {
            return None;
        };
        let (values, _) = graph.param_of(*x)?;
        let (scale, _) = graph.param_of(*scale)?;
        (missing(scale) && !missing(values)).then(|| scale.to_owned())
    };
    graph.nodes.iter().filter_map(scale_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recipe, test};

    fn network(settings: &[&str]) -> Graph {
        let mut recipe = Recipe::default();
        for setting in settings {
            recipe.set(setting).unwrap();
        }
        recipe.network(&test::images(20)).unwrap()
    }

    fn tensors(graph: &Graph) -> Tensors {
        let params = graph.params.iter();
        params
            .map(|(name, param)| (name.clone(), (param.shape.clone(), param.to_vec())))
            .collect()
    }

    fn value(graph: &Graph, name: &str) -> f32 {
        graph.params[name].to_vec()[0]
    }

    #[test]
    fn a_network_takes_all_of_its_like() {
        let other = network(&["seed=2"]);
        let mut graph = network(&["seed=3"]);
        let taken = take_parameters(&mut graph, &tensors(&other), FromScales::Keep);
        assert_eq!(
            (taken.parameters, taken.missing),
            // The table's step is a constant.
            (graph.params.len() - 1, vec![])
        );
        assert_eq!(graph, other);
    }

    #[test]
    fn a_float_network_gives_its_weights_and_leaves_scales_to_be_measured() {
        let float = network(&["bits=float", "seed=2"]);
        let mut graph = network(&["first=float"]);
        let taken = take_parameters(&mut graph, &tensors(&float), FromScales::Keep);
        assert_eq!(taken.parameters, float.params.len());
        assert!(!taken.missing.is_empty());
        assert!(
            taken
                .missing
                .iter()
                .all(|name| graph.params[name].role == Role::Scale)
        );
        assert_eq!(graph.params["conv2.weight"], float.params["conv2.weight"]);
        assert_eq!(value(&graph, "conv2.weight.scale"), 0.0);
    }

    #[test]
    fn what_has_another_shape_stays_as_it_was_with_its_scale() {
        let other = network(&["table.depth=4", "seed=2"]);
        let fresh = network(&[]);
        let mut graph = fresh.clone();
        let taken = take_parameters(&mut graph, &tensors(&other), FromScales::Keep);
        assert_eq!(taken.missing, ["input.table", "stem.weight"]);
        for name in taken.missing {
            assert_eq!(graph.params[&name], fresh.params[&name]);
        }
    }

    #[test]
    fn a_first_layer_behind_a_table_starts_from_one_that_reads_colours() {
        let float = network(&["bits=float", "seed=2"]);
        let fresh = network(&[]);
        let mut graph = fresh.clone();
        let taken = take_parameters(&mut graph, &tensors(&float), FromScales::Keep);
        assert!(!taken.missing.iter().any(|name| name == "stem.weight"));
        assert_ne!(graph.params["stem.weight"], fresh.params["stem.weight"]);
        // Its step is measured anew, the table's is not.
        assert_eq!(value(&graph, "stem.weight.scale"), 0.0);
        assert_eq!(
            graph.params["input.table.scale"],
            fresh.params["input.table.scale"]
        );
    }

    #[test]
    fn scales_for_other_bits_are_measured_anew_when_asked() {
        let mut other = network(&["bits=w4a4"]);
        other.params.get_mut("conv2.weight.scale").unwrap().storage = Storage::F32(vec![0.75]);
        let mut graph = network(&["table.bits=4"]);
        take_parameters(&mut graph, &tensors(&other), FromScales::Keep);
        assert_eq!(value(&graph, "conv2.weight.scale"), 0.75);
        take_parameters(&mut graph, &tensors(&other), FromScales::New);
        assert_eq!(value(&graph, "conv2.weight.scale"), 0.0);
        // The table's step is no parameter: its range is the same for all bits.
        assert_eq!(value(&graph, "input.table.scale"), 2.0 / 15.0);
    }
}
