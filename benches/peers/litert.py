"""LiteRT (TensorFlow Lite) with XNNPACK, its default. int8: full-integer quantization, u8 images and logits."""

import networks

NAME = "LiteRT/XNNPACK"
REQUIREMENTS = ["ai-edge-litert==2.3.0", "tensorflow-cpu==2.21.0", "tf_keras==2.21.0"]
EXTENSION = "tflite"


def build(network, bits, file):
    import os

    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf

    layers = tf.keras.layers

    class KerasBuilder(networks.Builder):
        def set_weights(self, layer, x, shape, axes):
            y = layer(x)
            weights, bias = self.weights(shape)
            layer.set_weights([weights.transpose(axes), bias])
            return y

        def emit_conv(self, x, shape, stride, relu):
            activation = "relu" if relu else None
            layer = layers.Conv2D(shape[0], shape[2], stride, "same", activation=activation)
            return self.set_weights(layer, x.value, shape, (2, 3, 1, 0))

        def emit_max_pool(self, x):
            return layers.MaxPooling2D(3, 2, "same")(x.value)

        def emit_thin_and_pad(self, x, channels):
            return tf.pad(x.value[:, ::2, ::2, :], [[0, 0]] * 3 + [[channels, channels]])

        def emit_add_relu(self, x, y):
            return tf.nn.relu(layers.Add()([x.value, y.value]))

        def emit_classifier(self, x, shape):
            return self.set_weights(layers.Dense(shape[0]), layers.GlobalAveragePooling2D()(x.value), shape, (1, 0))

    size = networks.NETWORKS[network][1]
    image = layers.Input((size, size, 3), batch_size=1)
    model = tf.keras.Model(image, networks.build(KerasBuilder(), network, image))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if bits == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        images = networks.random_images(network, 4)
        converter.representative_dataset = lambda: ([i.transpose(0, 2, 3, 1)] for i in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    with open(file, "wb") as out:
        out.write(converter.convert())


def load(network, bits, threads, file):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(file, num_threads=threads)
    interpreter.allocate_tensors()
    images = [networks.random_pixels(network)] if bits == "int8" else networks.random_images(network, 1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images[0].transpose(0, 2, 3, 1))
    return interpreter.invoke
