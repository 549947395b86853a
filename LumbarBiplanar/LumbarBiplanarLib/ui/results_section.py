"""The section Measure and export: the table, where a measurement was taken, and everything that can be written."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from ..mrml import measurement_markups
from ..study.quality_text import quality_line, quality_sentences
from ..study.report_tables import NOT_ASSESSED
from ..study.results import FILES, SURFACE_FILES
from .export_dialogs import ask_file, ask_folder
from .measurement_rows import Row, clipboard_text, rows_of

if TYPE_CHECKING:
    from ..measurement import Measurement
    from ..study import CaseResult
    from .services import PanelServices

_NUMBER_COLUMN = 2
_VIEW_TAG = "1"


class ResultsSection:
    """Shows the measurements of the case's result and writes them, and the result, to files.

    Args:
        services: what the panel offers.
    """

    def __init__(self, services: PanelServices) -> None:
        self._services = services
        self._result: CaseResult | None = None
        self._rows: list[Row] = []
        self._chosen: tuple[str, str] | None = None
        self._marked: tuple[Any, ...] | None = None
        self._filling = self._writing = False
        ui = services.ui
        self._buttons: tuple[tuple[Any, Callable[..., None]], ...] = (
            (ui.copyButton, self._on_copy),
            (ui.exportCsvButton, self._on_csv),
            (ui.exportReportButton, self._on_report),
            (ui.exportSurfacesButton, self._on_surfaces),
            (ui.exportCaseButton, self._on_case),
            (ui.saveSceneButton, self._on_scene),
        )
        self._tips = {id(button): _plain(button.toolTip) for button, _slot in self._buttons}

    # -- life ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect the signals of its widgets."""
        table = self._services.ui.measurementTable
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)  # long titles take two lines
        table.horizontalHeader().setHighlightSections(False)  # bold heads would need wider columns
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.connect("itemSelectionChanged()", self._on_selection)
        for button, slot in self._buttons:
            button.connect("clicked()", slot)

    def cleanup(self) -> None:
        """Disconnect and let go of everything; the form is about to be deleted."""
        self._services.ui.measurementTable.disconnect("itemSelectionChanged()", self._on_selection)
        for button, slot in self._buttons:
            button.disconnect("clicked()", slot)
        measurement_markups.clear(slicer.mrmlScene)
        self._forget()

    def scene_closing(self) -> None:
        """Let go of nodes; the scene is about to lose them."""
        self._forget()
        self._services.ui.measurementTable.setRowCount(0)
        self._services.ui.warningsLabel.text = ""

    def _forget(self) -> None:
        self._result, self._chosen, self._marked, self._rows = None, None, None, []

    # -- what is shown ---------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Set texts, enabled states and tooltips from the case."""
        services, busy = self._services, self._services.runner.running
        result = None if services.parameters is None else services.logic.result()
        if result is not self._result:
            self._result = result
            self._fill()
        if not busy:
            services.ui.warningsLabel.text = self._warnings()
        reason = ""
        if result is None:
            reason = _("There is no result yet. Press Run all steps, or Reconstruct.")
        elif busy:
            reason = _("Wait until the step that is running has ended, or cancel it.")
        for button, _slot in self._buttons:
            button.enabled = not reason
            button.toolTip = reason or self._tips[id(button)]
        for box in (services.ui.showMeasurementMarkupsCheckBox, services.ui.showFilmsIn3DCheckBox):
            box.enabled = services.parameters is not None
        self._mark(center=False)

    def _fill(self) -> None:
        """Write into the table what differs from before, and choose the same measurement again, if it is there."""
        before, self._rows = self._rows, [] if self._result is None else self._measured()
        table = self._services.ui.measurementTable
        self._filling = True
        try:
            if [row.key or row.cells for row in before] != [row.key or row.cells for row in self._rows]:
                table.clearSpans()
                table.setRowCount(len(self._rows))
                before = []
            for number, row in enumerate(self._rows):
                if not before or (before[number].cells, before[number].tooltip) != (row.cells, row.tooltip):
                    _write_row(table, number, row)
            for column in range(1, table.columnCount):
                table.resizeColumnToContents(column)
            self._choose_again(table)
        finally:
            self._filling = False

    def _measured(self) -> list[Row]:
        return rows_of(self._result.measurements, self._result.quality)

    def _choose_again(self, table: Any) -> None:
        numbers = [number for number, row in enumerate(self._rows) if row.key and row.key == self._chosen]
        if numbers and table.currentRow() == numbers[0]:
            return
        table.clearSelection()
        if numbers:
            table.selectRow(numbers[0])
        elif self._result is not None:
            self._chosen = None

    def _warnings(self) -> str:
        if self._services.parameters is None:
            return ""
        logic = self._services.logic
        if self._result is None:
            return logic.resultProblem()
        lines = [*quality_sentences(self._result.quality), *self._result.warnings, NOT_ASSESSED]
        if self._result.quality:
            lines.insert(0, _("Quality: {flags}.").format(flags=quality_line(self._result.quality)))
        if logic.settingsChanged():
            lines.insert(0, _("Settings differ from those that this result was made with. Press Reconstruct."))
        if not logic.isResultCurrent():
            lines.insert(0, _("Landmarks were changed after this result was made. Press Reconstruct."))
        return "\n".join(f"• {line}" for line in lines)

    def _measurement(self) -> Measurement | None:
        return next((row.item for row in self._rows if row.key and row.key == self._chosen), None)

    def _mark(self, *, center: bool) -> None:
        """Show where the chosen measurement was taken, if that is wanted; costs nothing while nothing changes."""
        parameters, item = self._services.parameters, self._measurement()
        if parameters is None:
            return
        wanted = item if parameters.showMeasurementMarkups else None
        scene = slicer.mrmlScene
        state = (wanted, scene)
        if wanted is None:
            if self._marked is not None:
                measurement_markups.clear(scene)
            self._marked = None
            return
        if self._marked != state:
            measurement_markups.show_measurement(scene, wanted)
            self._marked = state
        view = scene.GetSingletonNode(_VIEW_TAG, "vtkMRMLViewNode")
        middle = measurement_markups.center_of(wanted.geometry)
        if center and view is not None and middle is not None:
            measurement_markups.center_view(scene, view, middle)

    def _on_selection(self, *_args: Any) -> None:
        if self._filling:
            return
        number = self._services.ui.measurementTable.currentRow()
        row = self._rows[number] if 0 <= number < len(self._rows) else None
        self._chosen = None if row is None else row.key
        self._mark(center=True)

    # -- what is written -------------------------------------------------------------------------------------------

    def _on_copy(self, *_args: Any) -> None:
        if self._result is not None:
            slicer.app.clipboard().setText(clipboard_text(self._result.measurements, self._result.quality))
            self._services.status(_("Copied {count} measurements.").format(count=len(self._result.measurements)))

    def _on_csv(self, *_args: Any) -> None:
        self._write_file(_("Measurements"), "measurements.csv", [(_("Table"), ".csv")], self._services.logic.exportCsv)

    def _on_report(self, *_args: Any) -> None:
        kinds = [(_("Report"), ".html"), (_("Report"), ".htm")]
        self._write_file(_("Report"), "report.html", kinds, self._services.logic.exportReport)

    def _on_scene(self, *_args: Any) -> None:
        kinds = [(_("Scene with its data"), ".mrb")]
        self._write_file(_("Save the scene"), "lumbar case.mrb", kinds, self._services.logic.saveScene)

    def _on_surfaces(self, *_args: Any) -> None:
        self._write_folder(_("Folder for the surfaces"), SURFACE_FILES, self._services.logic.exportSurfaces)

    def _on_case(self, *_args: Any) -> None:
        self._write_folder(_("Folder for the case"), FILES, self._services.logic.exportCase)

    def _write_file(self, title: str, name: str, kinds: list[tuple[str, str]], write: Callable[[Path], None]) -> None:
        if self._writing:
            return
        path = ask_file(self._services.ui.measurementTable.window(), title, name, kinds)
        if path is not None:
            self._write(title, path, lambda: write(path))

    def _write_folder(self, title: str, owned: tuple[str, ...], write: Callable[..., None]) -> None:
        if self._writing:
            return
        chosen = ask_folder(self._services.ui.measurementTable.window(), title, owned)
        if chosen is not None:
            folder, force = chosen
            self._write(title, folder, lambda: write(folder, force=force))

    def _write(self, title: str, path: Path, write: Callable[[], None]) -> None:
        services = self._services
        if not self._is_there():
            return  # the scene was closed while the dialog was open
        services.status(_("Writing {path} …").format(path=path))
        services.ui.statusLabel.repaint()
        self._writing = True
        try:
            with slicer.util.WaitCursor():  # works off events: another click, or the end of the scene
                there = self._is_there()
                if there:
                    write()
        except Exception as problem:
            services.error(title, problem)
            return
        finally:
            self._writing = False
        if not there:
            services.status(_("Nothing was written: the scene was closed."))
            return
        said = _("Written: {path}").format(path=path)
        services.status(said)
        services.log(said)

    def _is_there(self) -> bool:
        return self._services.parameters is not None and self._services.logic.result() is not None


def _write_row(table: Any, number: int, row: Row) -> None:
    for column in range(table.columnCount):
        cell = qt.QTableWidgetItem(row.cells[column] if column < len(row.cells) else "")
        if row.item is None:
            font = cell.font()
            font.setBold(True)
            cell.setFont(font)
            cell.setFlags(qt.Qt.ItemIsEnabled)  # a heading cannot be chosen
        else:
            cell.setToolTip(row.tooltip)
        if column == _NUMBER_COLUMN:
            cell.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        table.setItem(number, column, cell)
    if row.item is None:
        table.setSpan(number, 0, 1, table.columnCount)


def _plain(tooltip: str) -> str:
    """Return a tooltip as it was set; it reads back as a paragraph of HTML."""
    text = str(tooltip)
    return html.unescape(text[3:-4]) if text.startswith("<p>") and text.endswith("</p>") else text
