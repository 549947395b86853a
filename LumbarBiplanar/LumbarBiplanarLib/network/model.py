"""The multi-task network: a shared encoder, a decomposition decoder and a landmark decoder that exchange features.

Tensors: images are (N, C, H, W), x to the right (columns), y down (rows), H and W multiples of ``STRIDE``.
One network serves both views: a view token scales and shifts the features of every stage (FiLM, Perez et al., AAAI
2018).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 16
VIEW_NAMES = ("AP", "lateral")
INPUT_CHANNELS = 3  # see preprocess.network_channels
N_LEVELS = 5
N_LANDMARKS = 20
TASKS = ("images", "landmarks")
THICKNESS_SCALE_MM = 20.0  # the decomposition head works in this unit so that its values are of order one


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the network.

    Attributes:
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the image resolution.
        blocks: residual blocks per encoder stage.
        dilations: dilation of each block of the context stage at 1/16; they make the receptive field longer than a
            lumbar spine with its sacrum and last ribs, without which levels cannot be counted.
        fusion: exchange features between the two decoders (the ablation switches it off).
        tasks: what it gives, ``TASKS`` or one of them (an ablation); the other then is nothing everywhere.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 1)
    dilations: tuple[int, ...] = (1, 2, 4, 1)
    fusion: bool = True
    tasks: tuple[str, ...] = TASKS

    def to_dict(self) -> dict:
        """Return plain lists and numbers for a weights file."""
        return config_to_dict(self)

    @classmethod
    def from_dict(cls, values: dict) -> NetworkConfig:
        """Build from the result of ``to_dict``."""
        return config_from_dict(cls, values)


def config_to_dict(config) -> dict:
    """Return a network's configuration as plain lists and numbers; that it gives both tasks goes without saying."""
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()}
    if config.tasks == TASKS:
        del values["tasks"]
    return values


def config_from_dict(kind: type, values: dict):
    """Build a configuration from the result of ``config_to_dict``; raises ValueError for tasks that there are not."""
    config = kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    if config.tasks not in (TASKS, TASKS[:1], TASKS[1:]):
        raise ValueError(f"tasks are {config.tasks}, they must be of {TASKS}")
    return config


@dataclass
class NetworkOutput:
    """What the network says of a batch.

    Attributes:
        level_mm: (N, 5, H, W) path length through each lumbar vertebra in mm, at the image's resolution.
        heatmaps: (N, 100, H/2, W/2) logits, landmark ``20 * level + index``; together with one further logit fixed at
            zero ("not on this film") they form one softmax per landmark over all pixels.
    """

    level_mm: Tensor
    heatmaps: Tensor


NOT_FOUND_LOGIT = -30.0  # everywhere on a heatmap: the landmark is not on the film


def _conv(cin: int, cout: int, kernel: int = 3, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1, self.norm1 = _conv(channels, channels, dilation=dilation), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = _conv(channels, channels, dilation=dilation), nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus the block's correction, rectified."""
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        return functional.relu(x + self.norm2(self.conv2(y)), inplace=True)


class ConvNormAct(nn.Module):
    """Convolution, batch normalisation modulated by a token (the view's, unless said otherwise), rectifier."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, tokens: int = len(VIEW_NAMES)) -> None:
        super().__init__()
        self.conv, self.norm = _conv(cin, cout, kernel), nn.BatchNorm2d(cout)
        self.film = nn.Embedding(tokens, 2 * cout)
        nn.init.zeros_(self.film.weight)

    def forward(self, x: Tensor, view: Tensor) -> Tensor:
        """Return the features; ``view`` (N,) is the token: an index, by default into ``VIEW_NAMES``."""
        gain, shift = self.film(view)[:, :, None, None].chunk(2, dim=1)
        y = self.norm(self.conv(x))
        return functional.relu(torch.addcmul(y + shift.to(y.dtype), y, gain.to(y.dtype)), inplace=True)


class DecoderStage(nn.Module):
    """Doubles the resolution of the decoders, joins the encoder's features and lets the decoders exchange theirs."""

    def __init__(self, deep: int, skip: int, out: int, decoders: int, fusion: bool) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(nn.Conv2d(deep, out, 1, bias=False) for _ in range(decoders))
        self.skip = nn.ModuleList(nn.Conv2d(skip, out, 1, bias=False) for _ in range(decoders))
        fused = fusion and decoders == 2
        self.exchange = nn.ModuleList(nn.Conv2d(out, out, 1, bias=False) for _ in range(2)) if fused else None
        self.mix = nn.ModuleList(ConvNormAct(out, out) for _ in range(decoders))
        self.refine = nn.ModuleList(ConvNormAct(out, out) for _ in range(decoders))

    def forward(self, deep: list[Tensor], skip: Tensor, view: Tensor) -> list[Tensor]:
        """Return the features of each decoder, decomposition before landmarks, at twice the resolution."""
        mixed = []
        for i in range(len(deep)):
            up = functional.interpolate(self.reduce[i](deep[i]), scale_factor=2.0, mode="nearest")
            mixed.append(self.mix[i](up + self.skip[i](skip), view))
        if self.exchange is not None:
            mixed = [mixed[0] + self.exchange[0](mixed[1]), mixed[1] + self.exchange[1](mixed[0])]
        return [refine(item, view) for refine, item in zip(self.refine, mixed, strict=True)]


class SpineNetwork(nn.Module):
    """Decomposition and landmark network of one film; see docs/network.md."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        w = config.widths
        self.stem = ConvNormAct(4 * INPUT_CHANNELS, w[0])
        stages, entries = [], []
        for i, width in enumerate(w):
            if i:
                entries.append(ConvNormAct(4 * w[i - 1], width, kernel=1))
            stages.append(nn.Sequential(*(ResidualBlock(width) for _ in range(config.blocks[i]))))
        self.entries, self.stages = nn.ModuleList(entries), nn.ModuleList(stages)
        self.context = nn.Sequential(*(ResidualBlock(w[3], dilation) for dilation in config.dilations))
        self.decoders = nn.ModuleList(
            DecoderStage(w[i + 1], w[i], w[i], len(config.tasks), config.fusion) for i in (2, 1, 0)
        )
        if "images" in config.tasks:
            self.level_head = nn.Conv2d(w[0], 4 * N_LEVELS, 3, padding=1)
            nn.init.normal_(self.level_head.weight, std=0.01)
            nn.init.zeros_(self.level_head.bias)
        if "landmarks" in config.tasks:
            self.landmark_head = nn.Conv2d(w[0], N_LEVELS * N_LANDMARKS, 1)
            nn.init.constant_(self.landmark_head.bias, -9.0)

    def forward(self, image: Tensor, view: Tensor) -> NetworkOutput:
        """Return the decomposition and the heatmaps.

        Args:
            image: (N, 3, H, W) channels of ``preprocess.network_channels``; H and W multiples of 16.
            view: (N,) int64, index into ``VIEW_NAMES``.
        """
        x = self.stem(functional.pixel_unshuffle(image, 2), view)
        skips = []
        for i, stage in enumerate(self.stages):
            if i:
                x = self.entries[i - 1](functional.pixel_unshuffle(x, 2), view)
            x = stage(x)
            skips.append(x)
        x = self.context(x)
        features = [x] * len(self.config.tasks)
        for decoder, skip in zip(self.decoders, skips[2::-1], strict=True):
            features = decoder(features, skip, view)
        count, _, height, width = image.shape
        level_mm = image.new_zeros((count, N_LEVELS, height, width))
        heatmaps = image.new_full((count, N_LEVELS * N_LANDMARKS, height // 2, width // 2), NOT_FOUND_LOGIT)
        if "images" in self.config.tasks:
            levels = functional.pixel_shuffle(self.level_head(features[0]).float(), 2)
            level_mm = functional.softplus(levels, beta=8.0) * THICKNESS_SCALE_MM
        if "landmarks" in self.config.tasks:
            heatmaps = self.landmark_head(features[-1]).float()
        return NetworkOutput(level_mm, heatmaps)
