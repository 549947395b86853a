"""The second stage: one vertebra in one crop (``crops.py``), its landmarks, their uncertainty and its own image.

One network serves both views and all levels, told which by a token (FiLM, as in ``model.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from .crops import CROP_CHANNELS, CROP_PX, FITTED_CHANNELS, with_fitted
from .model import (
    N_LANDMARKS,
    N_LEVELS,
    NOT_FOUND_LOGIT,
    TASKS,
    THICKNESS_SCALE_MM,
    VIEW_NAMES,
    ConvNormAct,
    ResidualBlock,
    config_from_dict,
    config_to_dict,
)

TOKENS = len(VIEW_NAMES) * N_LEVELS  # token = N_LEVELS * view + level
HEATMAP_STEP = 2  # crop pixels per pixel of a heatmap
_COORDINATES = 2 * N_LANDMARKS
_SPREAD_HIDDEN = 128
# Soft enough that a pixel that says "no bone" can still be taught otherwise.
_SOFT = 2.0
_LEAST_LOG_SD, _LARGEST_LOG_SD = -3.0, 3.5


@dataclass(frozen=True)
class RefineConfig:
    """Widths of the network.

    Attributes:
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the crop's resolution.
        blocks: residual blocks at each.
        tasks: what it gives, ``TASKS`` or one of them (an ablation); the other then is nothing everywhere.
        fitted: it can also be shown what a fitted model looks like on the crop.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 256)
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    tasks: tuple[str, ...] = TASKS
    fitted: bool = False

    def to_dict(self) -> dict:
        """Return plain lists and numbers for a weights file."""
        return config_to_dict(self)

    @classmethod
    def from_dict(cls, values: dict) -> RefineConfig:
        """Build from the result of ``to_dict``."""
        return config_from_dict(cls, values)


@dataclass
class RefineOutput:
    """What the network says of a batch of crops.

    Attributes:
        heatmaps: (N, 20, h/2, w/2) logits; with one further logit fixed at zero, "not on this film", they form one
            softmax per landmark.
        positions: (N, 20, 2) mean of each heatmap, crop pixels.
        path_mm: (N, 1, h, w) path length through the vertebra, mm of the mean vertebra.
        log_sd: (N, 40) logarithm of the standard deviation, crop pixels, of the error of the positions (x and y of
            each landmark in turn) along each column of ``SpineRefiner.basis``.
    """

    heatmaps: Tensor
    positions: Tensor
    path_mm: Tensor
    log_sd: Tensor


class RefineDecoder(nn.Module):
    """Doubles the resolution and joins the encoder's features."""

    def __init__(self, deep: int, skip: int, out: int) -> None:
        super().__init__()
        self.reduce, self.skip = nn.Conv2d(deep, out, 1, bias=False), nn.Conv2d(skip, out, 1, bias=False)
        self.mix = ConvNormAct(out, out, tokens=TOKENS)
        self.refine = ResidualBlock(out)

    def forward(self, deep: Tensor, skip: Tensor, token: Tensor) -> Tensor:
        """Return features (N, out, 2 h, 2 w); ``deep`` is (N, c, h, w), ``skip`` (N, d, 2 h, 2 w), ``token`` (N,)."""
        up = functional.interpolate(self.reduce(deep), scale_factor=2.0, mode="nearest")
        return self.refine(self.mix(up + self.skip(skip), token))


class SpineRefiner(nn.Module):
    """Landmarks, uncertainty and image of one vertebra; see docs/network.md.

    ``basis`` (10, 40, 40), one orthonormal basis per token, is not trained: its columns are what the errors of a whole
    vertebra look like (shift, turn, tilt ... of the mean vertebra, then the modes of the shape model).
    """

    def __init__(self, config: RefineConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RefineConfig()
        w = config.widths
        channels = CROP_CHANNELS + (FITTED_CHANNELS if config.fitted else 0)
        self.stem = ConvNormAct(4 * channels, w[0], tokens=TOKENS)
        self.entries = nn.ModuleList(ConvNormAct(4 * w[i - 1], w[i], kernel=1, tokens=TOKENS) for i in (1, 2, 3))
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
            for width, count in zip(w, config.blocks, strict=True)
        )
        self.place = nn.Parameter(torch.zeros(1, w[3], CROP_PX[1] // 16, CROP_PX[0] // 16))
        self.decoders = nn.ModuleList(RefineDecoder(w[i + 1], w[i], w[i]) for i in (2, 1, 0))
        self.path_head = nn.Conv2d(w[0], 4, 3, padding=1)
        self.landmark_head = nn.Conv2d(w[0], N_LANDMARKS, 1)
        self.spread = nn.Sequential(
            nn.Linear(w[3] + _COORDINATES + TOKENS, _SPREAD_HIDDEN), nn.ReLU(), nn.Linear(_SPREAD_HIDDEN, _COORDINATES)
        )
        self.register_buffer("basis", torch.eye(_COORDINATES).repeat(TOKENS, 1, 1))
        nn.init.constant_(self.landmark_head.bias, -6.0)
        nn.init.normal_(self.path_head.weight, std=0.01)
        nn.init.zeros_(self.path_head.bias)

    def forward(self, crops: Tensor, token: Tensor, fitted_mm: Tensor | None = None) -> RefineOutput:
        """Return landmarks, path length and uncertainty.

        Args:
            crops: (N, 3, h, w) channels of ``crops.crop_channels``.
            token: (N,) int64, 5 * view + level.
            fitted_mm: (N, 2, h, w) what a fitted model looks like there (``crops.with_fitted``), or None; only for a
                network that is made for it.
        """
        if self.config.fitted:
            crops = with_fitted(crops, fitted_mm)
        x = self.stem(functional.pixel_unshuffle(crops, 2), token)
        skips = []
        for i, stage in enumerate(self.stages):
            if i:
                x = self.entries[i - 1](functional.pixel_unshuffle(x, 2), token)
            if i == 3:
                x = x + self.place.to(x.dtype)
            x = stage(x)
            skips.append(x)
        deepest = x
        for decoder, skip in zip(self.decoders, skips[2::-1], strict=True):
            x = decoder(x, skip, token)
        path = functional.softplus(functional.pixel_shuffle(self.path_head(x).float(), 2), beta=_SOFT)
        heatmaps = self.landmark_head(x).float()
        if "images" not in self.config.tasks:
            path = torch.zeros_like(path)
        if "landmarks" not in self.config.tasks:
            heatmaps = torch.full_like(heatmaps, NOT_FOUND_LOGIT)
        positions, log_variance = heatmap_moments(heatmaps)
        spread = self._log_sd(deepest, log_variance, token)
        return RefineOutput(heatmaps, positions, path * THICKNESS_SCALE_MM, spread)

    def _log_sd(self, deepest: Tensor, log_variance: Tensor, token: Tensor) -> Tensor:
        # Uncertainty must not change what it is the uncertainty of, hence detach.
        pooled = deepest.detach().mean((2, 3))
        known = functional.one_hot(token, TOKENS).to(pooled.dtype)
        features = torch.cat([pooled, log_variance.detach().flatten(1).to(pooled.dtype), known], dim=1)
        return self.spread(features).float().clamp(_LEAST_LOG_SD, _LARGEST_LOG_SD)


def made_for_fitted(network: SpineRefiner) -> SpineRefiner:
    """Return a network that can be shown a fitted model, and without one gives what ``network`` gives.

    The weights of the new channels are zero. A network that can already is returned as it is.
    """
    if network.config.fitted:
        return network
    wider = SpineRefiner(replace(network.config, fitted=True))
    state = network.state_dict()
    kernel = state["stem.conv.weight"]
    state["stem.conv.weight"] = torch.cat([kernel, kernel.new_zeros(kernel.shape[0], 4 * FITTED_CHANNELS, 3, 3)], 1)
    wider.load_state_dict(state)
    return wider


def heatmap_moments(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means (N, K, 2) and logarithms of the variances (N, K, 2), crop pixels, of logits (N, K, h, w)."""
    height, width = heatmaps.shape[2:]
    shares = heatmaps.flatten(2).softmax(dim=2).unflatten(2, (height, width))
    means, variances = [], []
    for size, marginal in ((width, shares.sum(dim=2)), (height, shares.sum(dim=3))):
        at = (torch.arange(size, device=heatmaps.device, dtype=heatmaps.dtype) + 0.5) * HEATMAP_STEP - 0.5
        # Not as a matrix product, which a training in mixed precision would round to half a pixel.
        mean = (marginal * at).sum(dim=2)
        means.append(mean)
        variances.append((marginal * (at - mean[..., None]) ** 2).sum(dim=2))
    return torch.stack(means, dim=-1), torch.log(torch.stack(variances, dim=-1).clamp(min=1e-2))
