"""What the measurement table of the panel shows, and its text for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ..anatomy import Level
from ..measurement import Measurement, title_text, value_text
from ..measurement.results import definition_text
from ..study.quality_text import flag_of, mark_of
from ..study.report_tables import groups, with_unit

if TYPE_CHECKING:
    from ..registration import Quality


@dataclass(frozen=True, eq=False)
class Row:
    """One row: a heading, or a measurement with the texts of its cells.

    Attributes:
        cells: (measurement, level, value with its unit); of a heading only the first.
        item: the measurement, or None for a heading.
        flag: worst quality flag of its levels; empty if it is not known.
    """

    cells: tuple[str, ...]
    item: Measurement | None = None
    flag: str = ""

    @property
    def key(self) -> tuple[str, str] | None:
        """What tells the measurement from others, in this result and the next; None for a heading."""
        return None if self.item is None else (self.item.key, self.item.level)

    @property
    def tooltip(self) -> str:
        """How it is measured, and how sure the value is."""
        if self.item is None:
            return ""
        doubts = {
            "check": _("(?) A level that it rests on may be wrong: look at its outline first."),
            "refuse": _("(!) A level that it rests on is most likely wrong: do not use this value."),
        }
        doubt = doubts.get(self.flag, "")
        if self.item.interval is None:
            return f"{definition_text(self.item)} {doubt}".strip()
        low, high = (f"{value + 0.0:.1f}" for value in self.item.interval)
        sure = _("With 90 % probability between {low} and {high}.").format(low=low, high=high)
        return f"{definition_text(self.item)} {sure} {doubt}".strip()


def rows_of(measurements: Sequence[Measurement], quality: Mapping[Level, Quality] | None = None) -> list[Row]:
    """Return the rows: alignment of the whole, then one part per segment, then one per vertebra.

    Args:
        measurements: the quantities.
        quality: how far each level can be trusted; values that rest on a doubtful level are marked.
    """
    quality = quality or {}
    titles = {
        "Alignment": _("Alignment"),
        "Segments": _("Segment {levels}"),
        "Vertebrae": _("Vertebra {levels}"),
    }
    found: list[Row] = []
    for group in groups(measurements):
        if not group.levels:
            found += [Row((titles[group.title],)), *(_row(item, quality) for item in group.items)]
        for levels in group.levels:
            found.append(Row((titles[group.title].format(levels=levels),)))
            found += [_row(item, quality) for item in group.items if item.level == levels]
    return found


def clipboard_text(measurements: Sequence[Measurement], quality: Mapping[Level, Quality] | None = None) -> str:
    """Return all measurements as lines of tab-separated cells, with a decimal point, for a spreadsheet."""
    quality = quality or {}
    titles = (_("Measurement"), _("Level"), _("Value"), _("90 % from"), _("90 % to"), _("Unit"), _("Quality"))
    lines = [(*titles, _("Definition"))]
    for item in measurements:
        bounds = ("", "") if item.interval is None else tuple(f"{value + 0.0:.3f}" for value in item.interval)
        cells = (title_text(item), item.level, value_text(item, 3), *bounds, item.unit, flag_of(item, quality))
        lines.append((*cells, definition_text(item)))
    return "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines)


def _row(item: Measurement, quality: Mapping[Level, Quality]) -> Row:
    value = f"{with_unit(item)} {mark_of(item, quality)}".strip()
    return Row((title_text(item), item.level, value), item, flag_of(item, quality))
