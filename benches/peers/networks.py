"""The networks, written down once. A builder of each framework is led through their layers, with the same random weights.

Batch norm is folded into convolutions already: a layer is convolution, bias, ReLU.
"""

import math
from dataclasses import dataclass
from typing import Any


# What is done to pixels where a network takes floats.
PIXEL_MEAN = 127.5
PIXEL_DEVIATION = 73.9


@dataclass
class Tensor:
    value: Any  # what the framework calls a tensor
    channels: int
    size: int  # height and width


class Builder:
    """Leads through the layers, counts multiply-adds and makes the weights; frameworks fill in the `emit` methods."""

    def __init__(self):
        self.macs = 0
        self.first_macs = 0
        self.layers = 0

    def conv(self, x, channels, kernel, stride=1, relu=True):
        size = -(-x.size // stride)
        shape = (channels, x.channels, kernel, kernel)
        self.macs += math.prod(shape) * size * size
        self.first_macs = self.first_macs or self.macs
        return Tensor(self.emit_conv(x, shape, stride, relu), channels, size)

    def max_pool(self, x):
        """3x3 at stride 2."""
        return Tensor(self.emit_max_pool(x), x.channels, -(-x.size // 2))

    def thin_and_pad(self, x, channels):
        """Shortcut A: every second pixel, zero channels on both sides."""
        return Tensor(self.emit_thin_and_pad(x, (channels - x.channels) // 2), channels, -(-x.size // 2))

    def add_relu(self, x, y):
        return Tensor(self.emit_add_relu(x, y), x.channels, x.size)

    def classifier(self, x, classes):
        """Average of all pixels, then a linear layer."""
        self.macs += x.channels * classes
        return Tensor(self.emit_classifier(x, (classes, x.channels)), classes, 1)

    def weights(self, shape):
        """Random weights that keep the size of activations, and small biases, one an output."""
        import numpy

        self.layers += 1
        random = numpy.random.default_rng(self.layers)
        weights = random.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape)
        return weights.astype(numpy.float32), random.normal(0, 0.1, shape[0]).astype(numpy.float32)

    def emit_nothing(self, *_):
        return None

    emit_conv = emit_max_pool = emit_thin_and_pad = emit_add_relu = emit_classifier = emit_nothing


def block(b, x, channels, stride, pad_shortcut):
    y = b.conv(x, channels, 3, stride)
    y = b.conv(y, channels, 3, relu=False)
    if stride > 1:
        x = b.thin_and_pad(x, channels) if pad_shortcut else b.conv(x, channels, 1, stride, relu=False)
    return b.add_relu(y, x)


def stem(b, x):
    return b.conv(x, 64, 7, 2)


def resnet18(b, x):
    x = b.max_pool(stem(b, x))
    for channels in (64, 128, 256, 512):
        for first in (True, False):
            x = block(b, x, channels, 2 if first and channels > 64 else 1, pad_shortcut=False)
    return b.classifier(x, 1000)


def resnet20(b, x):
    x = b.conv(x, 16, 3)
    for channels in (16, 32, 64):
        for number in range(3):
            x = block(b, x, channels, 2 if number == 0 and channels > 16 else 1, pad_shortcut=True)
    return b.classifier(x, 100)


# Layers, height and width of the image.
NETWORKS = {"resnet18": (resnet18, 224), "resnet20": (resnet20, 32), "stem": (stem, 224)}


def build(builder, network, image):
    """Leads `builder` through a network; `image` is the framework's input tensor. Returns the output tensor."""
    layers, size = NETWORKS[network]
    return layers(builder, Tensor(image, 3, size)).value


def random_pixels(network, seed=0):
    """One image, u8 [1][colours][height][width]."""
    import numpy

    size = NETWORKS[network][1]
    return numpy.random.default_rng(seed).integers(0, 256, (1, 3, size, size), numpy.uint8)


def random_images(network, count):
    """`count` images as the networks take them, each f32 [1][colours][height][width]."""
    pixels = (random_pixels(network, seed).astype("float32") for seed in range(count))
    return [(p - PIXEL_MEAN) / PIXEL_DEVIATION for p in pixels]


def macs(network):
    """Multiply-adds of the first layer and of all layers, one image."""
    b = Builder()
    build(b, network, None)
    return b.first_macs, b.macs
