"""Measurements as a person reads them: alignment first, then what belongs to a segment, then to a vertebra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..measurement import Measurement, spread_text, value_text

NOT_ASSESSED = "L5-S1 is not reconstructed: its slip and disc, lordosis L1-S1 and pelvic parameters are not assessed."
INTERVAL_IN_WORDS = "the interval that holds the true value with 90 % probability"
UNITS = {"deg": "°", "mm": "mm", "%": "%", "grade": ""}


@dataclass(frozen=True)
class Group:
    """Measurements that belong together.

    Attributes:
        title: such as "Alignment" or "Segments".
        items: in the order they were measured.
        levels: the levels they are about, cranial first, as text; empty where each quantity has levels of its own.
    """

    title: str
    items: tuple[Measurement, ...]
    levels: tuple[str, ...] = ()


def groups(measurements: Sequence[Measurement]) -> tuple[Group, ...]:
    """Return the measurements in groups: alignment of the whole, segments between neighbours, single vertebrae.

    Every measurement is in exactly one group; a group that would be empty is left out.
    """
    neighbours = [item for item in measurements if _is_segment(item)]
    single = [item for item in measurements if len(item.levels) == 1]
    kept = {id(item) for item in (*neighbours, *single)}
    whole = [item for item in measurements if id(item) not in kept]
    found = (
        Group("Alignment", tuple(whole)),
        Group("Segments", tuple(neighbours), _levels(neighbours)),
        Group("Vertebrae", tuple(single), _levels(single)),
    )
    return tuple(group for group in found if group.items)


def pivot(group: Group) -> list[tuple[Measurement, dict[str, Measurement]]]:
    """Return one row per quantity of a group: its first measurement, and the measurements by level."""
    found: dict[str, dict[str, Measurement]] = {}
    for item in group.items:
        found.setdefault(item.key, {})[item.level] = item
    return [(next(iter(row.values())), row) for row in found.values()]


def with_unit(item: Measurement, decimals: int = 1) -> str:
    """Return the value, its 90 % interval if known and the unit: "46.4 ± 2.8°", not centred "3.1 (0.0 to 5.2)°"."""
    unit = UNITS.get(item.unit, item.unit)
    text = f"{value_text(item, decimals)} {spread_text(item, decimals)}".strip()
    return f"{text}{'' if unit in ('', '°') else ' '}{unit}"


def remarks(group: Group) -> tuple[str, ...]:
    """Return what notes say in words of a group shown by level: "L2, sagittal wedge: -2.9 between its corners".

    Those of slips and of grades are left out: a grade's cell is its note.
    """
    noted = [item for item in group.items if item.note and item.unit != "grade" and not item.key.startswith("slip")]
    return tuple(f"{item.level}, {item.title[0].lower()}{item.title[1:]}: {item.note}" for item in noted)


def _is_segment(item: Measurement) -> bool:
    # The coronal Cobb angle is about the whole spine, even if its end vertebrae happen to be neighbours.
    if item.key.startswith(("lordosis", "coronal")) or len(item.levels) != 2:
        return False
    return item.levels[1].index == item.levels[0].index + 1


def _levels(items: Sequence[Measurement]) -> tuple[str, ...]:
    ordered = sorted({item.levels for item in items}, key=lambda levels: levels[0].index)
    return tuple("-".join(level.name for level in levels) for levels in ordered)
