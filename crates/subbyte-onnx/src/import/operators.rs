//! Every operator that can be taken over.

use super::{
    Import,
    call::Call,
    ops::{
        activation, arithmetic, attention, axes, function, linear, norm, pool, qonnx, quantize,
        resize,
    },
    value::Value,
};
use crate::{error::Refusal, schema::NodeProto};

/// Domain of the operators of QONNX.
const QONNX: &str = "qonnx.custom_op.general";

/// Other names of [`QONNX`].
const QONNX_TOO: [&str; 3] = ["onnx.brevitas", "finn.custom_op.general", "qonnx"];

/// An operator of ONNX or QONNX that can be taken over.
#[derive(Clone, Copy)]
pub struct Operator {
    /// The operators' domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Name of the operator.
    pub name: &'static str,
    /// What it becomes, and what is not taken over.
    pub notes: &'static str,
    pub(super) import: Take,
}

/// Takes one node over: its results in order.
type Take = fn(&mut Import, &Call) -> Result<Vec<Value>, Refusal>;

/// All operators that can be taken over, by name.
pub fn operators() -> &'static [Operator] {
    OPERATORS
}

const fn onnx(name: &'static str, notes: &'static str, import: Take) -> Operator {
    Operator {
        domain: "",
        name,
        notes,
        import,
    }
}

const fn qonnx(name: &'static str, notes: &'static str, import: Take) -> Operator {
    Operator {
        domain: QONNX,
        name,
        notes,
        import,
    }
}

#[rustfmt::skip]
const OPERATORS: &[Operator] = &[
    onnx("Add", "addition, one side spread where it has length 1; a constant for each channel becomes a bias or part of a batch norm", arithmetic::add),
    onnx("AveragePool", "average pool; where padding does not count, one that has no integer form", pool::average),
    onnx("BatchNormalization", "batch norm; on the image part of its normalization", norm::batch_norm),
    onnx("Cast", "of constants, or between types of floats", axes::cast),
    onnx("Ceil", "of constants", only_constants),
    onnx("Clip", "0 to 6: ReLU6; from 0: ReLU; of x + 3: hard-sigmoid; between quantization and dequantization: fewer bits; in networks of float inputs any limits", activation::clip),
    onnx("Concat", "along channels", axes::concat),
    onnx("Constant", "", only_constants),
    onnx("ConstantOfShape", "of a constant shape", only_constants),
    onnx("Conv", "2-D, any groups, strides and padding; no dilation", linear::conv),
    onnx("Cos", "cosine", function::cos),
    onnx("DequantizeLinear", "with QuantizeLinear a quantizer; weights and biases", quantize::dequantize),
    onnx("Div", "by a constant for each channel; in networks of float inputs by a tensor", arithmetic::div),
    onnx("Dropout", "left out", axes::pass),
    onnx("Einsum", "the products of an attention", attention::einsum),
    onnx("Exp", "of constants", only_constants),
    onnx("Expand", "of constants", only_constants),
    onnx("Flatten", "flattening", axes::reshape),
    onnx("Floor", "of constants", only_constants),
    onnx("Gather", "of constants; of the image's colours in reverse", axes::gather),
    onnx("Gemm", "linear layer, its weights constant", linear::gemm),
    onnx("GlobalAveragePool", "global average pool", pool::global_average),
    onnx("GlobalMaxPool", "max pool over the whole tensor", pool::global_max),
    onnx("GroupNormalization", "group norm", norm::group_norm),
    onnx("HardSigmoid", "hard-sigmoid of a scaled input", activation::hard_sigmoid),
    onnx("HardSwish", "hard-swish", activation::hard_swish),
    onnx("Identity", "left out", axes::pass),
    onnx("InstanceNormalization", "group norm, of the groups that a reshape before it cuts", norm::instance_norm),
    onnx("Log", "natural logarithm", function::log),
    onnx("LogSoftmax", "left out at the end of the network", activation::softmax),
    onnx("MatMul", "linear layer, its weights constant; the products of an attention", attention::matmul),
    onnx("Max", "of constants", only_constants),
    onnx("MaxPool", "max pool; no dilation", pool::max),
    onnx("Min", "of constants", only_constants),
    onnx("Mul", "product, one side spread where it has length 1; with its own sigmoid SiLU, with its hard-sigmoid hard-swish; by a constant for each channel", arithmetic::mul),
    onnx("Neg", "scale of -1", arithmetic::neg),
    onnx("Pad", "zeros: padding of the convolution or pool that reads it, or channels", axes::pad),
    onnx("Pow", "square, square root, reciprocal", function::pow),
    onnx("QuantizeLinear", "with DequantizeLinear a quantizer of up to 8 bits; activations have one scale, weights one or one for each output channel", quantize::quantize),
    onnx("Reciprocal", "reciprocal", function::reciprocal),
    onnx("ReduceMean", "over height and width: global average pool", pool::reduce_mean),
    onnx("ReduceProd", "of constants", only_constants),
    onnx("Relu", "ReLU", activation::relu),
    onnx("Reshape", "flattening, axes of length 1, groups of a group norm, heads of an attention", axes::reshape),
    onnx("Resize", "nearest neighbour, enlarging by whole factors", resize::resize),
    onnx("Shape", "", axes::shape),
    onnx("Sigmoid", "with a product SiLU", activation::sigmoid),
    onnx("Sin", "sine", function::sin),
    onnx("Slice", "along channels, height and width, forwards", axes::slice),
    onnx("Softmax", "left out at the end of the network; part of an attention", activation::softmax),
    onnx("Split", "slices", axes::split),
    onnx("Sqrt", "square root", function::sqrt),
    onnx("Squeeze", "axes of length 1", axes::reshape),
    onnx("Sub", "as Add", arithmetic::sub),
    onnx("Sum", "additions", arithmetic::sum),
    onnx("Swish", "SiLU", activation::swish),
    onnx("Transpose", "channels first to channels last and back", axes::transpose),
    onnx("Unsqueeze", "axes of length 1", axes::reshape),
    onnx("Upsample", "as Resize", resize::resize),
    qonnx("BipolarQuant", "of weights: binary mean scaling", qonnx::bipolar),
    qonnx("IntQuant", "as Quant", qonnx::quant),
    qonnx("Quant", "quantizer of up to 8 bits, rounding to even; unsigned without zero point also HALF_UP", qonnx::quant),
    qonnx("Trunc", "left out where it drops no bits", qonnx::trunc),
];

/// The operator of a node.
pub fn find(node: &NodeProto) -> Result<&'static Operator, Refusal> {
    let domain = match node.domain.as_deref().unwrap_or("") {
        "ai.onnx" => "",
        domain if QONNX_TOO.contains(&domain) => QONNX,
        domain => domain,
    };
    let name = node.op_type.as_deref().unwrap_or("");
    let mut all = OPERATORS.iter();
    all.find(|o| o.domain == domain && o.name == name)
        .ok_or_else(|| Refusal::new("has no counterpart here", advice(domain, name)))
}

/// The operator as messages name it.
pub fn label(node: &NodeProto) -> String {
    let name = node.op_type.as_deref().unwrap_or("");
    match node.domain.as_deref().unwrap_or("") {
        "" | "ai.onnx" => name.to_owned(),
        domain => format!("{domain}.{name}"),
    }
}

/// What to do about an operator that cannot be taken over.
fn advice(domain: &str, name: &str) -> String {
    let advice = match (domain, name) {
        (QONNX, "FloatQuant") => "use integer quantizers",
        (QONNX, _) => "use Quant, IntQuant or BipolarQuant",
        ("", name) if name.starts_with("QLinear") || name.ends_with("Integer") => {
            "quantize in the QDQ format: QuantizeLinear and DequantizeLinear around float operators"
        }
        (
            "",
            "LeakyRelu" | "PRelu" | "Elu" | "Celu" | "Selu" | "Gelu" | "Mish" | "Softplus" | "Tanh"
            | "Softsign" | "Erf" | "ThresholdedRelu",
        ) => "train the network with ReLU, ReLU6, SiLU or hard-swish",
        ("", "LayerNormalization" | "RMSNormalization" | "LRN") => {
            "train the network with batch norm or group norm"
        }
        ("", "ConvTranspose" | "DepthToSpace") => "enlarge with Resize (nearest) and a convolution",
        ("", "If" | "Loop" | "Scan") => "trace the network for fixed inputs when exporting",
        ("", "LSTM" | "GRU" | "RNN" | "Attention") => {
            "only convolutional networks can be taken over"
        }
        ("", _) => "replace it in the network, or cut the file before it",
        _ => "export with ONNX's own operators; inline functions with `onnx.inliner`",
    };
    advice.to_owned()
}

fn only_constants(_: &mut Import, call: &Call) -> Result<Vec<Value>, Refusal> {
    let advice = advice("", call.operator());
    Err(Refusal::new("is computed from the image", advice))
}

/// A sigmoid that is no part of a SiLU.
pub fn lone_sigmoid() -> Refusal {
    Refusal::new(
        "reads a sigmoid",
        "sigmoids are known only as x * sigmoid(x); train with hard-sigmoid",
    )
}

/// Channels cut into groups or heads that are no group norm's or attention's.
pub fn lone_runs() -> Refusal {
    Refusal::new(
        "reads channels cut into groups or heads",
        "only group norms and attentions can do that; join the channels before it",
    )
}

/// Integers that no DequantizeLinear reads.
pub fn lone_integers() -> Refusal {
    Refusal::new(
        "reads the integers of a QuantizeLinear",
        "quantize in the QDQ format, with DequantizeLinear right behind",
    )
}

#[cfg(test)]
mod tests {
    use super::{super::fold::FOLDED, *};

    #[test]
    fn the_table_is_sorted_and_lists_what_is_folded() {
        let keys = OPERATORS.iter().map(|o| (o.domain, o.name));
        assert!(keys.is_sorted());
        for name in FOLDED {
            assert!(OPERATORS.iter().any(|o| o.name == *name), "{name}");
        }
    }
}
