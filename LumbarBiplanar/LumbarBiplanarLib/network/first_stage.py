"""The first stage: the whole film at a coarse pitch, which levels it shows and where about."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..anatomy import LUMBAR_LEVELS
from ..geometry import View
from ..imaging import Film, resample_image
from ..shape.storage import load_shape_model
from .consistency import LEAST_LANDMARKS, Choice, choose_landmarks
from .decoding import Peaks, find_peaks, landmark_probabilities
from .facing import seen_from_behind
from .grain import grained
from .model import STRIDE, VIEW_NAMES, SpineNetwork
from .preprocess import network_channels

# Detector pitch the network was trained at, and what it then saw on the median film: the distance between
# neighbouring body centres, in its pixels.
TRAINING_PITCH_MM = 1.5
TRAINING_STEP_PX = 26.8
# Share of the source-detector distance at which a patient usually stands (900 of 1100 mm; methods of EOS and C-arms).
PATIENT_DEPTH_SHARE = 0.82
LEAST_SCORE = 0.35
_RESCALE_BEYOND = 1.2
_SCALES_TRIED = (1.0, 0.72, 1.4)
# A film of which the network is less sure than that is read at these pitches too, relative to the first, and what was
# read is averaged.
_SURE_SCORE = 0.9
_OTHER_PITCHES = (0.88, 1.13)
# A film of which it is less sure than that is looked at turned over too, and refused if the network then is surer by
# this factor.
_CERTAIN_SCORE = 0.95
_CLEARLY_SURER = 1.06
# How a film may be turned.
UPSIDE_DOWN, TOP_TO_BOTTOM, BACK_TO_FRONT, BONE_DARK = (
    "upside down",
    "mirrored top to bottom",
    "back to front",
    "with bone dark",
)
_LARGEST_SIDE_PX = 1600


@dataclass(frozen=True, eq=False)
class FirstLook:
    """What the first stage found.

    Attributes:
        view: the film's view at the network's resolution; its image may reach past the film.
        level_mm: (5, h, w) path length through each level, mm.
        choice: the landmarks, pixels of ``view``.
        peaks: all candidates for them.
        pixel_mm: mm of the object plane per pixel, across and along.
    """

    view: View
    level_mm: np.ndarray
    choice: Choice
    peaks: Peaks
    pixel_mm: tuple[float, float]

    @property
    def score(self) -> float:
        """Mean confidence of the visible landmarks times the share of landmarks that levels on the film should have."""
        visible = self.choice.visible
        if int(visible.sum()) < 2 * LEAST_LANDMARKS:
            return 0.0
        levels = visible.any(axis=1)
        return float(np.where(visible, self.choice.confidences, 0.0)[levels].mean())

    @property
    def step_px(self) -> float | None:
        """Median distance of neighbouring body centres; None with fewer than two levels."""
        rows = np.flatnonzero(np.isfinite(self.choice.centers[:, 0]))
        if len(rows) < 2:
            return None
        gaps = np.linalg.norm(np.diff(self.choice.centers[rows], axis=0), axis=1) / np.diff(rows)
        return float(np.median(gaps))


@functools.lru_cache(maxsize=1)
def mean_landmarks_mm() -> np.ndarray:
    """Return the landmarks of the mean vertebrae of the module's shape model: (5, 20, 3) mm, vertebra frame."""
    model = load_shape_model()
    return np.stack([model.landmarks(model.mean(level)) for level in LUMBAR_LEVELS])


def stretched(film: Film) -> np.ndarray:
    """Return the film (h, w) with bone bright between its 1st and 99th percentile, as 0 to 1.2, ``grained``."""
    image = film.bone_bright()
    low, high = np.percentile(image, (1.0, 99.0))
    if high <= low:
        low, high = float(image.min()), float(image.max())
    image = np.clip((image - low) / max(high - low, 1e-12), 0.0, 1.2).astype(np.float32)
    return grained(image, film.view.spacing_mm[0])


def network_view(view: View, pitch_mm: float) -> View:
    """Return the view at a pitch, its borders extended evenly to multiples of the network's stride.

    The first pixel, which stays in place, is that of the film as the network is shown it (``_read``).
    """
    if seen_from_behind(view):
        return _extended(view.turned_over(), pitch_mm).turned_over()
    return _extended(view, pitch_mm)


def _extended(view: View, pitch_mm: float) -> View:
    view = view.resampled(pitch_mm)
    width, height = (-(-size // STRIDE) * STRIDE for size in view.size_px)
    return view.cropped((view.size_px[0] - width) // 2, (view.size_px[1] - height) // 2, width, height)


def first_look(model: SpineNetwork, view: View, image: np.ndarray, device: torch.device) -> FirstLook:
    """Read a film at the pitch of the training, and at others if nothing is found or the vertebrae look too large.

    Args:
        model: the network.
        view: of the film.
        image: (h, w) of ``stretched``.
        device: where the network is.
    """
    best = _run(model, view, image, TRAINING_PITCH_MM, device, ())
    if best.score < _SURE_SCORE:
        best = _run(model, view, image, TRAINING_PITCH_MM, device)
    if best.score < LEAST_SCORE:
        others = [_run(model, view, image, TRAINING_PITCH_MM * scale, device) for scale in _SCALES_TRIED[1:]]
        best = max([best, *others], key=lambda found: found.score)
    step = best.step_px
    if step is not None and best.score > 0:
        ratio = float(np.clip(step / TRAINING_STEP_PX, 0.4, 2.5))
        if max(ratio, 1.0 / ratio) > _RESCALE_BEYOND:
            again = _run(model, view, image, best.view.spacing_mm[0] * ratio, device)
            best = max([best, again], key=lambda found: found.score)
    return best


def better_otherwise(
    model: SpineNetwork, view: View, image: np.ndarray, look: FirstLook, device: torch.device
) -> tuple[str, float, np.ndarray] | None:
    """Return how a film should be turned for the network to be clearly surer of it, how sure it then is, and the image.

    None if it is not.

    Args:
        model: the network.
        view: of the film.
        image: (h, w) of ``stretched``.
        look: what was found on the film as it is; one the network is sure of is not tried otherwise.
        device: where the network is.
    """
    if look.score >= _CERTAIN_SCORE:
        return None
    ways = {UPSIDE_DOWN: image[::-1, ::-1], BONE_DARK: image.max() - image}
    # A spine from the front looks alike from left to right: whether it was turned or mirrored does not show.
    if view.name == "lateral":
        ways |= {TOP_TO_BOTTOM: image[::-1], BACK_TO_FRONT: image[:, ::-1]}
    pitch_mm = look.view.spacing_mm[0]

    def score(turned: np.ndarray) -> float:
        return _run(model, view, np.ascontiguousarray(turned), pitch_mm, device, ()).score

    scores = {way: score(other) for way, other in ways.items()}
    way = max(scores, key=scores.__getitem__)
    if scores[way] < max(LEAST_SCORE, _CLEARLY_SURER * score(image)):
        return None
    return way, scores[way], np.ascontiguousarray(ways[way])


def _run(
    model: SpineNetwork,
    view: View,
    image: np.ndarray,
    pitch_mm: float,
    device: torch.device,
    others: tuple[float, ...] = _OTHER_PITCHES,
) -> FirstLook:
    longest = max(size * pitch for size, pitch in zip(view.size_px, view.spacing_mm, strict=True))
    pitch_mm = max(pitch_mm, longest / _LARGEST_SIDE_PX)
    target = network_view(view, pitch_mm)
    probabilities, level_mm = _read(model, view, image, target, device)
    for factor in others:
        other = network_view(view, pitch_mm * factor)
        seen, thick_mm = _read(model, view, image, other, device)
        probabilities = probabilities + _moved(seen, other, target, 2)
        level_mm = level_mm + _moved(thick_mm, other, target, 1) / _area(target, other)
    passes = 1 + len(others)
    peaks = find_peaks(probabilities / passes)
    level_mm = level_mm / passes
    across, along = patient_pixel_mm(target)
    inside = view.contains(target.pixels_on(view, peaks.positions))
    pixel_mm, behind = 0.5 * (across + along), seen_from_behind(view)
    choice = choose_landmarks(peaks, mean_landmarks_mm(), view.name, pixel_mm, inside, behind)
    return FirstLook(target, level_mm.cpu().numpy(), choice, peaks, (across, along))


def patient_pixel_mm(view: View) -> tuple[float, float]:
    """Return the pixel (across, along) of a view in mm of the object plane where a patient usually stands."""
    across = PATIENT_DEPTH_SHARE * view.spacing_mm[0]
    return across, across if view.model == "pinhole" else view.spacing_mm[1]


def _read(model: SpineNetwork, view: View, image: np.ndarray, target: View, device: torch.device):
    """Return probabilities (100, h / 2, w / 2) of the landmarks and images (5, h, w) of the levels on ``target``."""
    behind = seen_from_behind(view)
    pixels = torch.from_numpy(resample_image(image, view, target, outside=0.0))[None, None].to(device)
    if behind:
        pixels = pixels.flip(-1)
    token = torch.tensor([VIEW_NAMES.index(view.name)], device=device)
    with torch.inference_mode():
        output = model(network_channels(pixels), token)
    found = landmark_probabilities(output.heatmaps[0]), output.level_mm[0]
    return tuple(item.flip(-1) for item in found) if behind else found


def _area(target: View, source: View) -> float:
    """Return how many pixels of ``source`` one of ``target`` covers."""
    return float(np.prod(np.asarray(target.spacing_mm) / source.spacing_mm))


def _moved(maps: torch.Tensor, source: View, target: View, coarser: int) -> torch.Tensor:
    """Return densities (c, h, w) on ``source`` as those on ``target``, both at 1 / ``coarser`` of the full size."""
    size = np.array(target.size_px) // coarser
    scale = np.asarray(target.spacing_mm) / source.spacing_mm
    theta = []
    for axis in (0, 1):
        # From -1..1 over the target to -1..1 over the source, edge to edge.
        width, source_width = target.size_px[axis], source.size_px[axis]
        middle = (0.5 * width - 0.5 - target.principal_px[axis]) * scale[axis] + source.principal_px[axis] + 0.5
        row = [0.0, 0.0, 2.0 * middle / source_width - 1.0]
        row[axis] = width * scale[axis] / source_width
        theta.append(row)
    matrix = torch.tensor(theta, dtype=maps.dtype, device=maps.device)[None]
    grid = functional.affine_grid(matrix, [1, 1, int(size[1]), int(size[0])], align_corners=False)
    moved = functional.grid_sample(maps[None], grid, align_corners=False)[0]
    return moved * _area(target, source)
