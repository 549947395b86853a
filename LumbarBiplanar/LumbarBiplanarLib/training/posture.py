"""Random postures of a spine: where each vertebra stands, from the sacrum up.

A posture is a chain: the sacral endplate first, then each vertebra upwards, a disc between. Angles are of the
vertebra's frame (x right, y anterior, z cranial); a positive sagittal angle leans the vertebra backwards.

Sources: segmental angles of standing people, Troyanovich et al. 1997 (-4.1, -7.6, -11.7, -16.8 degrees L1-2 to L4-5;
standing lordosis 49.8 +- 11.2, recumbent 36.8 +- 13.2 degrees); disc heights 3.1-11.4 mm, Clouthier et al. 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.frames import rotation_from_vector

# Steps of the sagittal angle going up, first from the sacral endplate to L5, then L5 to L4, ... L2 to L1; then those
# up to T11, above, where the thoracic kyphosis begins, and in the neck.
_STANDING_STEPS_DEG = (20.0, 16.8, 11.7, 7.6, 4.1)
_JUNCTION_STEPS_DEG, THORACIC_STEP_DEG, NECK_STEP_DEG = (-2.5, -2.5), -4.0, 5.0
THORACIC_COUNT = 12
_LOWEST = 8  # angles whose mean the patient stands by
_DISC_HEIGHTS_MM = (9.5, 10.5, 9.8, 8.8, 7.8, 6.5, 5.0, 4.5)  # L5-S1, L4-5, ... L1-2, T12-L1, T11-12, T10-11


@dataclass(frozen=True)
class PostureRanges:
    """How far postures vary; standard deviations unless said otherwise.

    Attributes:
        lordosis: mean and deviation of the share of standing lordosis (1 is 40 degrees from L1 to L5).
        segment_deg: of every single sagittal, coronal and axial step.
        scoliosis_share: share of subjects with a curve; scoliosis_deg the deviation of its largest coronal angle.
        severe_share: share of the curves that are severe; severe_deg the range of their largest coronal angle.
        axial_per_coronal: axial rotation that comes with a degree of coronal tilt of a curve.
        slip_share: share of subjects with a slipped vertebra; slip_mm its range.
        collapse_share: share of discs that have lost height.
        whole_deg: of the whole patient about the right, anterior and cranial axis.
    """

    lordosis: tuple[float, float] = (0.85, 0.3)
    segment_deg: tuple[float, float, float] = (2.5, 1.5, 1.5)
    scoliosis_share: float = 0.35
    scoliosis_deg: float = 12.0
    severe_share: float = 0.4
    severe_deg: tuple[float, float] = (20.0, 45.0)
    axial_per_coronal: float = 0.5
    slip_share: float = 0.2
    slip_mm: tuple[float, float] = (2.0, 10.0)
    collapse_share: float = 0.12
    whole_deg: tuple[float, float, float] = (5.0, 3.0, 4.0)


def chain_angles_deg(rng: np.random.Generator, count: int, ranges: PostureRanges) -> np.ndarray:
    """Return the angles (count + 1, 3) of sacral endplate, L5, L4, ... in degrees: sagittal, coronal, axial.

    Args:
        rng: source of randomness.
        count: vertebrae above the sacrum, L5 first; at least 5.
        ranges: how far postures vary.
    """
    share = float(np.clip(rng.normal(*ranges.lordosis), 0.05, 1.7))
    steps = share * np.array(_STANDING_STEPS_DEG[:count])
    kyphosis = [THORACIC_STEP_DEG] * (THORACIC_COUNT - len(_JUNCTION_STEPS_DEG))
    above = [*_JUNCTION_STEPS_DEG, *kyphosis, *[NECK_STEP_DEG] * count]
    steps = np.concatenate([steps, above[: count - len(steps)]])
    sagittal = np.concatenate([[0.0], np.cumsum(steps + rng.normal(0.0, ranges.segment_deg[0], count))])
    sagittal -= sagittal[min(3, count)]  # L3 is level in the mean; the whole patient is tilted afterwards
    heights = np.arange(count + 1.0)
    coronal = np.concatenate([[0.0], np.cumsum(rng.normal(0.0, ranges.segment_deg[1], count))])
    axial = np.concatenate([[0.0], np.cumsum(rng.normal(0.0, ranges.segment_deg[2], count))])
    if rng.random() < ranges.scoliosis_share:
        size_deg = rng.normal(0.0, ranges.scoliosis_deg)
        if rng.random() < ranges.severe_share:
            size_deg = rng.choice([-1.0, 1.0]) * rng.uniform(*ranges.severe_deg)
        curve = size_deg * np.sin(2.0 * np.pi * (heights - rng.uniform(0.0, 4.0)) / rng.uniform(7.0, 14.0))
        coronal += curve - curve[0] * rng.uniform(0.5, 1.0)
        axial += ranges.axial_per_coronal * np.gradient(curve) * 2.0
    return np.stack([sagittal, coronal - coronal[:_LOWEST].mean() * 0.5, axial], axis=-1)


def sample_posture(
    rng: np.random.Generator,
    endplates_mm: np.ndarray,
    scales: np.ndarray,
    ranges: PostureRanges | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Place a sacrum and the vertebrae above it.

    Args:
        rng: source of randomness.
        endplates_mm: (N, 2, 3) superior and inferior endplate centres in each vertebra's own frame, L5 first, going up.
        scales: (N,) factor from each vertebra's frame to mm of this patient.
        ranges: how far postures vary.

    Returns:
        ras_from_vertebra (N, 4, 4), similarity with the scale, L5 first; ras_from_sacrum (4, 4), rigid, origin at the
        centre of the sacral endplate, z its normal. The origin of RAS is near the third vertebra.
    """
    ranges = ranges or PostureRanges()
    count = len(endplates_mm)
    angles = np.radians(chain_angles_deg(rng, count, ranges))
    rotations = _rotations(angles)
    size = float(np.mean(scales))
    slip_at = rng.integers(0, min(count, 4)) if rng.random() < ranges.slip_share else -1
    matrices = np.tile(np.eye(4), (count, 1, 1))
    sacrum = np.eye(4)
    sacrum[:3, :3] = rotations[0]
    below, normal = np.zeros(3), rotations[0][:, 2]
    for i in range(count):
        height = _DISC_HEIGHTS_MM[min(i, len(_DISC_HEIGHTS_MM) - 1)] * size
        height *= float(np.clip(rng.normal(1, 0.15), 0.6, 1.4))
        if i < 5 and rng.random() < ranges.collapse_share:
            height *= rng.uniform(0.25, 0.7)
        up = normal + rotations[i + 1][:, 2]
        shift = rng.normal(0.0, 0.5, 3) * (1.0, 1.0, 0.0)
        if i == slip_at:
            shift = shift + rotations[i + 1][:, 1] * rng.uniform(*ranges.slip_mm) * rng.choice([1.0, 1.0, -0.6])
        top, bottom = (rotations[i + 1] @ (scales[i] * point) for point in endplates_mm[i])
        origin = below + height * up / np.linalg.norm(up) + shift - bottom
        matrices[i, :3, :3] = scales[i] * rotations[i + 1]
        matrices[i, :3, 3] = origin
        below, normal = origin + top, rotations[i + 1][:, 2]
    whole = np.eye(4)
    whole[:3, :3] = _rotations(np.radians(rng.normal(0.0, ranges.whole_deg))[None])[0]
    centred = np.eye(4)
    centred[:3, 3] = -matrices[min(2, count - 1), :3, 3]
    return whole @ centred @ matrices, whole @ centred @ sacrum


def _rotations(angles_rad: np.ndarray) -> np.ndarray:
    """Return rotations (..., 3, 3) from (sagittal, coronal, axial) angles: axial first, then coronal, then sagittal."""
    parts = [rotation_from_vector(angles_rad[..., i, None] * np.eye(3)[i]) for i in range(3)]
    return parts[0] @ parts[1] @ parts[2]
