"""The table of the geometry: every number with its origin, each one to be changed by typing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..errors import LumbarBiplanarError
from ..geometry import GeometrySettings
from ..geometry.settings import KEYS, PAIR_KEYS, READ_ONLY, TYPED

VIEW_NAMES = ("AP", "lateral")
_ROW_HEIGHT = 22
_QUANTITY, _AP, _LATERAL, _WHERE_FROM = range(4)
_TAG = re.compile(r"\([0-9A-F]{4},[0-9A-F]{4}\)")  # of a DICOM header, as the origin of a number has it


def title_of(key: str) -> str:
    """Return what the table calls a number of the geometry, with its unit."""
    return {
        "left_side": _("Left of the film is"),
        "source_side": _("Source is at the"),
        "model": _("Projection"),
        "focal_mm": _("Source–detector (mm)"),
        "isocenter_mm": _("Source–isocenter (mm)"),
        "spacing_x_mm": _("Pitch across (mm)"),
        "spacing_y_mm": _("Pitch along (mm)"),
        "principal_x_px": _("Principal column (px)"),
        "principal_y_px": _("Principal row (px)"),
        "size_px": _("Film size (px)"),
        "angle_deg": _("Beam angle (°)"),
        "calibrated": _("Calibrated"),
        "simultaneous": _("Simultaneous"),
    }[key]


def explanation_of(key: str) -> str:
    """Return what a number of the geometry means, for its tooltip."""
    return {
        "left_side": _(
            "Side of the patient on the left of the film. AP: right, seen from the front; left, seen from behind, as "
            "a PA film is seen from the source. Lateral: front, the patient faces left; back, the patient faces right. "
            "A change turns the film over if it is known where the source is; else source and detector move to the "
            "other side of the patient."
        ),
        "source_side": _(
            "Side of the patient at which the X-ray source is. AP: front; a PA film: back. Lateral: left or right; the "
            "detector is at the other side. Many films are stored turned over, as seen from the detector: a PA film "
            "with the patient's right on its left, a left lateral film (left side at the detector) on which the "
            "patient faces left. They are read so."
        ),
        "model": _("pinhole: cone beam (radiography room, C-arm). slot: slot scanner, which does not magnify heights."),
        "focal_mm": _("Distance from the X-ray source to the detector along the central ray."),
        "isocenter_mm": _("Distance from the X-ray source to the point where both central rays meet, in the patient."),
        "spacing_x_mm": _("Size of a pixel at the detector, along a row. A size calibrated in the patient is smaller."),
        "spacing_y_mm": _("Size of a pixel at the detector, along a column; for a slot scanner, the travel per row."),
        "principal_x_px": _("Column where the central ray meets the detector; 0 is the center of the first column."),
        "principal_y_px": _("Row where the central ray meets the detector; 0 is the center of the first row."),
        "size_px": _("Width and height of the film in pixels; they belong to the film and cannot be changed."),
        "angle_deg": _("Angle between the two central rays. A change turns the lateral film about the isocenter."),
        "calibrated": _(
            "yes: the distances were measured. no: they are assumed, and lengths are as uncertain as they."
        ),
        "simultaneous": _("yes: the patient cannot have moved between the films."),
    }[key]


class GeometryTable:
    """Shows a ``GeometrySettings`` in a QTableWidget and turns what is typed into new settings.

    Args:
        widget: QTableWidget with the columns quantity, AP, lateral, where from.
        changed: called with the new settings when a number was typed; may raise a LumbarBiplanarError.
        failed: called with the error when what was typed is impossible.

    After either, ``show`` must be called with what holds then.
    """

    def __init__(
        self, widget: Any, changed: Callable[[GeometrySettings], None], failed: Callable[[LumbarBiplanarError], None]
    ) -> None:
        self._widget, self._changed, self._failed = widget, changed, failed
        self._settings: GeometrySettings | None = None  # what the table shows; None to fill it anew
        self._editable = True

    def connect(self) -> None:
        """Connect the signals of the table, and set it up."""
        self._widget.verticalHeader().setVisible(False)
        self._widget.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self._widget.setWordWrap(False)
        header = self._widget.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(_WHERE_FROM, qt.QHeaderView.Stretch)
        self._widget.connect("cellChanged(int,int)", self._on_cell_changed)

    def cleanup(self) -> None:
        """Disconnect the signals of the table."""
        self._widget.disconnect("cellChanged(int,int)", self._on_cell_changed)

    def show(self, settings: GeometrySettings | None, editable: bool = True) -> None:
        """Show settings, or an empty table; cheap if they are shown already.

        Args:
            settings: what to show.
            editable: whether numbers can be typed.
        """
        shown = (settings, editable)
        if self._settings is not None and (self._settings, self._editable) == shown:
            return
        self._settings, self._editable = settings, editable
        blocked = self._widget.blockSignals(True)
        self._widget.setRowCount(len(KEYS) if settings is not None else 0)
        if settings is not None:
            for row, key in enumerate(KEYS):
                self._show_row(row, key)
        self._widget.blockSignals(blocked)

    def _show_row(self, row: int, key: str) -> None:
        settings, one_for_both = self._settings, key in PAIR_KEYS
        names = (None,) if one_for_both else VIEW_NAMES
        editable = self._editable and key not in READ_ONLY
        self._set(row, _QUANTITY, title_of(key), key, False)
        for column, name in zip((_AP, _LATERAL), names, strict=False):
            self._set(row, column, _shown(settings, key, name), key, editable, settings.is_assumed(key, name))
        if one_for_both:
            self._set(row, _LATERAL, "", key, False)
        self._set(row, _WHERE_FROM, _origin_in_short(settings, key), key, False)
        self._widget.item(row, _WHERE_FROM).setToolTip(_origin(settings, key))

    def _set(self, row: int, column: int, text: str, key: str, editable: bool, assumed: bool = False) -> None:
        item = qt.QTableWidgetItem(text)
        flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
        item.setFlags(flags | qt.Qt.ItemIsEditable if editable else flags)
        tip = explanation_of(key)
        if assumed:
            font = item.font()
            font.setItalic(True)
            item.setFont(font)
            tip = _("{meaning} This number is assumed; type the true one if you know it.").format(meaning=tip)
        item.setToolTip(tip)
        self._widget.setItem(row, column, item)

    def _on_cell_changed(self, row: int, column: int, *_args: Any) -> None:
        settings = self._settings
        if settings is None or column not in (_AP, _LATERAL):
            return
        key = KEYS[row]
        name = None if key in PAIR_KEYS else VIEW_NAMES[column - _AP]
        text = self._widget.item(row, column).text()
        if text == _shown(settings, key, name):
            return
        # Qt is still at work on the cell: the table is filled again when it is shown next, soon afterwards.
        self._settings = None
        try:
            self._changed(settings.edited(key, name, _typed(text)))
        except LumbarBiplanarError as error:
            self._failed(error)


def _shown(settings: GeometrySettings, key: str, name: str | None) -> str:
    value = settings.value(key, name)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return settings.text(key, name)


def _typed(text: str) -> str:
    """Return what was typed with yes and no in English."""
    return {_("yes"): "yes", _("no"): "no"}.get(text.strip().lower(), text)


def _origin(settings: GeometrySettings, key: str) -> str:
    if key in PAIR_KEYS:
        return settings.where_from(key)
    ap, lateral = (settings.where_from(key, name) for name in VIEW_NAMES)
    return ap if ap == lateral else _("AP: {ap}; lateral: {lateral}").format(ap=ap, lateral=lateral)


def _origin_in_short(settings: GeometrySettings, key: str) -> str:
    """Return where a number came from in a word, or one for each film, as fits the column of a narrow panel."""
    names = (None,) if key in PAIR_KEYS else VIEW_NAMES
    return "/".join(dict.fromkeys(_word(settings, key, name) for name in names))


def _word(settings: GeometrySettings, key: str, name: str | None) -> str:
    text = settings.where_from(key, name)
    if settings.is_assumed(key, name):
        return _("assumed")
    if text == TYPED:
        return _("typed")
    if settings.origin:
        return _("file")
    return _("tag") if _TAG.search(text) else text
