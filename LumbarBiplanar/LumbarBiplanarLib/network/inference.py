"""Finding the lumbar spine on one film, of any size, spacing and contrast."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation
from ..errors import DetectionError
from ..geometry import View
from ..imaging import Film, resample_image
from ..rendering import resolve_device
from ..shape.storage import load_shape_model
from .consistency import LEAST_LANDMARKS, Choice, choose_landmarks
from .decoding import find_peaks, landmark_probabilities
from .detection import Detection
from .model import STRIDE, VIEW_NAMES, SpineNetwork
from .preprocess import network_channels
from .weights import WeightsInfo, load_weights

# Detector pitch the network was trained at, and what it then saw on the median film: the distance between
# neighbouring body centres, in its pixels.
TRAINING_PITCH_MM = 1.5
TRAINING_STEP_PX = 26.8
# Share of the source-detector distance at which a patient usually stands (900 of 1100 mm; methods of EOS and C-arms).
PATIENT_DEPTH_SHARE = 0.82
_RESCALE_BEYOND = 1.2
_SCALES_TRIED = (1.0, 0.72, 1.4)
_LEAST_SCORE = 0.35
# Every film is read at these pitches too, relative to the first, and what was read is averaged.
_OTHER_PITCHES = (0.88, 1.13)
_LEAST_SIGMA_MM = 0.7
_LARGEST_SIDE_PX = 1600


@dataclass(frozen=True, eq=False)
class _Pass:
    """One run of the network."""

    view: View
    level_mm: np.ndarray
    choice: Choice
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


def detect(film: Film, device: str | torch.device = "auto", weights: str | Path | None = None) -> Detection:
    """Find L1 to L5 on a film: the lumbar-only image, and the landmarks with confidence and sigma.

    The film is resampled to the pitch of the training. Where the vertebrae then turn out much larger or smaller than
    those of the training, or nothing is found, it is run again at a pitch that suits them.

    Args:
        film: the film; ``film.view.name`` says whether it is the AP or the lateral one.
        device: "auto", "cpu", "cuda" or a torch device.
        weights: a weights file; None means the module's own.

    Raises:
        DetectionError: if no lumbar spine is found.
        WeightsError: if the weights cannot be used.
        ValueError: if the view is neither AP nor lateral, or the device cannot be used.
    """
    if film.view.name not in VIEW_NAMES:
        raise DetectionError(f"The film's view is called {film.view.name!r}; it must be 'AP' or 'lateral'.")
    where = resolve_device(device)
    model, info = _network(str(weights) if weights is not None else None, str(where))
    image = _stretched(film)
    found = _best_pass(model, film.view, image, where)
    if found.score < _LEAST_SCORE:
        raise DetectionError(_not_found(film, found))
    return _detection(film, found, info, where)


@functools.lru_cache(maxsize=2)
def _network(weights: str | None, device: str) -> tuple[SpineNetwork, WeightsInfo]:
    return load_weights(weights, device)


@functools.lru_cache(maxsize=1)
def mean_landmarks_mm() -> np.ndarray:
    """Return the landmarks of the mean vertebrae of the module's shape model: (5, 20, 3) mm, vertebra frame."""
    model = load_shape_model()
    return np.stack([model.landmarks(model.mean(level)) for level in LUMBAR_LEVELS])


def _stretched(film: Film) -> np.ndarray:
    """Return the film with bone bright between its 1st and 99th percentile, as 0 to 1.2."""
    image = film.bone_bright()
    low, high = np.percentile(image, (1.0, 99.0))
    if high <= low:
        low, high = float(image.min()), float(image.max())
    return np.clip((image - low) / max(high - low, 1e-12), 0.0, 1.2).astype(np.float32)


def network_view(view: View, pitch_mm: float) -> View:
    """Return the view at a pitch, its borders extended evenly to multiples of the network's stride."""
    view = view.resampled(pitch_mm)
    width, height = (-(-size // STRIDE) * STRIDE for size in view.size_px)
    return view.cropped((view.size_px[0] - width) // 2, (view.size_px[1] - height) // 2, width, height)


def _best_pass(model: SpineNetwork, view: View, image: np.ndarray, device: torch.device) -> _Pass:
    best = _run(model, view, image, TRAINING_PITCH_MM, device)
    if best.score < _LEAST_SCORE:
        others = [_run(model, view, image, TRAINING_PITCH_MM * scale, device) for scale in _SCALES_TRIED[1:]]
        best = max([best, *others], key=lambda found: found.score)
    step = best.step_px
    if step is not None and best.score > 0:
        ratio = float(np.clip(step / TRAINING_STEP_PX, 0.4, 2.5))
        if max(ratio, 1.0 / ratio) > _RESCALE_BEYOND:
            again = _run(model, view, image, best.view.spacing_mm[0] * ratio, device)
            best = max([best, again], key=lambda found: found.score)
    return best


def _run(model: SpineNetwork, view: View, image: np.ndarray, pitch_mm: float, device: torch.device) -> _Pass:
    longest = max(size * pitch for size, pitch in zip(view.size_px, view.spacing_mm, strict=True))
    pitch_mm = max(pitch_mm, longest / _LARGEST_SIDE_PX)
    target = network_view(view, pitch_mm)
    probabilities, level_mm = _read(model, view, image, target, device)
    for factor in _OTHER_PITCHES:
        other = network_view(view, pitch_mm * factor)
        seen, thick_mm = _read(model, view, image, other, device)
        probabilities = probabilities + _moved(seen, other, target, 2)
        level_mm = level_mm + _moved(thick_mm, other, target, 1) / _area(target, other)
    passes = 1 + len(_OTHER_PITCHES)
    peaks = find_peaks(probabilities / passes)
    level_mm = level_mm / passes
    across = PATIENT_DEPTH_SHARE * target.spacing_mm[0]
    along = across if target.model == "pinhole" else target.spacing_mm[1]
    inside = view.contains(_film_pixels(target, view, peaks.positions))
    choice = choose_landmarks(peaks, mean_landmarks_mm(), view.name, 0.5 * (across + along), inside)
    return _Pass(target, level_mm.cpu().numpy(), choice, (across, along))


def _read(model: SpineNetwork, view: View, image: np.ndarray, target: View, device: torch.device):
    """Return probabilities (100, h / 2, w / 2) of the landmarks and images (5, h, w) of the levels on ``target``."""
    pixels = torch.from_numpy(resample_image(image, view, target, outside=0.0))[None, None].to(device)
    token = torch.tensor([VIEW_NAMES.index(view.name)], device=device)
    with torch.inference_mode():
        output = model(network_channels(pixels), token)
    return landmark_probabilities(output.heatmaps[0]), output.level_mm[0]


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


def _film_pixels(network: View, film: View, positions: np.ndarray) -> np.ndarray:
    """Return positions (..., 2) on the network's image as pixels of the film."""
    scale = np.asarray(network.spacing_mm) / film.spacing_mm
    return (positions - network.principal_px) * scale + film.principal_px


def _detection(film: Film, found: _Pass, info: WeightsInfo, device: torch.device) -> Detection:
    choice = found.choice
    pixels = _film_pixels(found.view, film.view, choice.positions)
    sigma_mm = np.maximum(choice.sigmas * np.mean(found.pixel_mm), _LEAST_SIGMA_MM)
    observations = [
        LandmarkObservation(
            level,
            name,
            (float(pixels[k, i, 0]), float(pixels[k, i, 1])),
            float(np.clip(choice.confidences[k, i], 0.0, 1.0)),
            float(sigma_mm[k, i]),
            bool(choice.visible[k, i]),
        )
        for k, level in enumerate(LUMBAR_LEVELS)
        for i, name in enumerate(LANDMARK_NAMES)
    ]
    notes = list(choice.notes)
    missing = [level.name for k, level in enumerate(LUMBAR_LEVELS) if not choice.visible[k].any()]
    if missing:
        notes.append(f"Not found on the {film.view.name} film: {', '.join(missing)}.")
    return Detection(
        film.view,
        found.level_mm.sum(axis=0),
        found.view,
        FilmLandmarks(observations),
        found.level_mm,
        tuple(notes),
        info.name,
        device.type,
    )


def _not_found(film: Film, found: _Pass) -> str:
    what = str(film.path) if film.path is not None else f"The {film.view.name} film"
    width, height = (size * pitch for size, pitch in zip(film.view.size_px, film.view.spacing_mm, strict=True))
    return (
        f"{what}: no lumbar spine was found ({int(found.choice.visible.sum())} of 100 landmarks, confidence "
        f"{found.score:.2f}, at least {_LEAST_SCORE} is needed) on a film of {width:.0f} x {height:.0f} mm. Check that "
        f"it is the {film.view.name} film, that bone is bright as its polarity says, and its pixel spacing."
    )
