"""Reading one film with both stages of the network, and keeping all that was read."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..errors import DetectionError
from ..geometry import View
from ..geometry.sides import FRONT, LEFT_SIDE_NUMBER, left_side
from ..imaging import Film
from ..rendering import resolve_device
from .first_stage import (
    BACK_TO_FRONT,
    BONE_DARK,
    LEAST_SCORE,
    TOP_TO_BOTTOM,
    UPSIDE_DOWN,
    FirstLook,
    better_otherwise,
    first_look,
    stretched,
)
from .model import VIEW_NAMES, SpineNetwork
from .naming import naming_evidence
from .refine_model import SpineRefiner
from .refinement import CloseLook, look_closely, unrefined
from .showing import Showing, way_of_showing
from .weights import SECOND_STAGE, WeightsInfo, load_refiner, load_weights, read_registry

_LEAST_CONFIDENCE = 0.15
LEAST_SEEN = 6
# Mean confidence of the close and, on lateral films, of the first look above which a film is not tried turned over.
_CERTAIN_PRESENCE, _CERTAIN_SCORE = 0.975, 0.7
# Mean confidence of the close look at a turned film from which nothing found as it is means that it is turned.
_LIKELY_PRESENCE = 0.8
# Share of the pixels with the largest value from which it is told; of the bundled films it is some 0.00001.
_CLIPPED = 0.1


_loading = threading.Lock()


@dataclass(frozen=True, eq=False)
class Networks:
    """Both stages, ready to use.

    Attributes:
        spine: the first stage.
        refiner: the second stage, or None to do without.
        device: where they are.
        name: names and versions of the weights; of a user's own the name of the file and the beginning of its hash.
    """

    spine: SpineNetwork
    refiner: SpineRefiner | None
    device: torch.device
    name: str

    @property
    def can_be_shown_models(self) -> bool:
        """Whether the second stage can be shown what a fitted model looks like on a film."""
        return self.refiner is not None and self.refiner.config.fitted


@dataclass(frozen=True, eq=False)
class Reading:
    """What both stages read on one film.

    Attributes:
        networks: that read it.
        film: the film as it is shown to the networks; all here is of that.
        image: (h, w) of ``first_stage.stretched``.
        look: of the first stage.
        close: of the second.
        notes: what a reader should know.
        told_shift: by how much a person has renamed the levels: 1 means that what the first stage calls L1 is L2.
        given: the film as it was given.
        showing: how it is shown.
    """

    networks: Networks
    film: Film
    image: np.ndarray
    look: FirstLook
    close: CloseLook
    notes: tuple[str, ...]
    given: Film
    showing: Showing
    told_shift: int = 0

    @functools.cached_property
    def names(self) -> dict[int, float]:
        """How much the film speaks for each renaming of its levels (``naming_evidence``)."""
        return naming_evidence(self.look)

    @property
    def seen(self) -> np.ndarray:
        """(5, 20) bool: landmarks on the film."""
        return self.close.found[:, None] & _on_film(self.film, self.close)


def load_networks(weights: str | Path | None, device: str | torch.device) -> Networks:
    """Return the networks of a weights file or folder, kept for the next call; arguments and errors as ``detect``."""
    files = _files(weights)
    # Weights of a training that has gone on since are loaded anew.
    written = tuple(file.stat().st_mtime_ns for file in files if file is not None and file.exists())
    # Films that are read side by side wait for one loading instead of loading each for itself.
    with _loading:
        return _networks(files, str(resolve_device(device)), written)


def _files(weights: str | Path | None) -> tuple[Path | None, ...]:
    """Return the file of each stage that there is, None for the registered one; the second stage may be missing."""
    if weights is None:
        return (None, None) if SECOND_STAGE in read_registry() else (None,)
    path = Path(weights)
    if not path.is_dir():
        return (path,)
    refine = path / "refine.pt"
    return (path / "spine.pt", refine) if refine.exists() else (path / "spine.pt",)


@functools.lru_cache(maxsize=2)
def _networks(files: tuple[Path | None, ...], device: str, written: tuple[int, ...]) -> Networks:
    spine, info = load_weights(files[0], device)
    if len(files) == 1:
        return Networks(spine, None, torch.device(device), _told(info, files[0]))
    refiner, close = load_refiner(files[1], device)
    name = f"{_told(info, files[0])}, {_told(close, files[1])}"
    return Networks(spine, refiner, torch.device(device), name)


def _told(info: WeightsInfo, own: Path | None) -> str:
    """Return what a result says of weights: those of a user's ``own`` file all may be called spine.pt."""
    return info.name if own is None else f"{info.name} (SHA-256 {info.sha256[:16]})"


def read(networks: Networks, given: Film, mirrored_patient: bool | None = None) -> Reading:
    """Read a film, shown in the way that the networks know.

    Args:
        networks: both stages.
        given: the film.
        mirrored_patient: as for ``way_of_showing``.

    Raises:
        DetectionError: if it shows no lumbar spine, or not the way it should.
    """
    if given.view.name not in VIEW_NAMES:
        raise DetectionError(f"The film's view is called {given.view.name!r}; it must be 'AP' or 'lateral'.")
    showing = way_of_showing(given.view, mirrored_patient)
    film = showing.of(given)
    image = stretched(film)
    look = first_look(networks.spine, film.view, image, networks.device)
    if look.score < LEAST_SCORE:
        way = better_otherwise(networks.spine, film.view, image, look, networks.device)
        if way is not None and _surer_when_turned(networks, film, _LIKELY_PRESENCE, way[2]):
            raise DetectionError(_looks_turned(film, look, *way[:2]))
        raise DetectionError(_not_found(given, look))
    close = unrefined(look, film.view)
    if networks.refiner is not None:
        close = look_closely(networks.refiner, film.view, image, look, networks.device)
    close = found_on(film, close)
    sure = presence_of(close)
    if sure < _CERTAIN_PRESENCE or (film.view.name == "lateral" and look.score < _CERTAIN_SCORE):
        way = better_otherwise(networks.spine, film.view, image, look, networks.device)
        if way is not None and _surer_when_turned(networks, film, sure, way[2]):
            raise DetectionError(_looks_turned(film, look, *way[:2]))
    if not close.found.any():
        raise DetectionError(_not_found(given, look))
    return Reading(networks, film, image, look, close, look.choice.notes, given, showing)


def found_on(film: Film, close: CloseLook) -> CloseLook:
    """Return a close look without the levels of which the film shows a sliver at most."""
    return replace(close, found=close.found & (_on_film(film, close).sum(axis=1) >= LEAST_SEEN))


def presence_of(close: CloseLook) -> float:
    """Return how sure the vertebrae found are, 0 to 1; 0 if there is none."""
    return float(close.presence[close.found].mean()) if close.found.any() else 0.0


def _surer_when_turned(networks: Networks, film: Film, sure: float, turned: np.ndarray) -> bool:
    """Return whether a closer look, too, likes the film (h, w) better when it is turned.

    The first stage alone takes one good film in ten of those it is unsure of for a turned one.
    """
    if networks.refiner is None:
        return True
    look = first_look(networks.spine, film.view, turned, networks.device)
    close = look_closely(networks.refiner, film.view, turned, look, networks.device)
    return presence_of(close) > sure


def _on_film(film: Film, close: CloseLook) -> np.ndarray:
    """Return (5, 20) bool: whether the film shows each landmark."""
    return film.view.contains(close.landmarks_px) & (close.confidences >= _LEAST_CONFIDENCE)


def _looks_turned(film: Film, look: FirstLook, way: str, score: float) -> str:
    return (
        f"{_name(film)} looks {way}: set right the network's confidence is {score:.2f}, as it is {look.score:.2f}. "
        f"{_remedy(film.view.name, way)}"
    )


def _remedy(view_name: str, way: str) -> str:
    if way == UPSIDE_DOWN and view_name == "AP":
        return (
            "Turn it by half a turn, or mirror it top to bottom: an AP film does not show which, and the wrong one "
            "exchanges left and right; the side marker on the film tells."
        )
    return {
        UPSIDE_DOWN: "Turn it by half a turn.",
        TOP_TO_BOTTOM: "Mirror it top to bottom.",
        BACK_TO_FRONT: "Mirror it left to right if it is stored reversed; if it was taken so, say in the geometry what "
        f"is on its left ({LEFT_SIDE_NUMBER}).",
        BONE_DARK: "Correct its polarity (Polarity in the panel, --polarity on the command line, polarity= in Python).",
    }[way]


def _name(film: Film) -> str:
    return str(film.path) if film.path is not None else f"The {film.view.name} film"


def _not_found(film: Film, look: FirstLook) -> str:
    width, height = (size * pitch for size, pitch in zip(film.view.size_px, film.view.spacing_mm, strict=True))
    return (
        f"{_name(film)}: no lumbar spine was found ({int(look.choice.visible.sum())} of 100 landmarks at first sight, "
        f"confidence {look.score:.2f}) on a film of {width:.0f} x {height:.0f} mm. Check that it is the "
        f"{film.view.name} film, upright and {_facing(film.view)}, that bone is bright as its polarity says, and "
        f"its pixel spacing.{_clipping(film)}"
    )


def _clipping(film: Film) -> str:
    """Return a sentence if so much of a film has its largest value that a window may have cut the bones off."""
    image = film.bone_bright()
    share = float(np.mean(image == image.max()))
    if share < _CLIPPED:
        return ""
    return (
        f" {share:.0%} of its pixels are as bright as its brightest one: if a window cut them off, export the film "
        "with all its grey values."
    )


def _facing(view: View) -> str:
    if view.name == "lateral":
        return f"with the patient facing {'left' if left_side(view) == FRONT else 'right'}"
    return f"with the patient's {left_side(view)} on its left"
