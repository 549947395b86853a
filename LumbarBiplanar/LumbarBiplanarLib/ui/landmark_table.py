"""The table of landmarks: up to 200 rows whose cells are changed in place, sorted by a click on a column's head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from ..study.appearance import LEVEL_COLORS
from .landmark_rows import COLUMNS, Key, Row, column_tips, sorted_rows

_ROW_HEIGHT, _NARROWEST, _ARROW_WIDTH = 22, 24, 18
_DOUBT_COLOR = (205, 80, 0)
_LANDMARK_COLUMN = COLUMNS.index("landmark")
_STATE_COLUMN = COLUMNS.index("state")


class LandmarkTable:
    """Shows rows in a QTableWidget and tells which one the user has chosen.

    Sorting is done here, not by Qt: Qt would move rows while their cells are being written.
    """

    def __init__(self, table: Any, chosen: Callable[[Key], None]) -> None:
        """Prepare; ``chosen(key)`` is called when the user, not the program, chooses a row."""
        self._table, self._chosen = table, chosen
        self._rows: list[Row] = []
        self._cells: list[Row | None] = []
        self._column, self._descending = 0, False
        self._selecting = False
        self._shortcuts: list[tuple[Any, Callable[[], None]]] = []

    def connect(self, keys: dict[str, Callable[[], None]]) -> None:
        """Connect the table's signals.

        Args:
            keys: what a key does while the table has the keyboard, such as {"Delete": ...}.
        """
        table = self._table
        header = table.horizontalHeader()
        header.setSectionsClickable(True)
        header.setHighlightSections(False)  # bold heads would need wider columns
        header.setMinimumSectionSize(_NARROWEST)
        header.setSortIndicatorShown(True)
        header.setSortIndicator(self._column, qt.Qt.AscendingOrder)
        header.setSectionResizeMode(_LANDMARK_COLUMN, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        table.setWordWrap(False)
        for column, tip in enumerate(column_tips()):
            table.horizontalHeaderItem(column).setToolTip(tip)
        self._fit_columns()
        table.setTabKeyNavigation(False)
        header.connect("sectionClicked(int)", self._on_head)
        table.connect("currentCellChanged(int,int,int,int)", self._on_current)
        table.connect("cellClicked(int,int)", self._on_clicked)
        for key, action in keys.items():
            shortcut = qt.QShortcut(table)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.setContext(qt.Qt.WidgetShortcut)
            shortcut.connect("activated()", action)
            # The main window may have the same key; the table with the keyboard takes it.
            shortcut.connect("activatedAmbiguously()", action)
            self._shortcuts.append((shortcut, action))

    def cleanup(self) -> None:
        """Disconnect the table's signals."""
        self._table.horizontalHeader().disconnect("sectionClicked(int)", self._on_head)
        self._table.disconnect("currentCellChanged(int,int,int,int)", self._on_current)
        self._table.disconnect("cellClicked(int,int)", self._on_clicked)
        for shortcut, action in self._shortcuts:
            shortcut.disconnect("activated()", action)
            shortcut.disconnect("activatedAmbiguously()", action)
            shortcut.deleteLater()
        self._shortcuts = []

    def show(self, rows: Sequence[Row], selected: Key | None) -> None:
        """Show rows, and which of them is selected; only what differs from before is written."""
        self._rows = sorted_rows(rows, self._column, self._descending)
        self._selecting = True
        try:
            self._resize(len(self._rows))
            for number, row in enumerate(self._rows):
                self._write(number, row)
            self._mark(selected)
        finally:
            self._selecting = False

    def select(self, key: Key | None) -> None:
        """Select the row of a landmark and scroll to it; without telling that the user chose it."""
        self._selecting = True
        try:
            self._mark(key)
        finally:
            self._selecting = False

    @property
    def keys(self) -> list[Key]:
        """The landmarks that are shown, from top to bottom."""
        return [row.key for row in self._rows]

    def _mark(self, key: Key | None) -> None:
        number = self.keys.index(key) if key in self.keys else -1
        table = self._table
        if number == table.currentRow() and (number >= 0) == bool(table.selectedItems()):
            return
        if number < 0:
            table.clearSelection()
            table.setCurrentCell(-1, -1)
            return
        table.setCurrentCell(number, _LANDMARK_COLUMN)
        table.scrollToItem(table.item(number, _LANDMARK_COLUMN))

    def _resize(self, count: int) -> None:
        table = self._table
        first_time = not self._cells and count > 0
        if count != len(self._cells):
            table.setRowCount(count)
        for number in range(len(self._cells), count):
            for column in range(len(COLUMNS)):
                table.setItem(number, column, qt.QTableWidgetItem())
        self._cells = [*self._cells[:count], *[None] * (count - len(self._cells))]
        if first_time:
            self._fit_columns()

    def _fit_columns(self) -> None:
        for number, row in enumerate(self._rows):
            self._write(number, row)
        # Only the sorted column has an arrow in its head, mostly the first: not every column needs the room for one.
        header = self._table.horizontalHeader()
        header.setSortIndicatorShown(False)
        for column in range(len(COLUMNS)):
            if column != _LANDMARK_COLUMN:
                self._table.resizeColumnToContents(column)
        header.setSortIndicatorShown(True)
        table = self._table
        table.setColumnWidth(0, table.columnWidth(0) + _ARROW_WIDTH)
        # Residuals come later; they are as wide as confidences.
        table.setColumnWidth(COLUMNS.index("residual"), table.columnWidth(COLUMNS.index("confidence")))

    def _write(self, number: int, row: Row) -> None:
        before = self._cells[number]
        if before == row:
            return
        self._cells[number] = row
        for column, text in enumerate(row.texts):
            item = self._table.item(number, column)
            if before is None or before.texts[column] != text:
                item.setText(text)
            if before is None or before.tip != row.tip:
                item.setToolTip(row.tip)
        if before is None or before.level is not row.level:
            color = _color(*(round(255 * part) for part in LEVEL_COLORS[row.level]))
            self._table.item(number, 0).setBackground(qt.QBrush(color))
            self._table.item(number, 0).setForeground(qt.QBrush(_color(0, 0, 0)))
        if before is None or bool(before.doubts) != bool(row.doubts):
            brush = qt.QBrush(_color(*_DOUBT_COLOR)) if row.doubts else qt.QBrush()
            self._table.item(number, _STATE_COLUMN).setForeground(brush)

    def _on_head(self, column: int, *_: Any) -> None:
        self._descending = not self._descending if column == self._column else False
        self._column = column
        order = qt.Qt.DescendingOrder if self._descending else qt.Qt.AscendingOrder
        self._table.horizontalHeader().setSortIndicator(column, order)
        number = self._table.currentRow()
        self.show(self._rows, self._rows[number].key if 0 <= number < len(self._rows) else None)

    def _on_current(self, number: int, *_: Any) -> None:
        if not self._selecting and 0 <= number < len(self._rows):
            self._chosen(self._rows[number].key)

    def _on_clicked(self, number: int, *_: Any) -> None:
        if 0 <= number < len(self._rows):
            self._chosen(self._rows[number].key)


def _color(red: int, green: int, blue: int) -> Any:
    return qt.QColor(red, green, blue)
