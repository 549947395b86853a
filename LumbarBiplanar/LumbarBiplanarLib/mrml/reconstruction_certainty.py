"""How sure a reconstruction is, in the content of its text node: quality, intervals and standard deviations.

The posterior that they come from is not kept: it is large, and nothing else is asked of it in a later session.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from slicer.i18n import tr as _

from ..anatomy import Level
from ..errors import StudyError
from ..study.certainty import deviations_of
from ..study.steps import Deviations

if TYPE_CHECKING:
    from ..measurement import Measurements
    from ..registration import Quality
    from ..study import CaseResult

_DIGITS = 4  # of mm and degrees


def stated_certainty(result: CaseResult) -> dict[str, Any]:
    """Return what the content of a node says of how sure a result is.

    Before the intervals are known it is the quality alone: to look for the rest would take the time of the intervals.
    """
    quality = {level.name: dataclasses.asdict(item) for level, item in result.quality.items()}
    if all(item.interval is None for item in result.measurements):
        return {"quality": quality}
    intervals = [
        {"key": item.key, "level": item.level, "interval": item.interval, "note": item.note}
        for item in result.measurements
    ]
    deviations = {
        level.name: {item.name: np.round(getattr(sd, item.name), _DIGITS) for item in dataclasses.fields(sd)}
        for level, sd in deviations_of(result).items()
    }
    return {"quality": quality, "certainty": intervals, "deviations": deviations}


def quality_of(content: Mapping[str, Any]) -> dict[Level, Quality]:
    """Return the quality of each level as it was when the result was made; empty if it was not known.

    Raises:
        StudyError: if it is damaged.
    """
    from ..registration import Quality

    with told_if_damaged():
        return {
            Level[name]: Quality(str(item["flag"]), tuple(item["reasons"]), float(item["probability"]))
            for name, item in content.get("quality", {}).items()
        }


def with_certainty(content: Mapping[str, Any], measurements: Measurements) -> Measurements:
    """Return measurements of stored surfaces with the intervals, their words and the flags of when they were made.

    Args:
        content: what :func:`read_reconstruction` gives; that of an earlier version knows no intervals.
        measurements: as measured on the surfaces.

    Raises:
        StudyError: if the content is damaged.
    """
    with told_if_damaged():
        known = {
            (str(item["key"]), str(item["level"])): {
                "interval": (float(item["interval"][0]), float(item["interval"][1])) if item["interval"] else None,
                "note": str(item["note"]),
            }
            for item in content.get("certainty", [])
        }
    items = tuple(dataclasses.replace(item, **known.get((item.key, item.level), {})) for item in measurements)
    flags = {level: item.flag for level, item in quality_of(content).items()}
    return dataclasses.replace(measurements, items=items, flags=flags)


def deviations_in(content: Mapping[str, Any], vertex_count: int) -> dict[Level, Deviations]:
    """Return the standard deviations of each level as the result was stored with; empty if they were not known.

    Args:
        content: what :func:`read_reconstruction` gives; that of an earlier version does not know them.
        vertex_count: vertices of a surface.

    Raises:
        StudyError: if the content is damaged.
    """
    with told_if_damaged():
        shapes = {"surface_mm": (vertex_count,), "rotation_deg": (3,), "translation_mm": (3,)}
        return {
            Level[name]: Deviations(**{key: _numbers(item[key], shape) for key, shape in shapes.items()})
            for name, item in content.get("deviations", {}).items()
        }


def _numbers(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    found = np.array(values, dtype=np.float64)
    if found.shape != shape:
        raise ValueError(f"{found.shape} numbers in place of {shape}")
    return found


@contextmanager
def told_if_damaged() -> Iterator[None]:
    """Raise StudyError, with what to do, for what reading damaged content leads to."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise StudyError(_("The reconstruction in this scene is damaged. Press Reconstruct.")) from error
