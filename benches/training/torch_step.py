"""ResNet-20 on CIFAR-sized images in PyTorch, in float, with hand-written fake quantization, and with Brevitas' quantizers.

`torch_step.py KIND BATCH THREADS`, with KIND of float, eager, compiled (the same by `torch.compile`) or brevitas. Every line of input
is a number of training steps, which is answered by their milliseconds.
"""

import json
import sys
from time import perf_counter

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 100
TABLE_DEPTH = 10


class LearnedStep(nn.Module):
    """LSQ: one learned step, gradients scaled by 1 / sqrt(count * highest level)."""

    def __init__(self, bits, signed, step):
        super().__init__()
        self.low, self.high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        self.step = nn.Parameter(torch.tensor(step))

    def forward(self, x):
        damping = (x.numel() * self.high) ** -0.5
        step = (self.step - self.step * damping).detach() + self.step * damping
        levels = (x / step).clamp(self.low, self.high)
        return ((levels.round() - levels).detach() + levels) * step


class QuantizedConv(nn.Conv2d):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.quantizer = LearnedStep(2, True, 2 * self.weight.abs().mean().item())

    def forward(self, x):
        return self._conv_forward(x, self.quantizer(self.weight), None)


class QuantizedLinear(nn.Linear):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.quantizer = LearnedStep(2, True, 2 * self.weight.abs().mean().item())

    def forward(self, x):
        return F.linear(x, self.quantizer(self.weight), self.bias)


class PixelTable(nn.Module):
    """A learned table of 256 rows, quantized once a step, then looked up by every pixel."""

    def __init__(self, quantizer):
        super().__init__()
        self.table = nn.Parameter(torch.rand(256, TABLE_DEPTH))
        self.quantizer = quantizer

    def forward(self, pixels):
        images, height, width, colours = pixels.shape
        x = F.embedding(pixels, self.quantizer(self.table))
        return x.reshape(images, height, width, colours * TABLE_DEPTH).permute(0, 3, 1, 2)


class Normalized(nn.Module):
    def forward(self, pixels):
        return pixels.permute(0, 3, 1, 2) / 255 - 0.5


class Float:
    """What a network is made of, without quantizers."""

    first_inputs = 3
    conv, linear = nn.Conv2d, nn.Linear
    input = staticmethod(Normalized)
    read = stream = signed_stream = staticmethod(nn.Identity)
    relu = relu_stream = staticmethod(nn.ReLU)


class Eager:
    """The same with 2-bit weights and activations in all layers, 8-bit residual streams and a pixel table."""

    first_inputs = 3 * TABLE_DEPTH
    conv, linear = QuantizedConv, QuantizedLinear

    @staticmethod
    def input():
        return PixelTable(LearnedStep(2, False, 0.3))

    @staticmethod
    def read():
        return LearnedStep(2, False, 0.5)

    @staticmethod
    def stream():
        return LearnedStep(8, False, 0.02)

    @staticmethod
    def signed_stream():
        return LearnedStep(8, True, 0.02)

    @staticmethod
    def relu():
        return nn.Sequential(nn.ReLU(), LearnedStep(2, False, 0.5))

    @staticmethod
    def relu_stream():
        return nn.Sequential(nn.ReLU(), LearnedStep(8, False, 0.02))


def brevitas_parts():
    from brevitas import nn as qnn
    from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloat

    weights = {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": 2}

    class Brevitas:
        first_inputs = 3 * TABLE_DEPTH

        @staticmethod
        def conv(*arguments, **options):
            return qnn.QuantConv2d(*arguments, **options, **weights)

        @staticmethod
        def linear(*arguments):
            return qnn.QuantLinear(*arguments, bias=True, **weights)

        @staticmethod
        def input():
            return PixelTable(qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, bit_width=2))

        @staticmethod
        def read():
            return qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, bit_width=2)

        @staticmethod
        def stream():
            return qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, bit_width=8)

        @staticmethod
        def signed_stream():
            return qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=8)

        @staticmethod
        def relu():
            return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=2)

        @staticmethod
        def relu_stream():
            return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=8)

    return Brevitas


class Block(nn.Module):
    def __init__(self, parts, inputs, outputs):
        super().__init__()
        self.stride, self.zeros = outputs // inputs, (outputs - inputs) // 2
        self.read = parts.read()
        self.conv1 = parts.conv(inputs, outputs, 3, stride=self.stride, padding=1, bias=False)
        self.norm1, self.act1 = nn.BatchNorm2d(outputs), parts.relu()
        self.conv2 = parts.conv(outputs, outputs, 3, padding=1, bias=False)
        self.norm2, self.end = nn.BatchNorm2d(outputs), parts.signed_stream()
        self.shortcut = parts.stream() if self.zeros else None
        self.out = parts.relu_stream()

    def forward(self, x):
        branch = self.act1(self.norm1(self.conv1(self.read(x))))
        branch = self.end(self.norm2(self.conv2(branch)))
        if self.shortcut is not None:
            x = self.shortcut(F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.zeros, self.zeros)))
        return self.out(branch + x)


def network(parts):
    """ResNet-20 with shortcuts of every second pixel and zero channels."""
    stem = [parts.input(), parts.conv(parts.first_inputs, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), parts.relu_stream()]
    sizes = [(16, 16)] * 3 + [(16, 32)] + [(32, 32)] * 2 + [(32, 64)] + [(64, 64)] * 2
    blocks = [Block(parts, *size) for size in sizes]
    return nn.Sequential(*stem, *blocks, parts.read(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), parts.linear(64, CLASSES))


def main():
    kind, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    parts = {"float": lambda: Float, "eager": lambda: Eager, "compiled": lambda: Eager, "brevitas": brevitas_parts}[kind]()
    # Channels last is the faster layout here for all kinds.
    model = network(parts).to(memory_format=torch.channels_last).train()
    run = torch.compile(model) if kind == "compiled" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4)
    pixels = torch.randint(0, 256, (batch, 32, 32, 3))
    labels = torch.randint(0, CLASSES, (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(run(pixels), labels).backward()
        optimizer.step()

    step()
    print("{}", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = perf_counter()
            step()
            times.append((perf_counter() - start) * 1e3)
        print(json.dumps(times), flush=True)


main()
