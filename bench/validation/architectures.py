# SPDX-License-Identifier: Apache-2.0
"""Convolutional networks of the published rows in plain torch, so that torchvision is not needed.

Batch normalisation is already folded into the convolutions, as every inference compiler does first; only
shapes matter here, weights are never read. Sizes follow the public definitions; models.yaml states them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution with "same" padding and the folded batch normalisation's bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip connection (ResNet-18 and -34)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride)
        self.conv2 = _conv(width, width, 3)
        self.skip = _conv(inputs, width, 1, stride) if stride != 1 or inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C, H, W]."""
        y = self.conv2(torch.relu(self.conv1(x)))
        return torch.relu(y + (x if self.skip is None else self.skip(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 (carries the stride), 1x1 and a skip connection (ResNet-50 and deeper)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = _conv(inputs, width, 1)
        self.conv2 = _conv(width, width, 3, stride)
        self.conv3 = _conv(width, outputs, 1)
        self.skip = _conv(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C, H, W]."""
        y = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return torch.relu(self.conv3(y) + (x if self.skip is None else self.skip(x)))


class ResNet(nn.Module):
    """torchvision's ResNet: 7x7/2 stem, max-pool, four stages, mean, classifier."""

    def __init__(self, bottleneck: bool, blocks: Sequence[int], widths: Sequence[int], classes: int) -> None:
        super().__init__()
        block = Bottleneck if bottleneck else BasicBlock
        self.stem = _conv(3, widths[0], 7, 2)
        layers: list[nn.Module] = []
        channels = widths[0]
        for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            for index in range(count):
                layers.append(block(channels, width, 2 if stage > 0 and index == 0 else 1))
                channels = width * block.expansion
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, 3, H, W]; returns logits [B, classes]."""
        x = nnf.max_pool2d(torch.relu(self.stem(x)), 3, 2, 1)
        x = nnf.adaptive_avg_pool2d(self.layers(x), 1)
        return self.classifier(torch.flatten(x, 1))


class Vgg(nn.Module):
    """torchvision's VGG: "M" is a max-pool, a number a 3x3 convolution; three fully connected layers."""

    def __init__(self, convs: Sequence[int | str], classifier: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for entry in convs:
            if entry == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [_conv(channels, int(entry), 3), nn.ReLU()]
                channels = int(entry)
        self.features = nn.Sequential(*layers)
        head: list[nn.Module] = []
        for inputs, outputs in pairwise(classifier):
            head += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.classifier = nn.Sequential(*head[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, 3, 224, 224]; returns logits."""
        return self.classifier(torch.flatten(self.features(x), 1))


class Unet(nn.Module):
    """milesial's U-Net: two 3x3 convolutions a level, transposed convolutions upwards, concatenated skips."""

    def __init__(self, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(self._double(3 if i == 0 else widths[i - 1], w) for i, w in enumerate(widths))
        pairs = list(pairwise(widths))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(high, low, 2, 2) for low, high in pairs)
        self.merge = nn.ModuleList(self._double(2 * low, low) for low, _ in pairs)
        self.head = nn.Conv2d(widths[0], outputs, 1)

    @staticmethod
    def _double(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(_conv(inputs, outputs, 3), nn.ReLU(), _conv(outputs, outputs, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, 3, H, W]; returns one score a class and pixel."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nnf.max_pool2d(x, 2))
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = merge(torch.cat([skip, up(x)], 1))
        return self.head(x)


class _ConvAct(nn.Module):
    """Convolution and the activation of YOLOv4: mish in the backbone, leaky ReLU in the neck."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, mish: bool = False) -> None:
        super().__init__()
        self.conv = _conv(inputs, outputs, kernel, stride)
        self.mish = mish

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y * torch.tanh(nnf.softplus(y)) if self.mish else nnf.leaky_relu(y, 0.1)


class _CspStage(nn.Module):
    """Cross-stage-partial stage of CSPDarknet53: downsample, split, residual blocks on one half, join."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        half = outputs if blocks == 1 else outputs // 2
        inner = outputs // 2
        self.down = _ConvAct(inputs, outputs, 3, 2, True)
        self.left = _ConvAct(outputs, half, 1, 1, True)
        self.right = _ConvAct(outputs, half, 1, 1, True)
        self.blocks = nn.ModuleList(
            nn.Sequential(_ConvAct(half, inner, 1, 1, True), _ConvAct(inner, half, 3, 1, True)) for _ in range(blocks)
        )
        self.after = _ConvAct(half, half, 1, 1, True)
        self.join = _ConvAct(2 * half, outputs, 1, 1, True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        left, right = self.left(x), self.right(x)
        for block in self.blocks:
            right = right + block(right)
        return self.join(torch.cat([self.after(right), left], 1))


def _five(inputs: int, width: int) -> nn.Sequential:
    """The neck's five alternating 1x1 and 3x3 convolutions."""
    return nn.Sequential(
        _ConvAct(inputs, width, 1),
        _ConvAct(width, 2 * width, 3),
        _ConvAct(2 * width, width, 1),
        _ConvAct(width, 2 * width, 3),
        _ConvAct(2 * width, width, 1),
    )


class Yolov4(nn.Module):
    """CSPDarknet53, spatial pyramid pooling and PANet; the raw feature maps, without box decoding."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = _ConvAct(3, 32, 3, 1, True)
        sizes = [(32, 64, 1), (64, 128, 2), (128, 256, 8), (256, 512, 8), (512, 1024, 4)]
        self.stages = nn.ModuleList(_CspStage(*size) for size in sizes)
        self.before = nn.Sequential(_ConvAct(1024, 512, 1), _ConvAct(512, 1024, 3), _ConvAct(1024, 512, 1))
        self.after = nn.Sequential(_ConvAct(2048, 512, 1), _ConvAct(512, 1024, 3), _ConvAct(1024, 512, 1))
        self.lift = nn.ModuleList([_ConvAct(512, 256, 1), _ConvAct(256, 128, 1)])
        self.lateral = nn.ModuleList([_ConvAct(512, 256, 1), _ConvAct(256, 128, 1)])
        self.merge_up = nn.ModuleList([_five(512, 256), _five(256, 128)])
        self.sink = nn.ModuleList([_ConvAct(128, 256, 3, 2), _ConvAct(256, 512, 3, 2)])
        self.merge_down = nn.ModuleList([_five(512, 256), _five(1024, 512)])
        channels = 3 * (5 + classes)
        self.heads = nn.ModuleList(
            nn.Sequential(_ConvAct(width, 2 * width, 3), nn.Conv2d(2 * width, channels, 1)) for width in (128, 256, 512)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x: [B, 3, 608, 608]; returns the maps of strides 8, 16 and 32."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        x = self.before(x)
        top = self.after(torch.cat([nnf.max_pool2d(x, k, 1, k // 2) for k in (13, 9, 5)] + [x], 1))
        middle = self._rise(0, top, maps[3])
        bottom = self._rise(1, middle, maps[2])
        middle_out = self.merge_down[0](torch.cat([self.sink[0](bottom), middle], 1))
        top_out = self.merge_down[1](torch.cat([self.sink[1](middle_out), top], 1))
        return self.heads[0](bottom), self.heads[1](middle_out), self.heads[2](top_out)

    def _rise(self, level: int, x: Tensor, lateral: Tensor) -> Tensor:
        lifted = nnf.interpolate(self.lift[level](x), scale_factor=2.0, mode="nearest")
        return self.merge_up[level](torch.cat([self.lateral[level](lateral), lifted], 1))


class Openpose(nn.Module):
    """CMU's OpenPose: ten VGG-19 convolutions, two more, six stages of two branches."""

    def __init__(self, outputs: Sequence[int], stages: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for entry in (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 256, 128):
            if entry == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [_conv(channels, int(entry), 3), nn.ReLU()]
                channels = int(entry)
        self.backbone = nn.Sequential(*layers)
        self.first = nn.ModuleList(self._branch(128, [3, 3, 3, 1], 512, n) for n in outputs)
        later = [7, 7, 7, 7, 7, 1]
        joined = 128 + sum(outputs)
        self.later = nn.ModuleList(
            nn.ModuleList(self._branch(joined, later, 128, n) for n in outputs) for _ in range(stages - 1)
        )

    @staticmethod
    def _branch(inputs: int, kernels: Sequence[int], last_width: int, outputs: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        channels = inputs
        for index, kernel in enumerate(kernels):
            width = last_width if index == len(kernels) - 1 else 128
            layers += [_conv(channels, width, kernel), nn.ReLU()]
            channels = width
        return nn.Sequential(*layers, nn.Conv2d(channels, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, 3, H, W]; returns both branches' maps in one tensor."""
        features = self.backbone(x)
        found = [branch(features) for branch in self.first]
        for stage in self.later:
            joined = torch.cat([*found, features], 1)
            found = [branch(joined) for branch in stage]
        return torch.cat(found, 1)
