"""ONNX Runtime. int8: static quantization in QDQ form, weights s8 per channel, activations u8."""

from types import SimpleNamespace

import networks

NAME = "ONNX Runtime"
REQUIREMENTS = ["onnxruntime==1.32.0", "onnx==1.23.2"]
EXTENSION = "onnx"


def build(network, bits, file):
    import onnx_network

    onnx_network.write(network, file)
    if bits == "fp32":
        return
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    images = ({"image": image} for image in networks.random_images(network, 4))
    reader = SimpleNamespace(get_next=lambda: next(images, None))
    quant_pre_process(file, file, skip_symbolic_shape=True)  # all shapes are known
    types = {"weight_type": QuantType.QInt8, "activation_type": QuantType.QUInt8}
    quantize_static(file, file, reader, quant_format=QuantFormat.QDQ, per_channel=True, **types)


def load(network, bits, threads, file):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("image", networks.random_images(network, 1)[0])
    binding.bind_output(session.get_outputs()[0].name)
    return lambda: session.run_with_iobinding(binding)
