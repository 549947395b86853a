"""What the training minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Sides of the squares whose means count in the image of a vertebra, crop pixels.
_SQUARES_PX = (4, 8)


class _HeatmapLoss(torch.autograd.Function):
    """Cross entropy of separable targets; by hand, since autograd would keep several images per landmark."""

    @staticmethod
    def forward(ctx, logits, target_x, target_y, visible):
        largest = logits.amax((2, 3), keepdim=True).clamp(min=0)
        exponent = torch.exp(logits - largest)
        total = exponent.sum((2, 3), keepdim=True) + torch.exp(-largest)
        log_total = (largest + torch.log(total))[..., 0, 0]
        expected = torch.einsum("nkhw,nkh,nkw->nk", logits, target_y, target_x)
        ctx.save_for_backward(exponent, total, target_x, target_y, visible)
        return torch.where(visible, log_total - expected, log_total).mean()

    @staticmethod
    def backward(ctx, gradient):
        exponent, total, target_x, target_y, visible = ctx.saved_tensors
        share = gradient / visible.numel()
        probabilities = exponent * (share / total)
        target = torch.einsum("nkh,nkw->nkhw", target_y * (visible * share)[..., None], target_x)
        return probabilities - target, None, None, None


def heatmap_positions(landmarks_px: Tensor) -> Tensor:
    """Return positions (..., 2) on the image as positions on its heatmaps, which have half the resolution."""
    return (landmarks_px + 0.5) / 2 - 0.5


def heatmap_loss(logits: Tensor, landmarks_px: Tensor, visible: Tensor, sigma: float) -> Tensor:
    """Return the mean cross entropy, in nats, of heatmaps against a Gaussian at each landmark.

    The logits of a landmark and one fixed at zero, "not on this film", are one softmax.

    Args:
        logits: (N, K, h, w).
        landmarks_px: (N, K, 2) on the image.
        visible: (N, K) bool.
        sigma: of the Gaussian, pixels of the heatmap.
    """
    height, width = logits.shape[2:]
    position = heatmap_positions(landmarks_px)

    def profile(size: int, center: Tensor) -> Tensor:
        values = torch.exp(-0.5 * ((torch.arange(size, device=logits.device) - center[..., None]) / sigma) ** 2)
        return values / (values.sum(dim=-1, keepdim=True) + 1e-6)

    return _HeatmapLoss.apply(logits, profile(width, position[..., 0]), profile(height, position[..., 1]), visible)


def image_loss_mm(level_mm: Tensor, truth_mm: Tensor) -> Tensor:
    """Return the mean absolute error of the level images (N, 5, H, W) plus half that of their sum, mm."""
    apart = (level_mm - truth_mm).abs().mean()
    return apart + 0.5 * (level_mm.sum(dim=1) - truth_mm.sum(dim=1)).abs().mean()


def landmark_errors_px(logits: Tensor, landmarks_px: Tensor, visible: Tensor) -> Tensor:
    """Return the distances (n,), in pixels of the image, of the heatmaps' largest values from the visible landmarks."""
    width = logits.shape[3]
    best = logits.flatten(2).argmax(dim=2)
    found = torch.stack([best % width, best // width], dim=-1).to(landmarks_px.dtype)
    return 2.0 * (found - heatmap_positions(landmarks_px)).norm(dim=-1)[visible]


def vertebra_image_loss_mm(path_mm: Tensor, truth_mm: Tensor) -> Tensor:
    """Return the mean absolute error of images (N, 1, H, W), mm: half that on bone and half that beside it.

    A quarter of the error of the steps from pixel to pixel is added, which keeps edges sharp, and the errors of the
    means over squares (``_SQUARES_PX``) that hold bone: what hangs together over so much displaces a surface that is
    fitted to the image, while what differs from pixel to pixel cancels (docs/network.md).
    """
    off = path_mm - truth_mm
    bone = (truth_mm > 0).to(off.dtype)

    def share(error: Tensor, weight: Tensor) -> Tensor:
        return (error.abs() * weight).sum() / weight.sum().clamp(min=1.0)

    steps = sum(off.diff(dim=axis).abs().mean() for axis in (2, 3))
    squares = sum(share(functional.avg_pool2d(off, size), functional.max_pool2d(bone, size)) for size in _SQUARES_PX)
    return 0.5 * (share(off, bone) + share(off, 1 - bone)) + 0.25 * steps + squares


def gap_loss_mm(off: Tensor, slopes: Tensor, visible: Tensor) -> Tensor:
    """Return how far the rays of one landmark on two films pass each other, smooth mean absolute value, mm.

    Args:
        off: (N, K, 2) errors of the landmarks, those on the first film in the first half.
        slopes: (N, K, 2) mm per unit of error (``epipolar.gap_slopes``).
        visible: (N, K); a landmark counts if it is on both films.
    """
    first, second = (slopes * off).sum(dim=-1).chunk(2)
    both = torch.logical_and(*visible.chunk(2))
    gaps = (first + second)[both]
    return functional.smooth_l1_loss(gaps, torch.zeros_like(gaps), reduction="sum") / max(len(gaps), 1)


def spread_loss(log_sd: Tensor, off: Tensor, visible: Tensor, basis: Tensor) -> Tensor:
    """Return the mean negative log likelihood of errors, normal along each column of a basis, all landmarks visible.

    Args:
        log_sd: (N, 40) logarithms of the standard deviations along the columns.
        off: (N, 20, 2) errors.
        visible: (N, 20); crops that show only part of their vertebra do not count.
        basis: (N, 40, 40) orthonormal.
    """
    whole = visible.all(dim=1)
    if not whole.any():
        return log_sd.sum() * 0.0
    along = torch.einsum("ncj,nc->nj", basis[whole], off[whole].flatten(1))
    return (log_sd[whole] + 0.5 * (along * torch.exp(-log_sd[whole])) ** 2).mean()
