"""What the rows of the network's benchmark come to: one line per group of films."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import read_table
from .network_benchmark import FILMS_FILE, LANDMARKS_FILE, FilmRow, LandmarkRow
from .real_films import REAL_FILE, RealFilmRow

SUCCESS_MM = (2.0, 2.5, 3.0, 4.0)
# Radius that holds 90 % of a normal distribution of equal spread in both axes, in standard deviations of one.
_RADIUS_90 = float(np.sqrt(-2.0 * np.log(0.1)))


@dataclass(frozen=True)
class LandmarkSummary:
    """Errors of a group of landmarks, mm of the object plane.

    Attributes:
        group: which.
        count: landmarks the films show.
        detected: share of them detected.
        mean, median, p95: of the detected.
        success: share of those shown that were detected within 2, 2.5, 3 and 4 mm.
        covered: share of the detected whose error is within the 90 % interval of their own sigma.
    """

    group: tuple[str, ...]
    count: int
    detected: float
    mean: float
    median: float
    p95: float
    success: tuple[float, ...]
    covered: float

    def cells(self) -> list[str]:
        """Return the row of a table."""
        shares = [f"{100 * share:.0f}" for share in (self.detected, *self.success, self.covered)]
        millimetres = [f"{value:.2f}" for value in (self.mean, self.median, self.p95)]
        return [*self.group, str(self.count), shares[0], *millimetres, *shares[1:]]


LANDMARK_COLUMNS = ("shown", "found %", "mean", "median", "p95", *(f"{mm:g} mm %" for mm in SUCCESS_MM), "in 90 % CI")
FILM_COLUMNS = ("films", "levels right", "%", "MAE mm", "PSNR dB", "SSIM", "perceptual", "seconds")
PAGE_COLUMNS = (
    "films", "view", "read", "levels right", "mean, median, p95",
    f"success at {', '.join(f'{mm:g}' for mm in SUCCESS_MM)} mm", "in 90 %", *FILM_COLUMNS[3:-1],
)  # fmt: skip
LADDER_COLUMNS = ("step", "AP", "lateral")
CARD_COLUMNS = (
    "films, read as pairs",
    "levels right",
    "AP: mean, median",
    "lateral: mean, median",
    "within 2 mm",
    "in 90 %",
)
KIND_COLUMNS = ("landmark", "AP, alone", "AP, pair", "lateral, alone", "lateral, pair")
REAL_COLUMNS = ("shown", "lumbar boxes", "found", "in the right order", "by the box's name")
_VIEWS = ("AP", "lateral")
_REAL = ("found", "right_order", "right_name")
_READ = {"film": "alone", "pair": "pair"}
# A landmark's kind: its name without its side and its place on an endplate.
_PLACE = re.compile(r"_(left|right|anterior|posterior|centre)$")


def landmark_summaries(
    rows: Sequence[LandmarkRow], group: Callable[[LandmarkRow], tuple[str, ...]]
) -> list[LandmarkSummary]:
    """Return one summary per group, in the order in which groups first appear."""
    groups: dict[tuple[str, ...], list[LandmarkRow]] = {}
    for row in rows:
        groups.setdefault(group(row), []).append(row)
    return [_summary(key, own) for key, own in groups.items()]


def _summary(key: tuple[str, ...], rows: list[LandmarkRow]) -> LandmarkSummary:
    errors = np.array([row.error_mm for row in rows if row.detected], dtype=float)
    sigmas = np.array([row.sigma_mm for row in rows if row.detected], dtype=float)
    if not len(errors):
        nothing = float("nan")
        return LandmarkSummary(key, len(rows), 0.0, nothing, nothing, nothing, (0.0,) * len(SUCCESS_MM), nothing)
    return LandmarkSummary(
        key,
        len(rows),
        len(errors) / len(rows),
        float(errors.mean()),
        float(np.median(errors)),
        float(np.percentile(errors, 95)),
        tuple(float((errors <= limit).sum() / len(rows)) for limit in SUCCESS_MM),
        float((errors <= _RADIUS_90 * sigmas).mean()),
    )


def film_table(rows: Sequence[FilmRow], group: Callable[[FilmRow], tuple[str, ...]]) -> list[list[str]]:
    """Return one row of a table per group: ``FILM_COLUMNS`` after the group."""
    groups: dict[tuple[str, ...], list[FilmRow]] = {}
    for row in rows:
        groups.setdefault(group(row), []).append(row)
    table = []
    for key, own in groups.items():
        right, shown = sum(row.levels_right for row in own), sum(row.levels_shown for row in own)
        cells = [str(len(own)), f"{right} of {shown}", f"{100 * right / max(shown, 1):.1f}"]
        for name, digits in (("mae", 2), ("psnr_db", 1), ("ssim", 3), ("perceptual", 3), ("seconds", 2)):
            values = [getattr(row, name) for row in own if getattr(row, name) is not None]
            cells.append(f"{np.mean(values):.{digits}f}" if values else "")
        table.append([*key, *cells])
    return table


def real_summary(rows: Sequence[RealFilmRow]) -> list[str]:
    """Return a sentence on the real films for each way they were shown."""
    sentences = []
    for shown, (count, (found, order, name)) in _real_shares(rows).items():
        sentences.append(
            f"Real AP films, {shown} film shown: of {count} lumbar boxes {found:.0f} % hold the centre of a "
            f"vertebra found, {order:.0f} % in the right order, {name:.0f} % by their name."
        )
    return sentences


Table = tuple[str, tuple[str, ...], list[list[str]]]


def summary_tables(folder: str | Path) -> tuple[list[Table], list[str]]:
    """Return what the tables in a folder come to: (title, columns, rows) each, and sentences on the real films.

    Raises:
        StudyError: if a table is missing or no such table.
    """
    folder = Path(folder)
    landmarks, films = read_table(folder / LANDMARKS_FILE, LandmarkRow), read_table(folder / FILMS_FILE, FilmRow)
    names = ("condition", "view", "estimate")
    main = {row.condition for row in films if row.estimate == "pair"}
    tables: list[Table] = [
        (
            "Landmarks, mm of the object plane",
            (*names, *LANDMARK_COLUMNS),
            _cells(landmark_summaries(landmarks, lambda row: (row.condition, row.view, row.estimate))),
        ),
        (
            "Films",
            (*names, *FILM_COLUMNS),
            film_table(films, lambda row: (row.condition, row.view, row.estimate)),
        ),
        (
            "By landmark, randomised films",
            ("landmark", "view", "estimate", *LANDMARK_COLUMNS),
            _cells(_some(landmarks, main, lambda row: (row.landmark, row.view, row.estimate))),
        ),
        (
            "By level, randomised films",
            ("level", "view", "estimate", *LANDMARK_COLUMNS),
            _cells(_some(landmarks, main, lambda row: (row.level, row.view, row.estimate))),
        ),
    ]
    real = folder / REAL_FILE
    return tables, real_summary(read_table(real, RealFilmRow)) if real.exists() else []


def page_tables(folder: str | Path) -> dict[str, tuple[tuple[str, ...], list[list[str]]]]:
    """Return columns and rows of the tables of docs/network-accuracy.md and docs/model-card.md, by name.

    "network-films" has every kind of film, read alone and as pairs; "network-ladders" one film made worse step by step;
    "network-card" the pairs in short; "network-landmarks" the mean errors of each kind of landmark on randomised films;
    "network-real" the boxes of real films.

    Raises:
        StudyError: if a table is missing or no such table.
    """
    folder = Path(folder)
    landmarks, films = read_table(folder / LANDMARKS_FILE, LandmarkRow), read_table(folder / FILMS_FILE, FilmRow)
    paired = tuple(dict.fromkeys(row.condition for row in films if row.estimate == "pair"))
    return {
        "network-films": (PAGE_COLUMNS, _film_rows(landmarks, films, paired)),
        "network-ladders": (LADDER_COLUMNS, _ladder_rows(landmarks, paired)),
        "network-card": (CARD_COLUMNS, _card_rows(landmarks, films, paired)),
        "network-landmarks": (KIND_COLUMNS, _kind_rows(landmarks, paired)),
        "network-real": (REAL_COLUMNS, _real_rows(folder / REAL_FILE)),
    }


def _card_rows(landmarks: Sequence[LandmarkRow], films: Sequence[FilmRow], paired: Sequence[str]) -> list[list[str]]:
    marks = [row for row in landmarks if row.estimate == "pair"]
    errors = {item.group: item for item in landmark_summaries(marks, lambda row: (row.condition, row.view))}
    levels = film_table([row for row in films if row.estimate == "pair"], lambda row: (row.condition,))
    right = {cells[0]: cells[2] for cells in levels}
    rows = []
    for condition in paired:
        both = [errors[condition, view] for view in _VIEWS]
        rows.append(
            [
                condition,
                right[condition],
                *(f"{item.mean:.2f}, {item.median:.2f} mm" for item in both),
                ", ".join(f"{100 * item.success[0]:.0f}" for item in both) + " %",
                ", ".join(f"{100 * item.covered:.0f}" for item in both) + " %",
            ]
        )
    return rows


def _kind_rows(landmarks: Sequence[LandmarkRow], paired: Sequence[str]) -> list[list[str]]:
    def group(row: LandmarkRow) -> tuple[str, ...]:
        return _PLACE.sub("", row.landmark), row.view, row.estimate

    means = {item.group: item.mean for item in _some(landmarks, {*paired}, group)}
    kinds = dict.fromkeys(kind for kind, *_ in means)
    return [
        [kind.replace("_", " "), *(f"{means[kind, view, how]:.2f} mm" for view in _VIEWS for how in _READ)]
        for kind in kinds
    ]


def _real_rows(path: Path) -> list[list[str]]:
    rows = read_table(path, RealFilmRow) if path.exists() else []
    return [
        [
            "the whole film" if shown == "whole" else "its lumbar part",
            str(count),
            *(f"{share:.0f} %" for share in shares),
        ]
        for shown, (count, shares) in _real_shares(rows).items()
    ]


def _real_shares(rows: Sequence[RealFilmRow]) -> dict[str, tuple[int, list[float]]]:
    """Return how many boxes there are and how many percent are found, in order and named right, by what was shown."""
    shares = {}
    for shown in dict.fromkeys(row.shown for row in rows):
        own = [row for row in rows if row.shown == shown]
        shares[shown] = len(own), [100 * float(np.mean([getattr(row, key) for row in own])) for key in _REAL]
    return shares


def _ladder_rows(landmarks: Sequence[LandmarkRow], paired: Sequence[str]) -> list[list[str]]:
    ladders = [row for row in landmarks if row.condition not in paired]
    cells = {
        item.group: f"{item.mean:.2f} ({100 * item.detected:.0f} %)"
        for item in landmark_summaries(ladders, lambda row: (row.condition, row.view))
    }
    steps = dict.fromkeys(row.condition for row in ladders)
    return [[step, *(cells.get((step, view), "") for view in _VIEWS)] for step in steps]


def _film_rows(landmarks: Sequence[LandmarkRow], films: Sequence[FilmRow], paired: Sequence[str]) -> list[list[str]]:
    def group(row: LandmarkRow | FilmRow) -> tuple[str, ...]:
        return row.condition, row.view, row.estimate

    errors = {item.group: item for item in landmark_summaries(landmarks, group)}
    images = {tuple(cells[:3]): cells[3:] for cells in film_table(films, group)}
    rows = []
    for condition, view, estimate in itertools.product(paired, _VIEWS, _READ):
        marks = errors[condition, view, estimate]
        _, levels, _, *quality, _ = images[condition, view, estimate]
        rows.append(
            [
                condition,
                view,
                _READ[estimate],
                levels,
                f"{marks.mean:.2f}, {marks.median:.2f}, {marks.p95:.2f} mm",
                ", ".join(f"{100 * share:.0f}" for share in marks.success) + " %",
                f"{100 * marks.covered:.0f} %",
                *quality,
            ]
        )
    return rows


def _cells(summaries: Iterable[LandmarkSummary]) -> list[list[str]]:
    return [summary.cells() for summary in summaries]


def _some(rows: Sequence[LandmarkRow], main: set[str], group) -> list[LandmarkSummary]:
    """Return summaries of the randomised films or, without any, of those read in pairs."""
    wanted = {"randomised"} & main or main
    return landmark_summaries([row for row in rows if row.condition in wanted], group)
