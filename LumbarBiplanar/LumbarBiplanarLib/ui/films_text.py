"""What the panel says about films and geometry, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from ..geometry import GeometrySettings
from ..mrml.films import notes_of

_MOST_NOTES = 4


def film_title(view_name: str) -> str:
    """Return what the panel calls the film of a view, at the beginning of a sentence."""
    return {"AP": _("AP film"), "lateral": _("Lateral film")}[view_name]


def selector_tip(film: Any) -> str:
    """Return what the selector of a film says when the mouse rests on it.

    Args:
        film: film node, whose name the selector may be too narrow for; None if there is none.
    """
    tip = _("Film to use, one that is in the scene. A volume loaded by Slicer itself is copied and left as it is.")
    return tip if film is None else _("{name}. {tip}").format(name=film.GetName(), tip=tip)


def geometry_text(films: Mapping[str, Any], settings: GeometrySettings | None) -> str:
    """Return what the user should know about the films and their geometry.

    Args:
        films: film node or None by view name.
        settings: geometry of both, or None.
    """
    if settings is None:
        missing = [name for name, film in films.items() if film is None]
        lines = [_("Geometry: none yet.")]
        if len(missing) == 1:
            lines = [_("Geometry: the {view} film is missing.").format(view=missing[0])]
    else:
        lines = [_state(settings), *settings.warnings(), *_assumptions(settings)]
    notes = [
        _("{film}: {note}").format(film=film_title(name), note=note)
        for name, film in films.items()
        if film is not None
        for note in notes_of(film)
    ]
    if len(notes) > _MOST_NOTES:
        notes[_MOST_NOTES:] = [_("and {count} more notes").format(count=len(notes) - _MOST_NOTES)]
    return "\n".join([*lines, *notes])


def _state(settings: GeometrySettings) -> str:
    calibrated = _("calibrated") if settings.pair.calibrated else _("not calibrated")
    source = settings.origin or _("from the files")
    return _("Geometry: {source}, {calibrated}, beams {angle:.0f}° apart.").format(
        source=source, calibrated=calibrated, angle=settings.pair.angle_deg
    )


def _assumptions(settings: GeometrySettings) -> list[str]:
    names = {
        "left_side": _("side of the patient on the left"),
        "source_side": _("side of the source"),
        "model": _("projection"),
        "focal_mm": _("source-detector distance"),
        "isocenter_mm": _("place of the patient"),
        "spacing_x_mm": _("detector pitch"),
        "spacing_y_mm": _("detector pitch"),
        "principal_x_px": _("principal point"),
        "principal_y_px": _("principal point"),
        "angle_deg": _("angle"),
    }
    assumed = list(dict.fromkeys(names[key] for key, _view in settings.assumed() if key in names))
    if not assumed:
        return []
    text = _("Assumed: {numbers}. Type the true numbers into the table if you know them.")
    return [text.format(numbers=", ".join(assumed))]
