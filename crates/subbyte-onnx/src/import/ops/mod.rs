//! What each operator becomes, by kind.

pub mod activation;
pub mod arithmetic;
pub mod attention;
pub mod axes;
pub mod function;
pub mod linear;
pub mod norm;
pub mod pool;
pub mod qonnx;
pub mod quantize;
pub mod resize;
mod window;

use super::{
    call::Call,
    operators::{lone_integers, lone_runs, lone_sigmoid},
    value::{Activation, Value},
};
use crate::error::Refusal;

/// Results of an operator, or why it cannot be taken over.
type Made = Result<Vec<Value>, Refusal>;

/// The one result of an operator.
fn one(value: impl Into<Value>) -> Made {
    Ok(vec![value.into()])
}

/// Input `i` as a tensor that depends on the image.
fn activation(call: &Call, i: usize) -> Result<Activation, Refusal> {
    as_activation(call.input(i)?)
}

fn as_activation(value: &Value) -> Result<Activation, Refusal> {
    match value {
        Value::Activation(x) => Ok(x.clone()),
        Value::Sigmoid(_) => Err(lone_sigmoid()),
        Value::Integers(_) => Err(lone_integers()),
        Value::Runs(_) | Value::Products(_) => Err(lone_runs()),
        Value::Constant(_) | Value::Weights(_) | Value::Unknown => Err(Refusal::new(
            "reads a constant where a tensor of the image belongs",
            "fold constants before exporting",
        )),
    }
}
