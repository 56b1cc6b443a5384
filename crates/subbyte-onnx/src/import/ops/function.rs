//! Functions of every number, such as the arithmetic of noise levels.

use subbyte_graph::{Function, Op};

use super::{Call, Made, Refusal, activation, one};
use crate::import::{Import, value::Activation};

pub fn log(import: &mut Import, call: &Call) -> Made {
    map(import, call, Function::Log)
}

pub fn sqrt(import: &mut Import, call: &Call) -> Made {
    map(import, call, Function::Sqrt)
}

pub fn reciprocal(import: &mut Import, call: &Call) -> Made {
    map(import, call, Function::Reciprocal)
}

pub fn sin(import: &mut Import, call: &Call) -> Made {
    map(import, call, Function::Sin)
}

pub fn cos(import: &mut Import, call: &Call) -> Made {
    map(import, call, Function::Cos)
}

fn map(import: &mut Import, call: &Call, function: Function) -> Made {
    let x = import.plain(&activation(call, 0)?)?;
    one(push(import, call.name, &x, function)?)
}

/// `function` of `x`, which waits for nothing.
pub fn push(
    import: &mut Import,
    name: &str,
    x: &Activation,
    function: Function,
) -> Result<Activation, Refusal> {
    let node = import.builder.push(name, Op::Map { function }, &[x.node])?;
    Ok(Activation { node, ..x.clone() })
}

pub fn pow(import: &mut Import, call: &Call) -> Made {
    let x = import.plain(&activation(call, 0)?)?;
    let exponent = call.constant(1)?.scalar();
    match exponent {
        Some(1.0) => one(x),
        Some(2.0) => {
            let node = import.builder.push(call.name, Op::Mul, &[x.node, x.node])?;
            one(Activation { node, ..x })
        }
        Some(0.5) => one(push(import, call.name, &x, Function::Sqrt)?),
        Some(-1.0) => one(push(import, call.name, &x, Function::Reciprocal)?),
        _ => Err(Refusal::new(
            "has another exponent than 2, 1, 0.5 or -1",
            "write it as products, square roots and reciprocals",
        )),
    }
}
