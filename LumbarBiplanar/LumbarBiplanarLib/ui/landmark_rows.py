"""What the table of landmarks says about each landmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slicer.i18n import tr as _

from ..anatomy import LANDMARK_NAMES, FilmLandmarks, Level, load_landmarks
from ..geometry import View
from ..mrml.landmarks import PointRecord, key_of

Key = tuple[str, int]
Residuals = Mapping[tuple[Level, str], tuple[float, float]]

COLUMNS = ("level", "landmark", "film", "confidence", "residual", "state")
UNSURE_CONFIDENCE = 0.5
FAR_MM = 7.0
# Nine tenths of the errors are within this many standard deviations (per axis) of the landmark, in any direction.
_REACH_SD = 2.146
NONE = "–"


def column_tips() -> tuple[str, ...]:
    """Return what the head of each column says when the mouse rests on it."""
    return (
        _("Vertebra; in the films its landmarks have rings of this color."),
        _("Landmark; left and right are the patient's."),
        _("Film it is seen on."),
        _("Confidence of the detection, 0 to 1; 1 for a landmark that you placed."),
        _("Distance of the reconstruction from the landmark, mm in the object plane."),
        _("detected, corrected by you, not shown on the film, or to be checked. Rest on a row for the reason."),
    )


def short_titles() -> tuple[str, ...]:
    """Return names of the landmarks that fit into a narrow column, in the order of ``LANDMARK_NAMES``."""
    return (
        _("Sup. endplate, mid"),
        _("Sup. endplate, ant."),
        _("Sup. endplate, post."),
        _("Sup. endplate, left"),
        _("Sup. endplate, right"),
        _("Inf. endplate, mid"),
        _("Inf. endplate, ant."),
        _("Inf. endplate, post."),
        _("Inf. endplate, left"),
        _("Inf. endplate, right"),
        _("Pedicle, left"),
        _("Pedicle, right"),
        _("Transverse tip, left"),
        _("Transverse tip, right"),
        _("Spinous tip"),
        _("Spinous base"),
        _("Sup. facet, left"),
        _("Sup. facet, right"),
        _("Inf. facet, left"),
        _("Inf. facet, right"),
    )


class _Texts:
    """The texts of which rows are made, in the user's language.

    Looked up once for the rows of a film: in Slicer a look-up takes some 30 microseconds, and 200 rows are made
    whenever the panel is brought up to date.
    """

    def __init__(self) -> None:
        self.titles = short_titles()
        self.films = {"AP": _("AP"), "lateral": _("Lat.")}
        self.outside = _("It lies outside the film.")
        self.unsure = _("The detection is not sure of it.")
        self.within = _("The detection says only that it is within {reach} mm of here.")
        self.away = _("The reconstruction is {distance} mm away.")
        self.not_shown, self.check = _("not shown"), _("check")
        self.corrected, self.detected = _("corrected"), _("detected")
        self.tip_not_shown = _("The film does not show it, so it carries no weight. Press Set to place it.")
        self.tip_placed = _("Placed by you: it is taken as certain.")
        self.tip_detected = _("As detected. Drag it in its film if it is wrong.")
        self.tip_within = _("As detected, in nine of ten cases within {reach} mm. Drag it in its film if it is wrong.")


@dataclass(frozen=True)
class Row:
    """One landmark of one film, as the table shows it.

    Attributes:
        key: view name and point of the landmark list.
        level: its vertebra.
        texts: one per column.
        order: what each column is sorted by.
        shown: whether the film shows the landmark.
        doubts: why it should be checked, in sentences; empty if it need not be.
        tip: what the row's tool tip says.
    """

    key: Key
    level: Level
    texts: tuple[str, ...]
    order: tuple[float, ...]
    shown: bool
    doubts: str
    tip: str


def rows_of(view: View, records: Sequence[PointRecord], residuals: Residuals, used: FilmLandmarks | None) -> list[Row]:
    """Return the rows of one film.

    Args:
        view: the film's geometry.
        records: the 100 points of its landmark list.
        residuals: distance of the reconstruction from each landmark (mm in the object plane, standard deviations).
        used: the landmarks that the reconstruction was made with; those moved since have no residual.
    """
    rows, say = [], _Texts()
    for index, record in enumerate(records):
        key = key_of(index)
        fresh = used is not None and record.shown and used.get(key) == record.observation
        rows.append(_row(say, view, index, record, residuals.get(key) if fresh else None))
    return rows


def _row(say: _Texts, view: View, index: int, record: PointRecord, residual: tuple[float, float] | None) -> Row:
    level, _name = key_of(index)
    number = index % len(LANDMARK_NAMES)
    item = record.observation if record.shown else None
    doubts = _doubts(say, view, item, residual)
    rank, state = _state(say, record, doubts)
    texts = (
        level.name,
        say.titles[number],
        say.films[view.name],
        NONE if item is None else f"{item.confidence:.2f}",
        NONE if residual is None else f"{residual[0]:.1f}",
        state,
    )
    order = (
        level.index,
        number,
        0 if view.name == "AP" else 1,
        2.0 if item is None else item.confidence,
        -1.0 if residual is None else residual[0],
        rank,
    )
    tip = f"{level.name}, {load_landmarks()[number].title}. {_tip(say, record, doubts)}"
    return Row((view.name, index), level, texts, order, item is not None, doubts, tip)


def _doubts(say: _Texts, view: View, item, residual: tuple[float, float] | None) -> str:
    if item is None:
        return ""
    doubts = []
    if not view.contains(item.position_px):
        doubts.append(say.outside)
    if not item.corrected and item.confidence < UNSURE_CONFIDENCE:
        doubts.append(say.unsure)
    elif not item.corrected and (reach := _reach_mm(item)) is not None and reach > FAR_MM:
        doubts.append(say.within.format(reach=f"{reach:.0f}"))
    if residual is not None and residual[0] > FAR_MM:
        doubts.append(say.away.format(distance=f"{residual[0]:.1f}"))
    return " ".join(doubts)


def _reach_mm(item) -> float | None:
    """Return how far from a detected landmark its true place is at most, in nine of ten, mm; None if not known."""
    return None if item.sigma_mm is None else _REACH_SD * item.sigma_mm


def _state(say: _Texts, record: PointRecord, doubts: str) -> tuple[int, str]:
    if not record.shown:
        return 3, say.not_shown
    if doubts:
        return 0, say.check
    return (1, say.corrected) if record.corrected else (2, say.detected)


def _tip(say: _Texts, record: PointRecord, doubts: str) -> str:
    if not record.shown:
        return say.tip_not_shown
    if doubts:
        return f"{say.tip_placed} {doubts}" if record.corrected else doubts
    if record.corrected:
        return say.tip_placed
    reach = _reach_mm(record.observation)
    if reach is None:
        return say.tip_detected
    return say.tip_within.format(reach=f"{reach:.1f}")


@dataclass(frozen=True)
class RowFilter:
    """Which rows the table shows.

    Attributes:
        view_name: "AP", "lateral", or None for both.
        level: one level, or None for all.
        shown_only: leave out what the film does not show.
        doubtful_only: leave out what need not be checked.
    """

    view_name: str | None = None
    level: Level | None = None
    shown_only: bool = False
    doubtful_only: bool = False

    def takes(self, row: Row) -> bool:
        """Return whether a row passes."""
        return (
            self.view_name in (None, row.key[0])
            and self.level in (None, row.level)
            and (row.shown or not self.shown_only)
            and (bool(row.doubts) or not self.doubtful_only)
        )


def sorted_rows(rows: Sequence[Row], column: int, descending: bool) -> list[Row]:
    """Return rows in the order of a column; where that is equal, by level, landmark and film."""
    plain = sorted(rows, key=lambda row: row.order[:3])
    return sorted(plain, key=lambda row: row.order[column], reverse=descending)
