"""The segmentation network: a U-Net that works at half resolution (Ronneberger et al. 2015, arXiv:1505.04597), with a
space-to-depth stem and a sub-pixel head (Shi et al. 2016, arXiv:1609.05158).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (24, 48, 96, 128)
STRIDE = 16
"""Sides of what goes in are multiples of this."""


class _Convs(nn.Sequential):  # type: ignore[misc]  # types of torch are not read
    """Two 3x3 convolutions, each normalized and rectified."""

    def __init__(self, inside: int, outside: int, dilation: int = 1) -> None:
        layers: list[nn.Module] = []
        for channels in (inside, outside):
            convolution = nn.Conv2d(channels, outside, 3, padding=dilation, dilation=dilation, bias=False)
            layers += [convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class CrackNet(nn.Module):  # type: ignore[misc]
    """Photographs of shape (n, 3, height, width), 0 to 1, to logits of shape (n, 1, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        first, *deeper = WIDTHS
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), _Convs(12, first))
        self.down = nn.ModuleList(_Convs(a, b) for a, b in zip(WIDTHS, deeper, strict=False))
        self.wide = _Convs(WIDTHS[-1], WIDTHS[-1], dilation=3)
        self.up = nn.ModuleList(
            _Convs(below + beside, out) for below, beside, out in ((128, 96, 64), (64, 48, 40), (40, 24, 24))
        )
        self.head = nn.Sequential(nn.Conv2d(24, 4, 1), nn.PixelShuffle(2))
        nn.init.constant_(self.head[0].bias, -3.0)

    def forward(self, photographs: Tensor) -> Tensor:
        """The logits."""
        kept = [self.stem(photographs - 0.5)]
        for down in self.down:
            kept.append(down(functional.max_pool2d(kept[-1], 2)))
        found = kept.pop()
        found = found + self.wide(found)
        for up in self.up:
            found = functional.interpolate(found, scale_factor=2.0, mode="nearest")
            found = up(torch.cat([found, kept.pop()], dim=1))
        logits: Tensor = self.head(found)
        return logits
