"""Draw the worst films of the network's benchmark: python docs/images/network_worst.py --data DATA --tables DIR."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, LUMBAR_LEVELS
from LumbarBiplanarLib.errors import DetectionError
from LumbarBiplanarLib.evaluation.network_benchmark import LANDMARKS_FILE, SAMPLE_STUDY_SUBJECT, read_people
from LumbarBiplanarLib.evaluation.network_films import ct_pairs, drawn_pairs
from LumbarBiplanarLib.evaluation.network_rows import LandmarkRow
from LumbarBiplanarLib.files import read_table
from LumbarBiplanarLib.network import detect
from LumbarBiplanarLib.training.anatomy import read_context

COUNT, PAIRS = 6, 2


def worst_films(tables: Path) -> list[tuple]:
    """Return (subject, condition, geometry, film, view) of the films with the largest mean error.

    One per condition and view at most; a film on which nothing was found counts as 50 mm.
    """
    errors: dict[tuple, list[float]] = {}
    for row in read_table(tables / LANDMARKS_FILE, LandmarkRow):
        if row.estimate == "film" and row.condition in ("clean", "randomised", "hard", "CT"):
            key = (row.subject, row.condition, row.geometry, row.film, row.view)
            errors.setdefault(key, []).append(row.error_mm if row.detected else 50.0)
    chosen: list[tuple] = []
    for key in sorted(errors, key=lambda k: -np.mean(errors[k])):
        if all((key[1], key[4]) != (other[1], other[4]) for other in chosen):
            chosen.append(key)
    return chosen[:COUNT]


def main() -> None:
    """Write network_worst.png beside this file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of open data")
    parser.add_argument("--tables", type=Path, required=True, help="folder of the benchmark's tables")
    args = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    wanted = worst_films(args.tables)
    context = read_context(args.data)
    found = {}
    for person in read_people(args.data, sorted({key[0] for key in wanted})):
        ct = person.subject == SAMPLE_STUDY_SUBJECT
        for pair in ct_pairs(args.data, person, PAIRS) if ct else drawn_pairs(person, context, PAIRS):
            for film in pair:
                key = (film.subject, film.condition, film.geometry, film.number, film.film.view.name)
                if key in wanted:
                    found[key] = film
    figure, axes = plt.subplots(1, COUNT, figsize=(2.6 * COUNT, 4.2))
    for axis, key in zip(axes, wanted, strict=False):
        film = found[key]
        axis.imshow(film.film.bone_bright(), cmap="gray")
        axis.set_title(f"{key[1]}, {key[4]}\n{key[0]}, {key[2]}", fontsize=7)
        axis.axis("off")
        truth = np.concatenate([film.landmarks_px[level] for level in LUMBAR_LEVELS])
        axis.scatter(*truth.T, s=5, facecolors="none", edgecolors="#40c0ff", linewidths=0.5)
        try:
            detection = detect(film.film, "cpu")
        except DetectionError as error:
            axis.text(0.02, 0.02, str(error)[:44] + "...", color="#ff6060", fontsize=5, transform=axis.transAxes)
            continue
        for level in LUMBAR_LEVELS:
            for i, name in enumerate(LANDMARK_NAMES):
                item = detection.landmarks.get((level, name))
                if item is not None and item.visible:
                    ends = np.stack([film.landmarks_px[level][i], item.position_px])
                    axis.plot(*ends.T, color="#ff6060", linewidth=0.5)
                    axis.scatter(*ends[1], s=2, color="#ffb000", linewidths=0)
        axis.set_xlim(0, film.film.view.size_px[0])
        axis.set_ylim(film.film.view.size_px[1], 0)
    figure.subplots_adjust(0.003, 0.003, 0.997, 0.9, 0.02, 0.02)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=130)


if __name__ == "__main__":
    main()
