"""The section Correct: the table of landmarks, and what is done to the chosen one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..anatomy import LUMBAR_LEVELS
from ..errors import LumbarBiplanarError
from ..mrml.film_nodes import VIEW_NAMES
from ..mrml.landmark_scene import LandmarkScene, Point
from ..mrml.landmarks import key_of, label_of, point_ras_mm, reset_landmarks, set_landmark, unset_landmark, view_of_list
from .landmark_files import LandmarkFiles, enable
from .landmark_rows import Row, RowFilter, rows_of
from .landmark_table import LandmarkTable

if TYPE_CHECKING:
    from .services import PanelServices


class CorrectSection:
    """Lists the landmarks of both films and lets the user move, set, unset, reset and take back.

    Args:
        services: what the panel offers.
    """

    def __init__(self, services: PanelServices) -> None:
        self._services = services
        self._scene = LandmarkScene(pressed=self._on_pressed, changed=self._on_changed, placed=self._on_placed)
        self._table = LandmarkTable(services.ui.landmarkTable, self._on_chosen)
        self._files = LandmarkFiles(services, self._scene)
        self._rows: list[Row] = []
        self._connections: list[tuple[Any, str, Callable]] = []

    # -- life ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect the signals of its widgets."""
        ui = self._services.ui
        keys = {"Delete": self._on_unset, "Ctrl+Z": self._on_undo}
        self._table.connect({**keys, "Return": self._on_confirm, "Enter": self._on_confirm})
        self._connections = [
            (ui.setLandmarkButton, "clicked()", self._on_set),
            (ui.unsetLandmarkButton, "clicked()", self._on_unset),
            (ui.undoLandmarkButton, "clicked()", self._on_undo),
            (ui.resetLandmarkButton, "clicked()", self._on_reset),
            (ui.resetAllLandmarksButton, "clicked()", self._on_reset_all),
            (ui.loadLandmarksButton, "clicked()", self._files.load),
            (ui.saveLandmarksButton, "clicked()", self._files.save),
            (ui.landmarkFilmComboBox, "currentIndexChanged(int)", self._on_filter),
            (ui.landmarkLevelComboBox, "currentIndexChanged(int)", self._on_filter),
            (ui.landmarkShowComboBox, "currentIndexChanged(int)", self._on_filter),
        ]
        for widget, signal, slot in self._connections:
            widget.connect(signal, slot)

    def cleanup(self) -> None:
        """Disconnect and let go of everything; the form is about to be deleted."""
        self._scene.close()
        self._table.cleanup()
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections = []

    def scene_closing(self) -> None:
        """Let go of nodes and observers; the scene is about to lose them."""
        self._scene.close()
        self._rows = []
        self._show_rows()

    def refresh(self) -> None:
        """Show the landmarks of the case as they stand."""
        if self._scene.busy:
            return  # the end of the drag brings the next refresh
        parameters, logic = self._services.parameters, self._services.logic
        pairs = {}
        if parameters is not None:
            pairs = {name: (logic.filmNode(name), logic.landmarkNode(name)) for name in VIEW_NAMES}
        self._scene.follow(pairs)
        if parameters is not None:
            self._scene.set_look(
                locked=parameters.lockLandmarks,
                names=parameters.showLandmarkLabels,
                line=parameters.showEpipolarLine,
            )
        self._rows = self._all_rows()
        self._show_rows()
        self._scene.draw({row.key for row in self._rows if row.doubts}, self._scene.chosen)
        self._refresh_buttons()

    def _all_rows(self) -> list[Row]:
        residuals, used = self._reconstruction()
        rows: list[Row] = []
        for name in self._scene.view_names:
            view = view_of_list(self._scene.node(name))
            rows += rows_of(view, self._scene.records(name), residuals.get(name, {}), used.get(name))
        return rows

    def _reconstruction(self) -> tuple[dict, dict]:
        """Return residuals and landmarks of the present reconstruction by view name, or nothing."""
        try:
            result = None if self._services.parameters is None else self._services.logic.result()
        except LumbarBiplanarError:
            return {}, {}  # the section Results says what is wrong with it
        if result is None:
            return {}, {}
        state = result.reconstruction.final_state
        return dict(state.landmark_residuals), {item.view.name: item.landmarks for item in state.evidence}

    # -- the table -------------------------------------------------------------------------------------------------

    def _show_rows(self) -> None:
        wanted = self._filter()
        self._table.show([row for row in self._rows if wanted.takes(row)], self._scene.chosen)

    def _filter(self) -> RowFilter:
        ui = self._services.ui
        film, level = ui.landmarkFilmComboBox.currentIndex, ui.landmarkLevelComboBox.currentIndex
        return RowFilter(
            VIEW_NAMES[film - 1] if film > 0 else None,
            LUMBAR_LEVELS[level - 1] if level > 0 else None,
            shown_only=ui.landmarkShowComboBox.currentIndex >= 1,
            doubtful_only=ui.landmarkShowComboBox.currentIndex == 2,
        )

    def _on_filter(self, *_args: Any) -> None:
        self._show_rows()

    def _on_chosen(self, key: Point) -> None:
        """A row was chosen in the table: go there, in its own film only."""
        self._choose(key)
        if key[0] not in self._scene.view_names or self._services.layout is None:
            return
        where = point_ras_mm(self._scene.node(key[0]), key[1])
        if where is not None:
            self._services.layout.jump_to(key[0], where)

    def _on_pressed(self, key: Point) -> None:
        """A landmark was taken hold of in a view: show its row, whatever the table lists."""
        row = next((row for row in self._rows if row.key == key), None)
        if row is not None and not self._filter().takes(row):
            self._list_everything()
        self._choose(key)
        self._table.select(key)

    def _list_everything(self) -> None:
        ui = self._services.ui
        for combo in (ui.landmarkFilmComboBox, ui.landmarkLevelComboBox, ui.landmarkShowComboBox):
            combo.setCurrentIndex(0)

    def _choose(self, key: Point) -> None:
        if self._scene.placing not in (None, key):
            self._scene.cancel_placing()
        self._scene.draw({row.key for row in self._rows if row.doubts}, key)
        self._refresh_buttons()

    # -- changes ---------------------------------------------------------------------------------------------------

    def _on_changed(self, view_name: str, indices: Sequence[int], corrected: bool) -> None:
        """Landmarks have changed, by whomever: tell the panel, once."""
        self._services.changed()
        if corrected and indices:
            self._services.landmark_moved(view_name, *key_of(indices[0]))

    def _on_set(self, *_args: Any) -> None:
        if self._scene.placing is not None:
            self._scene.cancel_placing()
            return
        chosen = self._scene.chosen
        if chosen is None or self._locked():
            return
        self._scene.place(chosen)
        self._services.status(
            _("Click on {landmark} in the {view} film, or press Stop setting.").format(
                landmark=label_of(chosen[1]), view=chosen[0]
            )
        )
        self._refresh_buttons()

    def _on_placed(self, point: Point, placed: bool) -> None:
        text = _("{landmark} is set.") if placed else _("{landmark} is as it was before.")
        self._services.status(text.format(landmark=label_of(point[1])))
        self._services.changed()

    def _on_unset(self, *_args: Any) -> None:
        chosen = self._scene.chosen
        if chosen is not None and not self._locked() and self._scene.record(chosen).shown:
            unset_landmark(self._scene.node(chosen[0]), *key_of(chosen[1]))

    def _on_confirm(self, *_args: Any) -> None:
        """The chosen landmark is right where it is: take it as certain, and go on to the next row."""
        chosen = self._scene.chosen
        if chosen is None or self._locked() or not self._scene.record(chosen).shown:
            return
        number = self._table.keys.index(chosen) if chosen in self._table.keys else 0
        node = self._scene.node(chosen[0])
        set_landmark(node, *key_of(chosen[1]), self._scene.record(chosen).observation.position_px)
        self.refresh()
        keys = self._table.keys
        number += chosen in keys
        if number < len(keys):
            self._on_chosen(keys[number])
            self._table.select(keys[number])

    def _on_undo(self, *_args: Any) -> None:
        title = self._scene.history.title
        if title is None or self._locked():
            return
        self._scene.cancel_placing()
        self._scene.history.undo()
        self._services.status(_("Taken back: {change}.").format(change=title))
        self._refresh_buttons()

    def _on_reset(self, *_args: Any) -> None:
        chosen = self._scene.chosen
        if chosen is not None and not self._locked():
            reset_landmarks(self._scene.node(chosen[0]), [key_of(chosen[1])])

    def _on_reset_all(self, *_args: Any) -> None:
        if self._locked():
            return
        self._scene.cancel_placing()
        with self._scene.history.one_step():
            for name in self._scene.view_names:
                reset_landmarks(self._scene.node(name))
        self._refresh_buttons()

    def _locked(self) -> bool:
        parameters = self._services.parameters
        return parameters is None or parameters.lockLandmarks

    # -- buttons ---------------------------------------------------------------------------------------------------

    def _refresh_buttons(self) -> None:
        ui, scene = self._services.ui, self._scene
        record = None if scene.chosen is None else scene.record(scene.chosen)
        nothing = self._why_nothing()
        no_choice = nothing or ("" if record is not None else _("Choose a landmark in the table or in a film first."))
        ui.setLandmarkButton.text = _("Set") if scene.placing is None else _("Stop setting")
        enable(ui.setLandmarkButton, no_choice, _("Place the chosen landmark with the next click into its film."))
        hidden = record is not None and not record.shown and scene.placing is None
        enable(
            ui.unsetLandmarkButton,
            no_choice or (_("The film does not show it already.") if hidden else ""),
            _("The film does not show the chosen landmark: it carries no weight (Delete)."),
        )
        as_detected = record is not None and record.observation == record.detected
        enable(
            ui.resetLandmarkButton,
            no_choice or (_("It is as it was detected.") if as_detected else ""),
            _("Put the chosen landmark back to where it was detected."),
        )
        title = scene.history.title
        enable(
            ui.undoLandmarkButton,
            nothing or ("" if title else _("There is no change to take back.")),
            _("Take back the last change: {change} (Ctrl+Z).").format(change=title),
        )
        changed = any(item.observation != item.detected for name in scene.view_names for item in scene.records(name))
        enable(
            ui.resetAllLandmarksButton,
            nothing or ("" if changed else _("All landmarks are as they were detected.")),
            _("Put all landmarks back to where they were detected."),
        )
        self._files.refresh()

    def _why_nothing(self) -> str:
        """Return why landmarks cannot be changed, or an empty text."""
        if not self._scene.view_names:
            return _("There are no landmarks yet. Detect them, or load some.")
        return _("The landmarks are locked.") if self._locked() else ""
