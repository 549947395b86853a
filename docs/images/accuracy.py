"""Draw the plots of docs/accuracy.md: python docs/images/accuracy.py."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from LumbarBiplanarLib.evaluation.accuracy_conditions import BASE
from LumbarBiplanarLib.evaluation.accuracy_figures import Tables

HERE = Path(__file__).resolve().parent
TABLES = HERE.parent / "benchmarks"
REGIONS = ("all", "body", "pedicle", "transverse", "spinous", "articular", "lamina")
KINDS = {"lumbar-only": "#1f6fb4", "network, drawn": "#d9822b", "network, CT": "#7a3e9d"}
FLOOR = "#555555"
# title, unit, groups with what the registration does, and conditions that belong on their curves at a place
PANELS = (
    ("Errors of the evidence", "times the base", [("noise", None)], {1.0: BASE}),
    (
        "Angle between the beams, known",
        "degrees",
        [("view angle", None)],
        {75.0: "lumbar-only: pinhole 75", 90.0: BASE},
    ),
    (
        "Angle that is wrong",
        "degrees",
        [("wrong angle", "believed"), ("wrong angle, calibrated", "calibrated")],
        {0.0: BASE},
    ),
    (
        "Distance that is wrong, both films",
        "mm",
        [("wrong distance", "believed"), ("wrong distance, calibrated", "calibrated")],
        {0.0: BASE},
    ),
    (
        "Motion between the films",
        "mm (with 0.5, 1, 3 degrees)",
        [("motion", "not modelled"), ("motion, modelled", "modelled")],
        {0.0: BASE},
    ),
    ("Modes of the shape model", "modes", [("modes", None)], {}),
)


def main() -> None:
    """Write accuracy_regions.png and accuracy_robustness.png beside this file."""
    tables = Tables.read(TABLES)
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    _regions(tables)
    _robustness(tables)


def _regions(tables: Tables) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=(1.35, 1))
    width = 0.26
    for k, (kind, color) in enumerate(KINDS.items()):
        part = tables.of(kind)
        part = part if kind == "lumbar-only" else part.named_right()
        found = [part.errors(region) for region in REGIONS]
        if found[0] is None:
            continue
        x = np.arange(len(REGIONS)) + (k - 1) * width
        left.bar(x, [item.mean for item in found], width, color=color, label=kind)
        floor = [item.floor for item in found]
        label = "model's floor" if k == 0 else None
        left.hlines(floor, x - width / 2, x + width / 2, color=FLOOR, linewidth=1.6, label=label)
    left.set_xticks(range(len(REGIONS)), ["whole", *REGIONS[1:]])
    left.set_ylabel("mean distance, mm")
    left.set_title("By region", loc="left")
    left.legend(frameon=False)
    _people(right, tables)
    figure.tight_layout()
    figure.savefig(HERE / "accuracy_regions.png", dpi=110)
    plt.close(figure)


def _people(axis, tables: Tables) -> None:
    """Draw the mean error of every vertebra, person by person."""
    rng = np.random.default_rng(0)
    people = sorted({row.subject for row in tables.regions})
    for k, (kind, color) in enumerate(KINDS.items()):
        part = tables.of(kind)
        part = part if kind == "lumbar-only" else part.named_right()
        rows = [row for row in part.regions if row.region == "all" and row.alignment == "absolute"]
        x = [people.index(row.subject) + 0.26 * (k - 1) for row in rows]
        axis.scatter(
            np.array(x) + rng.uniform(-0.08, 0.08, len(x)), [row.mean_mm for row in rows], s=7, color=color, alpha=0.6
        )
    axis.set_xticks(range(len(people)), people)
    axis.set_yscale("log")
    axis.set_yticks([0.3, 0.5, 1, 2, 4], ["0.3", "0.5", "1", "2", "4"])
    axis.minorticks_off()
    axis.set_ylabel("mean distance of a vertebra, mm")
    axis.set_title("By person, sound vertebrae", loc="left")


def _robustness(tables: Tables) -> None:
    """Draw the panels of which the tables know at least two points."""
    shown = [panel for panel in PANELS if any(_points(tables, group, panel[3]) for group, _ in panel[2])]
    if not shown:
        return
    rows, columns = -(-len(shown) // 3), min(3, len(shown))
    figure, axes = plt.subplots(rows, columns, figsize=(3.7 * columns, 3.1 * rows), squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, (title, unit, groups, more) in zip(axes.flat, shown, strict=False):
        for (group, label), color in zip(groups, ("#b4341f", "#1f6fb4"), strict=False):
            _curve(axis, _points(tables, group, more), label, color)
        axis.set_title(title, loc="left")
        axis.set_xlabel(unit)
        axis.set_ylim(0.0, 1.35 * axis.get_ylim()[1])
        axis.legend(frameon=False, fontsize=8, ncols=len(groups))
    for axis in axes[:, 0]:
        axis.set_ylabel("distance, mm")
    figure.tight_layout()
    figure.savefig(HERE / "accuracy_robustness.png", dpi=110)
    plt.close(figure)


def _points(tables: Tables, group: str, more: dict[float, str]) -> list[tuple[float, float, float]]:
    """Return (x, mean, p95) of a group's variants and of the conditions ``more`` at their place, if two or more."""
    names = {_number(name): name for name in tables.of(group).conditions()}
    if not names:
        return []
    names |= more
    points = []
    for x in sorted(names):
        found = tables.of(names[x]).some(lambda row: row.seed == 0).errors()
        if found:
            points.append((x, found.mean, found.p95))
    return points if len(points) > 1 else []


def _curve(axis, points: list[tuple[float, float, float]], label: str | None, color: str) -> None:
    """Draw mean (line) and p95 (dashed)."""
    if not points:
        return
    x, mean, p95 = zip(*points, strict=True)
    axis.plot(x, mean, "o-", color=color, markersize=4, label=f"{label}: mean" if label else "mean")
    axis.plot(x, p95, "o--", color=color, markersize=3, alpha=0.6, label=f"{label}: p95" if label else "p95")


def _number(name: str) -> float:
    return float(name.split(": ")[1].removeprefix("x ").split(" ")[0])


if __name__ == "__main__":
    main()
