"""What the tables of the benchmark of accuracy come to: the tables of docs/accuracy.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Region
from ..files import read_table
from .accuracy_conditions import BASE, STORAGES
from .accuracy_figures import ERROR_COLUMNS, SHIFTS, TURNS, Tables, millimetres, ratio
from .accuracy_goals import goal_rows
from .accuracy_rows import DONE, WHOLE
from .measurement_summary import measurement_tables
from .speed_benchmark import SPEED_FILE, SpeedRow

MAIN = "lumbar-only"
NETWORK = ("network, drawn", "network, CT")
_REGIONS = (WHOLE, *(item.name.lower() for item in Region))
# A mean error that makes a reconstruction useless; what the quality flag warns of.
_BAD_MM = 2.0


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: what it shows.
        columns: names of the columns.
        rows: as many texts each.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]

    def markdown(self) -> str:
        """Return the table as Markdown, without its title."""
        lines = [" | ".join(self.columns), "|".join(["---"] * len(self.columns))]
        return "\n".join(f"| {line} |" for line in [*lines, *(" | ".join(row) for row in self.rows)])


def summary_tables(folder: str | Path) -> dict[str, Table]:
    """Return the tables by name; those without a row are left out.

    Raises:
        StudyError: if a table is missing or no such table.
    """
    tables, speed = Tables.read(folder), Path(folder) / SPEED_FILE
    costs = read_table(speed, SpeedRow) if speed.exists() else []
    found = {
        "goals": Table("Goals", ("goal", "measured", "reached"), goal_rows(tables, costs)),
        "lumbar-only": _errors("True lumbar-only images with noise", tables, [MAIN], fractured=True),
        "lumbar-only-regions": _regions("By region", tables.of(MAIN)),
        "lumbar-only-levels": _levels("By level", tables.of(MAIN)),
        "lumbar-only-people": _people("By person", tables.of(MAIN)),
        "network": _network(tables),
        "storage": _storage(tables),
        "pose": _poses(tables),
        "landmarks": _landmarks(tables),
        "intervals": _intervals(tables),
        "noise": _variants("Errors of the evidence", tables, ["noise"]),
        "angles": _variants("Angle between the beams, known", tables, ["view angle", "lumbar-only: pinhole 75"]),
        "wrong-geometry": _variants("Geometry that is wrong", tables, _groups(tables, ("wrong ", "geometry right"))),
        "motion": _variants("Motion between the films", tables, _groups(tables, ("motion", "no motion"))),
        "ablations": _variants("Ablations", tables, ["ablation"]),
        "modes": _variants("Modes of the shape model", tables, ["modes"]),
        "shell": _variants("Bones with a cortical shell", tables, ["shell"]),
        "films": _errors("Whole films without a network", tables, _groups(tables, ("no network",)), fractured=False),
        "weights": _weights(tables),
        "flags": _flags(tables),
        "costs": _costs(tables),
    }
    for kind in NETWORK:
        name = kind.replace(", ", "-").lower()
        found[f"{name}-regions"] = _regions(f"{kind}, by region", tables.of(kind).named_right())
        found[f"{name}-levels"] = _levels(f"{kind}, by level", tables.of(kind).named_right())
    for name, (columns, rows) in measurement_tables(folder, (MAIN, *NETWORK)).items():
        found[name] = Table(f"Measurements: {name.split('-', 1)[1]}", columns, rows)
    return {name: table for name, table in found.items() if table.rows}


def _groups(tables: Tables, starts: tuple[str, ...]) -> list[str]:
    groups = dict.fromkeys(name.split(":")[0] for name in tables.conditions())
    return [group for group in groups if group.startswith(starts)]


def _errors(title: str, tables: Tables, names: list[str], *, fractured: bool) -> Table:
    rows = []
    for wounded in (False, True)[: 1 + fractured]:
        chosen = tables.of(*names, fractured=wounded)
        parts = [(condition, chosen.of(condition, fractured=wounded)) for condition in map(_plain, chosen.conditions())]
        if len(parts) > 1 and len(names) == 1:
            parts.append(("all, fractured" if wounded else "all", chosen))
        for condition, part in parts:
            name = condition.removeprefix(f"{names[0]}: ") if len(names) == 1 else condition
            if found := part.errors():
                rows.append([f"fractured: {name}" if wounded and "fract" not in name else name, *found.cells])
    return Table(title, ("mm", *ERROR_COLUMNS), rows)


def _plain(condition: str) -> str:
    return condition.split("fractured: ")[-1]


def _variants(title: str, tables: Tables, names: list[str]) -> Table:
    """Return one row per variant, and how much worse each is than the base on the same vertebrae."""
    base = tables.base()
    rows = []
    for condition, part in [(BASE, base), *((name, tables.of(name)) for name in tables.of(*names).conditions())]:
        part = part.some(lambda row: row.seed == 0)
        if found := part.errors():
            rows.append([condition, *found.cells, f"{ratio(part, base):.2f}"])
    return Table(title, ("mm", *ERROR_COLUMNS, "× base"), rows if len(rows) > 1 else [])


def _split(first: str, parts: list[tuple[str, Tables]], title: str) -> Table:
    rows = [[name, *found.cells] for name, part in parts if (found := part.errors())]
    return Table(title, (first, *ERROR_COLUMNS), rows)


def _storage(tables: Tables) -> Table:
    """Return one row per way of taking and storing the films, of the same people's films in the same order."""
    names = {"AP, lateral": "network, drawn: pinhole 90"}
    names |= {kind: f"network, drawn, {kind}: pinhole 90" for kind in STORAGES}
    parts = [(kind, tables.of(name)) for kind, name in names.items()]
    found = _split("films", parts, "Films from the other side, and films stored turned over")
    return Table(found.title, found.columns, found.rows if len(found.rows) > 1 else [])


def _levels(title: str, tables: Tables) -> Table:
    parts = [(level.name, tables.some(_is("level", level.name))) for level in LUMBAR_LEVELS]
    return _split("level", parts, title)


def _people(title: str, tables: Tables) -> Table:
    people = dict.fromkeys(row.subject for row in tables.regions)
    return _split("person", [(name, tables.some(_is("subject", name))) for name in people], title)


def _is(name: str, value: str) -> Callable:
    return lambda row: getattr(row, name) == value


def _regions(title: str, tables: Tables) -> Table:
    rows = []
    for region in _REGIONS:
        if found := tables.errors(region):
            values = (found.mean, found.rms, found.p95, found.rigid, found.floor)
            rows.append(["whole" if region == WHOLE else region, *map(millimetres, values)])
    return Table(title, ("mm", "mean", "RMS", "p95", "aligned mean", "model's floor"), rows)


def _network(tables: Tables) -> Table:
    rows = []
    for kind in NETWORK:
        chosen = tables.of(kind)
        parts = [(condition, chosen.of(condition)) for condition in chosen.conditions()]
        for name, part in [*parts, *([(f"{kind}: all", chosen)] if len(parts) > 1 else [])]:
            right = part.named_right()
            wrong = sum(row.outcome == DONE and not row.named_right for row in part.cases)
            lost = sum(row.outcome != DONE for row in part.cases)
            if found := right.errors():
                rows.append([name, *found.cells, str(wrong), str(lost)])
    return Table("Network in the loop", ("mm", *ERROR_COLUMNS, "misnamed", "not found"), rows)


def _kinds(tables: Tables) -> Iterator[tuple[str, Tables]]:
    yield MAIN, tables.of(MAIN)
    for kind in NETWORK:
        yield kind, tables.of(kind).named_right()


def _poses(tables: Tables) -> Table:
    rows = []
    for kind, part in _kinds(tables):
        if part.cases:
            cells = [
                f"{part.mean_absolute(name):.2f} ({part.percentile_absolute(name, 95.0):.2f})"
                for name in (*SHIFTS, *TURNS)
            ]
            rows.append([kind, *cells])
    names = ("right mm", "anterior mm", "superior mm", "about right °", "about anterior °", "about superior °")
    return Table("Error of the pose, mean (95th percentile)", ("axis", *names), rows)


def _landmarks(tables: Tables) -> Table:
    rows = []
    for kind, part in _kinds(tables):
        if np.isfinite(part.mean_absolute("landmarks_ap_mm")):
            cells = [
                cell
                for view in ("ap", "lateral")
                for cell in (
                    millimetres(part.mean_absolute(f"evidence_{view}_mm")),
                    millimetres(part.mean_absolute(f"landmarks_{view}_mm")),
                    f"{100 * part.mean_absolute(f'within_2_mm_{view}'):.0f} %",
                )
            ]
            rows.append([kind, *cells])
    columns = (
        f"{view}: {what}" for view in ("AP", "lateral") for what in ("given, mm", "reconstructed, mm", "within 2 mm")
    )
    return Table("Landmarks of the reconstruction", ("", *columns), rows)


def _intervals(tables: Tables) -> Table:
    rows = []
    for kind, part in _kinds(tables):
        people = dict.fromkeys(row.subject for row in part.cases)
        parts = [("all", part), *((name, part.some(_is("subject", name))) for name in people)]
        for name, some in parts[: 1 if len(people) < 2 else None]:
            surface, measured, count = some.covered()
            if np.isfinite(surface):
                share = f"{100 * measured:.0f}" if count else ""
                rows.append([f"{kind}, {name}", f"{100 * surface:.0f}", share, str(count)])
    columns = ("", "true surface within, %", "measurements within, %", "measurements")
    return Table("90 % intervals", columns, rows)


def _weights(tables: Tables) -> Table:
    rows = []
    for group in _groups(tables, ("region weight",)):
        for condition in tables.of(group).conditions():
            part = tables.of(condition)
            part = part.named_right()
            found = [part.errors(region) for region in _REGIONS]
            if found[0]:
                rows.append([condition, str(found[0].vertebrae), *(millimetres(item.mean) for item in found)])
    return Table(
        "Weight of the transverse and spinous processes", ("mean, mm", "vertebrae", "whole", *_REGIONS[1:]), rows
    )


def _flags(tables: Tables) -> Table:
    """Return how often each flag stood by a vertebra that was bad, over all conditions."""
    errors = {
        (row.condition, row.subject, row.seed, row.level): row.mean_mm
        for row in tables.regions
        if row.region == WHOLE and row.alignment == "absolute"
    }
    rows = []
    for flag in ("ok", "check", "refuse"):
        own = [errors[row.condition, row.subject, row.seed, row.level] for row in tables.cases if row.flag == flag]
        if own:
            bad = sum(value > _BAD_MM for value in own)
            rows.append([flag, str(len(own)), str(bad), f"{100 * bad / len(own):.0f}", millimetres(np.median(own))])
    columns = ("flag", "vertebrae", f"over {_BAD_MM:g} mm", "%", "median error, mm")
    return Table("Quality flag against the true error, all conditions", columns, rows)


def _costs(tables: Tables) -> Table:
    rows = []
    for kind, part in _kinds(tables):
        if part.cases:
            seconds, wall, memory = part.costs()
            rows.append([kind, f"{seconds:.1f}", f"{wall:.1f}", "" if np.isnan(memory) else f"{memory / 1e3:.2f}"])
    return Table(
        "Cost of a registration",
        ("", "processor seconds, median", "wall seconds, median", "peak memory, GB, median"),
        rows,
    )
