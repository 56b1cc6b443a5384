"""OpenVINO, on u8 images in HWC. int8: post-training quantization by NNCF."""

import networks

NAME = "OpenVINO"
REQUIREMENTS = ["openvino==2026.4.1", "nncf==3.4.0", "onnx==1.23.2"]
EXTENSION = "xml"


def build(network, bits, file):
    import onnx_network
    import openvino

    onnx_network.write(network, f"{file}.onnx")
    model = openvino.convert_model(f"{file}.onnx")
    if bits == "int8":
        import nncf

        images = nncf.Dataset(networks.random_images(network, 4))
        model = nncf.quantize(model, images, preset=nncf.QuantizationPreset.PERFORMANCE, subset_size=4)
    openvino.save_model(model, file, compress_to_fp16=False)


def load(network, bits, threads, file):
    import openvino

    core = openvino.Core()
    steps = openvino.preprocess.PrePostProcessor(core.read_model(file))
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    convert = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    convert.mean(networks.PIXEL_MEAN).scale(networks.PIXEL_DEVIATION)
    if network == "stem":
        # The layout that the convolution writes; anything else costs a copy that no whole network makes.
        steps.output().model().set_layout(openvino.Layout("NCHW"))
        steps.output().tensor().set_layout(openvino.Layout("NHWC"))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # Pinned threads wait for whatever else runs on their core.
        "ENABLE_CPU_PINNING": False,
        # Its default is bf16 where the processor has it, which leaves int8 as fast as it is and makes no fp32.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(steps.build(), "CPU", settings).create_infer_request()
    request.get_input_tensor().data[:] = networks.random_pixels(network).transpose(0, 2, 3, 1)
    return request.infer
