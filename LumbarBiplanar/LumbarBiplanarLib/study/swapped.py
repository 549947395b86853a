"""Whether the AP and the lateral film of a case may have been exchanged, or one of them is no such film."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DetectionError, LumbarBiplanarError
from ..imaging import Film

if TYPE_CHECKING:
    from ..network import Detection
    from ..network.other_view import ViewLook

_CLEARLY_BETTER = 1.15
# Two films that are both badly seen either way are something else.
_LEAST_CONFIDENCE = 0.5


def swap_hint(films: tuple[Film, Film], known: Mapping[str, Detection], find: Callable[[Film], Detection]) -> str:
    """Return a sentence if the network is clearly more confident with the films exchanged, else an empty text.

    Args:
        films: (AP, lateral).
        known: detections already made, by view name.
        find: runs the network on a film.
    """
    as_given = [_confidence_on(film, find, known.get(film.view.name)) for film in films]
    ap, lateral = films
    turned = [_confidence_on(film, find) for film in (_as(ap, "lateral"), _as(lateral, "AP"))]
    if min(turned) < _LEAST_CONFIDENCE or sum(turned) <= _CLEARLY_BETTER * sum(as_given):
        return ""
    return (
        f"The two films look exchanged: with {ap.path} as the lateral and {lateral.path} as the AP film the network's "
        f"confidence is {np.mean(turned):.2f}, as given {np.mean(as_given):.2f}. Exchange them."
    )


def refusal(
    films: tuple[Film, Film],
    name: str,
    known: Mapping[str, Detection],
    find: Callable[[Film], Detection],
    look: Callable[[Film, Detection | None], ViewLook | None],
    error: DetectionError | None = None,
) -> DetectionError | None:
    """Return why the film of a view cannot be used: the view it really is of, else why it could not be read; or None.

    Args:
        films: (AP, lateral).
        name: of the view, "AP" or "lateral".
        known: what was found on the films read so far, by view name.
        find: runs the network on a film.
        look: tells which view a film looks like (``network.look_at_view``).
        error: what kept the film from being read, or None.
    """
    film, other = films if films[0].view.name == name else films[::-1]
    seen = look(film, known.get(name))
    if seen is not None and seen.is_other:
        also = look(other, known.get(other.view.name))
        if also is not None and also.is_other:
            said = f"The two films are exchanged: {_told(film, seen)} {_told(other, also)} Exchange them."
        else:
            said = f"{_told(film, seen)} Give the {name} film of this patient."
        return DetectionError(said)
    if error is None:
        return None
    hint = "" if seen is not None and seen.is_given else swap_hint(films, known, find)
    return DetectionError(f"{hint} As they were given: {error}") if hint else error


def _told(film: Film, seen: ViewLook) -> str:
    article = "an" if seen.other == "AP" else "a"
    then, given = (f"{100.0 * share:.1f} %" for share in (seen.as_other, seen.as_given))
    return (
        f"{film.path or 'The film'} was given as the {film.view.name} film, but looks like {article} {seen.other} film "
        f"(the network is {then} sure of its vertebrae if it is told so, {given} as given)."
    )


def confidence(detection: Detection) -> float:
    """Return the mean confidence of the landmarks that the network sees on a film, times the share of levels seen."""
    seen = detection.landmarks.visible()
    if not len(seen):
        return 0.0
    return float(np.mean([item.confidence for item in seen.values()])) * len(seen.levels) / 5.0


def _confidence_on(film: Film, find: Callable[[Film], Detection], known: Detection | None = None) -> float:
    try:
        return confidence(find(film) if known is None else known)
    except LumbarBiplanarError:
        return 0.0


def _as(film: Film, name: str) -> Film:
    """Return the film as if it had been given in the other's place, with its own pixel size."""
    return replace(film, view=replace(film.view, name=name))
