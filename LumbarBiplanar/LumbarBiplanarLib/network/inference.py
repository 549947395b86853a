"""Finding the lumbar spine on one film, of any size, spacing and contrast, or on both films of a pair together."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation
from ..errors import DetectionError, GeometryError
from ..imaging import Film
from ..rendering import resolve_device
from ..shape.model import ShapeModel
from ..shape.storage import load_shape_model
from .detection import Detection
from .first_stage import LEAST_SCORE, FirstLook, better_otherwise, first_look, stretched
from .model import VIEW_NAMES, SpineNetwork
from .naming import agreed_names, naming_evidence
from .pair_fit import Sighting, fit_vertebra
from .refine_model import SpineRefiner
from .refinement import CloseLook, first_crops, look_closely, unrefined
from .weights import SECOND_STAGE, load_refiner, load_weights, read_registry

# Standard deviations of a film read by itself are too large by this factor, found on the training's validation spines
# (95 % of the errors in the 90 % interval); those of a pair are not (90 %).
_FILM_SIGMA_FACTOR = 0.85
_LEAST_SIGMA_MM = 0.3
_LEAST_CONFIDENCE = 0.15
_LEAST_SEEN = 6
# Mean confidence of the close and, on lateral films, of the first look above which a film is not tried turned over.
_CERTAIN_PRESENCE, _CERTAIN_SCORE = 0.975, 0.7
_BODY = [0, 5]
# Above this misfit per coordinate the two films do not show one vertebra in one place.
_LARGEST_MISFIT = 9.0


@dataclass(frozen=True, eq=False)
class _Network:
    spine: SpineNetwork
    refiner: SpineRefiner | None
    device: torch.device
    name: str


@dataclass(frozen=True, eq=False)
class _Found:
    """What both stages found on one film."""

    film: Film
    image: np.ndarray
    look: FirstLook
    close: CloseLook
    notes: tuple[str, ...]

    @property
    def seen(self) -> np.ndarray:
        """(5, 20) bool: landmarks on the film."""
        return self.close.found[:, None] & _on_film(self.film, self.close)


def detect(film: Film, device: str | torch.device = "auto", weights: str | Path | None = None) -> Detection:
    """Find L1 to L5 on a film: the lumbar-only image, and the landmarks with confidence and sigma.

    The film is resampled to the pitch of the training. Where the vertebrae then turn out much larger or smaller than
    those of the training, or nothing is found, it is run again at a pitch that suits them. Then each vertebra is
    looked at closely.

    Args:
        film: the film; ``film.view.name`` says whether it is the AP or the lateral one.
        device: "auto", "cpu", "cuda" or a torch device.
        weights: weights file of the first stage, used alone; or a folder with ``spine.pt`` and ``refine.pt``; None
            means the module's own.

    Raises:
        DetectionError: if no lumbar spine is found.
        WeightsError: if the weights cannot be used.
        ValueError: if the view is neither AP nor lateral, or the device cannot be used.
    """
    network = _loaded(weights, device)
    found = _find(network, film)
    covariances = _FILM_SIGMA_FACTOR**2 * found.close.covariances
    return _detection(replace(found, close=replace(found.close, covariances=covariances)), network)


def detect_pair(
    films: tuple[Film, Film],
    device: str | torch.device = "auto",
    weights: str | Path | None = None,
    model: ShapeModel | None = None,
) -> tuple[Detection, Detection]:
    """Find L1 to L5 on both films of a patient, each with what the other shows.

    Each film is read by itself (``detect``). Then the names of the levels are made to agree, and the landmarks of
    every level found on both are those of the shape model fitted to both films. The films must have been taken
    with the patient in one place, and their views must be true; where they disagree, each film's own are kept.

    Args:
        films: AP, then lateral.
        device: "auto", "cpu", "cuda" or a torch device.
        weights: as for ``detect``.
        model: shape model; None means the module's own.

    Raises:
        DetectionError: if no lumbar spine is found on a film, or the films are not AP and lateral.
        WeightsError: if the weights cannot be used.
        ValueError: if the device cannot be used.
    """
    if tuple(film.view.name for film in films) != VIEW_NAMES:
        raise DetectionError("A pair is the AP film, then the lateral film; exchange or rename them.")
    network = _loaded(weights, device)
    model = load_shape_model() if model is None else model
    found = tuple(_find(network, film) for film in films)
    found = _with_agreed_names(network, found)
    return tuple(_detection(item, network) for item in _fitted(model, found))


def _loaded(weights: str | Path | None, device: str | torch.device) -> _Network:
    return _network(str(weights) if weights is not None else None, str(resolve_device(device)))


@functools.lru_cache(maxsize=2)
def _network(weights: str | None, device: str) -> _Network:
    path = None if weights is None else Path(weights)
    folder = path is not None and path.is_dir()
    spine, info = load_weights(path / "spine.pt" if folder else path, device)
    alone = SECOND_STAGE not in read_registry() if path is None else not (folder and (path / "refine.pt").exists())
    if alone:
        return _Network(spine, None, torch.device(device), info.name)
    refiner, close = load_refiner(path / "refine.pt" if folder else None, device)
    return _Network(spine, refiner, torch.device(device), f"{info.name}, {close.name}")


def _find(network: _Network, film: Film) -> _Found:
    if film.view.name not in VIEW_NAMES:
        raise DetectionError(f"The film's view is called {film.view.name!r}; it must be 'AP' or 'lateral'.")
    image = stretched(film)
    look = first_look(network.spine, film.view, image, network.device)
    if look.score < LEAST_SCORE:
        raise DetectionError(_not_found(film, look))
    close = unrefined(look, film.view)
    if network.refiner is not None:
        close = look_closely(network.refiner, film.view, image, look, network.device)
    # A level of which the film shows a sliver is not on it.
    close = replace(close, found=close.found & (_on_film(film, close).sum(axis=1) >= _LEAST_SEEN))
    sure = float(close.presence[close.found].mean()) if close.found.any() else 0.0
    if sure < _CERTAIN_PRESENCE or (film.view.name == "lateral" and look.score < _CERTAIN_SCORE):
        way = better_otherwise(network.spine, film.view, image, look, network.device)
        if way is not None:
            raise DetectionError(_looks_turned(film, look, *way))
    if not close.found.any():
        raise DetectionError(_not_found(film, look))
    return _Found(film, image, look, close, look.choice.notes)


def _on_film(film: Film, close: CloseLook) -> np.ndarray:
    """Return (5, 20) bool: whether the film shows each landmark."""
    return film.view.contains(close.landmarks_px) & (close.confidences >= _LEAST_CONFIDENCE)


def _with_agreed_names(network: _Network, found: tuple[_Found, _Found]) -> tuple[_Found, _Found]:
    """Rename the levels of a film that names them otherwise than the other film does, and look again."""
    bodies = (f.close.landmarks_px[:, _BODY].mean(axis=1) for f in found)
    centers = tuple(np.where(f.close.found[:, None], body, np.nan) for f, body in zip(found, bodies, strict=True))
    views = tuple(f.film.view for f in found)
    try:
        shifts = agreed_names(views, centers, tuple(naming_evidence(f.look) for f in found))
    except GeometryError:
        return found
    return tuple(_renamed(network, f, shift) if shift else f for f, shift in zip(found, shifts, strict=True))


def _renamed(network: _Network, found: _Found, shift: int) -> _Found:
    starts = {k + shift: crop for k, crop in first_crops(found.look, found.film.view).items() if 0 <= k + shift < 5}
    if not starts or network.refiner is None:
        return found
    close = look_closely(network.refiner, found.film.view, found.image, found.look, network.device, starts)
    way = "down" if shift > 0 else "up"
    note = f"The levels of the {found.film.view.name} film were renamed one {way}, as on the other film."
    return replace(found, close=close, notes=(*found.notes, note)) if close.found.any() else found


def _fitted(model: ShapeModel, found: tuple[_Found, _Found]) -> tuple[_Found, _Found]:
    """Return what was found with the landmarks of every level on both films from a fit to both."""
    parts = [[f.close.landmarks_px.copy(), f.close.covariances.copy()] for f in found]
    notes: list[str] = []
    seen = [f.seen for f in found]
    for k, level in enumerate(LUMBAR_LEVELS):
        if min(int(item[k].sum()) for item in seen) < _LEAST_SEEN:
            continue
        sightings = [
            Sighting(
                f.film.view,
                f.close.landmarks_px[k],
                f.close.covariances[k],
                item[k],
            )
            for f, item in zip(found, seen, strict=True)
        ]
        try:
            fit = fit_vertebra(model, level, sightings)
        except (GeometryError, np.linalg.LinAlgError):
            continue
        if max(fit.misfit) > _LARGEST_MISFIT:
            notes.append(f"{level.name} is not at one place on the two films: check its landmarks and the geometry.")
            continue
        for part, f in zip(parts, found, strict=True):
            part[0][k], part[1][k] = fit.on_film(f.film.view)
    return tuple(
        replace(f, close=replace(f.close, landmarks_px=part[0], covariances=part[1]), notes=(*f.notes, *notes))
        for f, part in zip(found, parts, strict=True)
    )


def _detection(found: _Found, network: _Network) -> Detection:
    film, close = found.film, found.close
    pixel_mm = np.asarray(found.look.pixel_mm) * np.asarray(film.view.spacing_mm) / found.look.view.spacing_mm
    variances = np.diagonal(close.covariances, axis1=1, axis2=2).reshape(5, 20, 2) * pixel_mm**2
    sigma_mm = np.maximum(np.sqrt(variances.mean(axis=2)), _LEAST_SIGMA_MM)
    seen = found.seen
    observations = [
        LandmarkObservation(
            level,
            name,
            (float(close.landmarks_px[k, i, 0]), float(close.landmarks_px[k, i, 1])),
            float(np.clip(close.confidences[k, i], 0.0, 1.0)),
            float(sigma_mm[k, i]),
            bool(seen[k, i]),
        )
        for k, level in enumerate(LUMBAR_LEVELS)
        if close.found[k]
        for i, name in enumerate(LANDMARK_NAMES)
    ]
    notes = list(found.notes)
    missing = [level.name for k, level in enumerate(LUMBAR_LEVELS) if not close.found[k]]
    if missing:
        notes.append(f"Not found on the {film.view.name} film: {', '.join(missing)}.")
    return Detection(
        film.view,
        close.level_mm.sum(axis=0),
        found.look.view,
        FilmLandmarks(observations),
        close.level_mm,
        tuple(notes),
        network.name,
        network.device.type,
    )


def _looks_turned(film: Film, look: FirstLook, way: str, score: float) -> str:
    return (
        f"{_name(film)} looks {way}: set right the network's confidence is {score:.2f}, as it is {look.score:.2f}. "
        "Turn the film, or correct its polarity."
    )


def _name(film: Film) -> str:
    return str(film.path) if film.path is not None else f"The {film.view.name} film"


def _not_found(film: Film, look: FirstLook) -> str:
    width, height = (size * pitch for size, pitch in zip(film.view.size_px, film.view.spacing_mm, strict=True))
    return (
        f"{_name(film)}: no lumbar spine was found ({int(look.choice.visible.sum())} of 100 landmarks at first sight, "
        f"confidence {look.score:.2f}) on a film of {width:.0f} x {height:.0f} mm. Check that it is the "
        f"{film.view.name} film, upright and facing as usual, that bone is bright as its polarity says, and its "
        "pixel spacing."
    )
