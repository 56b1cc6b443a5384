#!/usr/bin/env python3
"""Run the written files with other software and record what they make.

usage: check.py          (through scripts/test-onnx)

For every NAME: onnx.checker accepts both forms; onnxruntime, plain and optimised, makes of NAME.qdq.onnx, and the qonnx package of
NAME.qonnx.onnx, what subbyte's interpreter made (NAME.*.expected); every quantizer makes the same codes in both forms. The outputs
are recorded in NAME.FORM.f32.
"""
import glob
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../fixtures")
from make import pixels

NEAR = 2e-5
LEVELS = ort.GraphOptimizationLevel


def session(model, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options)


def run(model, x, level=LEVELS.ORT_DISABLE_ALL):
    return session(model, level).run(None, {model.graph.input[0].name: x})


def with_outputs(model, names):
    """The model with the tensors `names` as outputs."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return model


def difference(a, b):
    return np.abs(np.asarray(a).ravel() - np.asarray(b).ravel()).max() / np.abs(b).max()


failed = 0
for path in sorted(glob.glob(f"{HERE}/*.qdq.onnx")):
    name = os.path.basename(path).removesuffix(".qdq.onnx")
    files = {form: onnx.load(f"{HERE}/{name}.{form}.onnx") for form in ["qdq", "qonnx"]}
    wanted = np.fromfile(f"{HERE}/{name}.qdq.expected", "<f4")
    x = pixels(3, 8)[None].astype(np.float32)
    for model in files.values():
        onnx.checker.check_model(model)
    onnx.checker.check_model(files["qdq"], full_check=True)

    plain = run(files["qdq"], x)[0]
    batch = run(files["qdq"], np.concatenate([x, x[:, ::-1]]))[0]
    optimised = run(files["qdq"], x, LEVELS.ORT_ENABLE_ALL)[0]
    wrapper = ModelWrapper(files["qonnx"])
    wrapper.set_tensor_shape(wrapper.graph.input[0].name, list(x.shape))
    for output in wrapper.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    wrapper = wrapper.transform(InferShapes())
    context = execute_onnx(wrapper, {wrapper.graph.input[0].name: x}, return_full_exec_context=True)
    qonnx = context[wrapper.graph.output[0].name]
    np.asarray(plain[0], "<f4").tofile(f"{HERE}/{name}.qdq.f32")
    np.asarray(qonnx[0], "<f4").tofile(f"{HERE}/{name}.qonnx.f32")

    kinds = {"Quant", "BipolarQuant"}
    quantizers = {n.output[0] for n in files["qonnx"].graph.node if n.op_type in kinds}
    made = {n.output[0] for n in files["qdq"].graph.node if n.op_type == "DequantizeLinear"}
    same = quantizers == made
    tensors = run(with_outputs(files["qdq"], sorted(made)), x)[1:]
    off = 0
    for tensor, value in zip(sorted(made & quantizers), tensors):
        off += np.count_nonzero(np.abs(value - context[tensor]) > 1e-5 * np.abs(value).max())

    results = {"onnxruntime": plain, "in a batch": batch[:1], "optimised": optimised, "qonnx": qonnx}
    far = {what: difference(y, wanted) for what, y in results.items()}
    # Optimised, onnxruntime multiplies integers where it can and rounds sums by itself: a code may differ by one.
    bad = [what for what, d in far.items() if d > (0.02 if what == "optimised" else NEAR)]
    bad += [] if np.argmax(optimised) == np.argmax(wanted) else ["prediction"]
    bad += [] if same else ["names of quantizers"]
    bad += [] if off == 0 else ["codes"]
    failed += bool(bad)
    figures = ", ".join(f"{what} {d:.1e}" for what, d in far.items())
    print(f"{name}: {len(made)} quantizers, {off} values differ; largest difference {figures}" + (f"; WRONG: {bad}" if bad else ""))
    for form in files:
        os.remove(f"{HERE}/{name}.{form}.expected")
sys.exit(failed > 0)
