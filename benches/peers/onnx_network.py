"""Networks as ONNX, for the peers that read it."""

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

import networks


class OnnxBuilder(networks.Builder):
    def __init__(self):
        super().__init__()
        self.nodes = []
        self.constants = []

    def node(self, kind, *inputs, **attributes):
        output = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, array):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.asarray(array), name))
        return name

    def emit_conv(self, x, shape, stride, relu):
        weights, bias = map(self.constant, self.weights(shape))
        kernel = shape[2:]
        pads = [kernel[0] // 2] * 4
        y = self.node("Conv", x.value, weights, bias, kernel_shape=kernel, pads=pads, strides=[stride] * 2)
        return self.node("Relu", y) if relu else y

    def emit_max_pool(self, x):
        return self.node("MaxPool", x.value, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])

    def emit_thin_and_pad(self, x, channels):
        starts, ends, axes, steps = ([0, 0], [x.size, x.size], [2, 3], [2, 2])
        thin = self.node("Slice", x.value, *(self.constant(numpy.int64(c)) for c in (starts, ends, axes, steps)))
        pads = self.constant(numpy.int64([0, channels, 0, 0] * 2))
        return self.node("Pad", thin, pads, self.constant(numpy.float32(0)))

    def emit_add_relu(self, x, y):
        return self.node("Relu", self.node("Add", x.value, y.value))

    def emit_classifier(self, x, shape):
        weights, bias = map(self.constant, self.weights(shape))
        flat = self.node("Flatten", self.node("GlobalAveragePool", x.value))
        return self.node("Gemm", flat, weights, bias, transB=1)


def write(network, file):
    size = networks.NETWORKS[network][1]
    b = OnnxBuilder()
    output = networks.build(b, network, "image")
    graph = helper.make_graph(
        b.nodes,
        network,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        b.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    onnx.save(model, file)
