"""Draw geometry.svg beside this file: ``python docs/images/geometry.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.patches import Ellipse, Rectangle

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "geometry", "svg.fonttype": "none", "font.family": "sans-serif"})
matplotlib.rcParams["font.size"] = 9

BLUE, RED, GRAY, GREEN = "#1f5fa8", "#b8352c", "#666666", "#2c7d46"


def arrow(axes, start, end, text="", offset=(0, 0), color="black", both=False):
    """Draw an arrow and write beside its end (or its middle, for a dimension)."""
    style = "<->" if both else "->"
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": style, "color": color, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    )
    place = (np.add(start, end) / 2 if both else np.asarray(end)) + offset
    axes.text(*place, text, color=color, ha="center", va="center")


def side(axes, slot):
    """Seen from the side: z to the right, y down; a pinhole's fan or a slot scanner's parallel rays."""
    heights = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    for height in heights:
        start = (0.0, height) if slot else (0.0, 0.0)
        axes.plot([start[0], 10], [start[1], height], color=BLUE, lw=0.8, alpha=0.8)
        if slot:
            axes.plot(0, height, "o", color=BLUE, ms=6 if height == 0 else 4, alpha=1 if height == 0 else 0.45)
    axes.add_patch(Ellipse((6.6, 0.2), 2.4, 2.2, facecolor="#e8d9b8", edgecolor=GRAY, alpha=0.85))
    axes.text(6.6, 0.62, "patient", ha="center", va="center", color=GRAY)
    axes.plot([10, 10], [-2.5, 2.5], color="black", lw=3)
    axes.text(10.2, -2.75, "detector", ha="center")
    axes.plot(0, 0, "o", color=BLUE, ms=7)
    axes.text(-0.25, -0.42 if not slot else -2.45, "source", ha="right", color=BLUE)
    arrow(axes, (0, 0), (1.6, 0), "z", (0.25, 0), RED)
    arrow(axes, (0, 0), (0, 1.3), "y", (0 if not slot else -0.35, 0.3 if not slot else 0), RED)
    axes.text(-0.9, 0.3, "x out of\nthe page", color=RED, ha="center", va="center", fontsize=7)
    arrow(axes, (0, 3.0), (10, 3.0), "focal_mm (f)", (0, 0.35), GRAY, both=True)
    axes.text(10.25, 0, "principal_px", va="center", color=GREEN)
    axes.plot(10, 0, "o", color=GREEN, ms=6)
    if slot:
        arrow(axes, (-1.6, -1.6), (-1.6, 2.2), "scan", (-0.75, 0), GRAY, both=True)
        axes.set_title("b   slot:  v = cv + Y / sy,   u as in a", loc="left")
    else:
        axes.set_title("a   pinhole:  u = cu + (f / sx) X / Z,   v = cv + (f / sy) Y / Z", loc="left")
    axes.set(xlim=(-3.2, 12.6), ylim=(3.8, -3.2), aspect="equal")


def above(axes):
    """The pair seen from the patient's feet: patient's right on the left, anterior up."""
    axes.add_patch(Ellipse((0, 0), 4.2, 2.8, facecolor="#e8d9b8", edgecolor=GRAY))
    for text, place in (("R", (-1.7, 0)), ("L", (1.7, 0)), ("A", (0, 1.05)), ("P", (0, -1.05))):
        axes.text(*place, text, ha="center", va="center", color=GRAY)
    for turn, name, color in ((0.0, "AP", BLUE), (75.0, "lateral", GREEN)):
        angle = np.deg2rad(turn)
        # Seen from the feet, R to the left mirrors x, so the turn about S runs clockwise on the page.
        beam = np.array([-np.sin(angle), -np.cos(angle)])
        across = np.array([-beam[1], beam[0]])
        source, middle = -6.2 * beam, 3.4 * beam
        ends = [middle + side * 2.0 * across for side in (-1, 1)]
        for end in (*ends, middle):
            axes.plot(*zip(source, end, strict=True), color=color, lw=0.8, ls="-" if end is not middle else "--")
        axes.plot(*zip(*ends, strict=True), color="black", lw=3)
        axes.plot(*source, "o", color=color, ms=7)
        label = (0.9, 0.1) if name == "AP" else (-0.1, 0.65)
        axes.text(*(source + label), f"{name} source", color=color, ha="left" if name == "AP" else "center")
        x_axis = across
        arrow(axes, middle + 0.45 * beam, middle + 0.45 * beam + 1.7 * x_axis, "x", 0.3 * x_axis + 0.2 * beam, RED)
    arc = np.deg2rad(np.linspace(90.0, 15.0, 40))
    axes.plot(3.6 * np.cos(arc), 3.6 * np.sin(arc), color=GRAY, lw=1)
    axes.text(2.75, 3.0, "angle_deg", color=GRAY)
    axes.set_title("c   a pair, 75 degrees apart, seen from the feet", loc="left")
    axes.set(xlim=(-5.2, 9.2), ylim=(-4.9, 7.0), aspect="equal")


def grid(axes):
    """Pixel coordinates."""
    for row in range(4):
        for column in range(5):
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="#f2f2f2", edgecolor=GRAY, lw=0.8))
            axes.plot(column, row, ".", color=GRAY, ms=3)
    axes.plot(0, 0, "o", color=RED, ms=5)
    axes.text(0, -0.22, "(0, 0)", color=RED, ha="center")
    axes.plot(-0.5, -0.5, "s", color="black", ms=4)
    axes.text(-0.6, -0.62, "(-0.5, -0.5)", ha="right", va="center")
    axes.plot(4.5, 3.5, "s", color="black", ms=4)
    axes.text(4.6, 3.66, "(w - 0.5, h - 0.5)", ha="left", va="center")
    axes.plot(2, 1.5, "o", color=GREEN, ms=6)
    axes.text(2, 1.84, "principal_px", color=GREEN, ha="center", bbox={"facecolor": "#f2f2f2", "lw": 0, "pad": 0.5})
    arrow(axes, (-0.5, 4.05), (1.4, 4.05), "x: column", (0.75, 0), RED)
    arrow(axes, (-1.0, -0.3), (-1.0, 1.4), "y: row", (0, 0.3), RED)
    arrow(axes, (2.5, -0.8), (3.5, -0.8), "sx mm", (0, -0.28), GRAY, both=True)
    arrow(axes, (4.8, 0.5), (4.8, 1.5), "sy mm", (0.65, 0), GRAY, both=True)
    axes.set_title("d   pixels of a film of 5 x 4", loc="left")
    axes.set(xlim=(-2.6, 6.8), ylim=(4.5, -1.4), aspect="equal")


def main() -> None:
    """Write the drawing; a file name on the command line replaces geometry.svg."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")
    side(axes[0, 0], slot=False)
    side(axes[0, 1], slot=True)
    above(axes[1, 0])
    grid(axes[1, 1])
    for one in axes.flat:
        one.axis("off")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("geometry.svg")
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
