"""What the measurement table of the panel shows, and its text for a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slicer.i18n import tr as _

from ..measurement import Measurement, title_text, value_text
from ..study.report_tables import groups, with_unit


@dataclass(frozen=True, eq=False)
class Row:
    """One row: a heading, or a measurement with the texts of its cells.

    Attributes:
        cells: (measurement, level, value with its unit); of a heading only the first.
        item: the measurement, or None for a heading.
    """

    cells: tuple[str, ...]
    item: Measurement | None = None

    @property
    def key(self) -> tuple[str, str] | None:
        """What tells the measurement from others, in this result and the next; None for a heading."""
        return None if self.item is None else (self.item.key, self.item.level)

    @property
    def tooltip(self) -> str:
        """How it is measured, and how sure the value is."""
        if self.item is None:
            return ""
        if self.item.interval is None:
            return self.item.definition
        low, high = (f"{value + 0.0:.1f}" for value in self.item.interval)
        sure = _("With 90 % probability between {low} and {high}.").format(low=low, high=high)
        return f"{self.item.definition} {sure}"


def rows_of(measurements: Sequence[Measurement]) -> list[Row]:
    """Return the rows: alignment of the whole, then one part per segment, then one per vertebra."""
    titles = {
        "Alignment": _("Alignment"),
        "Segments": _("Segment {levels}"),
        "Vertebrae": _("Vertebra {levels}"),
    }
    found: list[Row] = []
    for group in groups(measurements):
        if not group.levels:
            found += [Row((titles[group.title],)), *map(_row, group.items)]
        for levels in group.levels:
            found.append(Row((titles[group.title].format(levels=levels),)))
            found += [_row(item) for item in group.items if item.level == levels]
    return found


def clipboard_text(measurements: Sequence[Measurement]) -> str:
    """Return all measurements as lines of tab-separated cells, with a decimal point, for a spreadsheet."""
    lines = [(_("Measurement"), _("Level"), _("Value"), _("90 % from"), _("90 % to"), _("Unit"), _("Definition"))]
    for item in measurements:
        bounds = ("", "") if item.interval is None else tuple(f"{value + 0.0:.3f}" for value in item.interval)
        lines.append((title_text(item), item.level, value_text(item, 3), *bounds, item.unit, item.definition))
    return "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines)


def _row(item: Measurement) -> Row:
    return Row((title_text(item), item.level, with_unit(item)), item)
