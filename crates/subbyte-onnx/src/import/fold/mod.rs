//! Nodes whose inputs are all known: computed shapes, converted and scaled constants.

mod elementwise;
pub mod indexing;

use std::rc::Rc;

pub use elementwise::clipped;

use super::{call::Call, value::Value};
use crate::{
    error::Refusal,
    schema::data_type,
    tensor::{self, Budget, Source, Tensor, elements},
};

/// Names of the operators that can be folded.
pub const FOLDED: &[&str] = &[
    "Add",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Cos",
    "Div",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Identity",
    "Log",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Pow",
    "Reciprocal",
    "ReduceProd",
    "Reshape",
    "Sin",
    "Slice",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// The constant that a node makes; `None` where it is none of [`FOLDED`] or reads what is not known.
pub fn fold(call: &Call, budget: &mut Budget) -> Result<Option<Tensor>, Refusal> {
    let own = call.proto.domain.as_deref().unwrap_or("").is_empty();
    if !own || !FOLDED.contains(&call.operator()) {
        return Ok(None);
    }
    let all = call.inputs.iter().flatten().map(|value| match value {
        Value::Constant(tensor) => Some(tensor.clone()),
        _ => None,
    });
    let Some(inputs) = all.collect::<Option<Vec<Rc<Tensor>>>>() else {
        return Ok(None);
    };
    let first = |i: usize| match inputs.get(i) {
        Some(tensor) => Ok(tensor.as_ref()),
        None => Err(Refusal::broken(format!("its input {i} is missing"))),
    };
    // Nodes that move numbers make no more of them, except these two, which ask for themselves.
    if !["Expand", "ConstantOfShape", "Constant"].contains(&call.operator()) {
        let mut largest = 0;
        for input in &inputs {
            largest = largest.max(input.len());
        }
        budget.take(largest)?;
    }
    let mut tensor = match call.operator() {
        "Constant" => constant(call, budget)?,
        "ConstantOfShape" => {
            let dims = first(0)?.as_sizes()?;
            budget.take(elements(&dims)?)?;
            let value = match call.tensor("value") {
                Some(proto) => {
                    let mut source = Source {
                        folder: None,
                        budget,
                    };
                    tensor::decode(proto, call.name, &mut source)?
                }
                None => Tensor::floats(call.name, vec![1], vec![0.0]),
            };
            indexing::expand(&value, &dims)?
        }
        "Identity" => first(0)?.clone(),
        "Cast" => elementwise::cast(first(0)?, call.int("to", 0))?,
        "Clip" => elementwise::clip(
            first(0)?,
            call.optional_constant(1)?.as_deref(),
            call.optional_constant(2)?.as_deref(),
        )?,
        "Neg" | "Sqrt" | "Reciprocal" | "Floor" | "Ceil" | "Cos" | "Exp" | "Log" | "Sin" => {
            elementwise::unary(call.operator(), first(0)?)?
        }
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" => {
            let mut result = first(0)?.clone();
            for other in &inputs[1..] {
                result = elementwise::binary(call.operator(), &result, other, budget)?;
            }
            result
        }
        "ReduceProd" => elementwise::product(first(0)?, call)?,
        "Gather" => indexing::gather(first(0)?, first(1)?, call.int("axis", 0), budget)?,
        "Concat" => {
            let inputs: Vec<&Tensor> = inputs.iter().map(Rc::as_ref).collect();
            budget.take(inputs.iter().map(|t| t.len()).sum())?;
            indexing::concat(&inputs, call.int("axis", 0))?
        }
        "Expand" => {
            let dims = first(1)?.as_sizes()?;
            let dims = indexing::broadcast(&first(0)?.dims, &dims)?;
            budget.take(elements(&dims)?)?;
            indexing::expand(first(0)?, &dims)?
        }
        "Transpose" => indexing::transpose(first(0)?, call.ints("perm"))?,
        "Slice" => indexing::slice(first(0)?, call)?,
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => indexing::reshape(first(0)?, call)?,
        _ => return Ok(None),
    };
    // What is only moved keeps its name, so that weights are called as in the file.
    let moved = [
        "Identity",
        "Cast",
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
    ];
    let renamed = !moved.contains(&call.operator());
    if let Some(output) = call.proto.output.first() {
        tensor.key.clone_from(output);
        if renamed {
            tensor.name.clone_from(output);
        }
    }
    Ok(Some(tensor))
}

fn constant(call: &Call, budget: &mut Budget) -> Result<Tensor, Refusal> {
    if let Some(proto) = call.tensor("value") {
        let mut source = Source {
            folder: None,
            budget,
        };
        return tensor::decode(proto, call.name, &mut source);
    }
    if let Some(ints) = call.ints("value_ints") {
        return Ok(Tensor::ints(call.name, vec![ints.len()], ints.to_vec()));
    }
    if let Some(floats) = call.floats("value_floats") {
        return Ok(Tensor::floats(
            call.name,
            vec![floats.len()],
            floats.to_vec(),
        ));
    }
    if call.has("value_int") {
        return Ok(Tensor::ints(
            call.name,
            vec![],
            vec![call.int("value_int", 0)],
        ));
    }
    if call.has("value_float") {
        let value = call.float("value_float", 0.0);
        return Ok(Tensor::floats(call.name, vec![], vec![value]));
    }
    Err(Refusal::new(
        "holds neither numbers nor a list of numbers",
        "texts and sparse tensors cannot be taken over",
    ))
}

/// Whether an element type is one of floats.
pub fn is_float(data_type: i64) -> bool {
    [
        data_type::FLOAT,
        data_type::FLOAT16,
        data_type::BFLOAT16,
        data_type::DOUBLE,
    ]
    .iter()
    .any(|&float| i64::from(float) == data_type)
}
