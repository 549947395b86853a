"""Loading and saving the landmarks of both films from the panel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import LumbarBiplanarError
from ..mrml.film_nodes import VIEW_NAMES
from .remembered_folder import ask_open_file, remember_folder, remembered_folder

if TYPE_CHECKING:
    from ..mrml.landmark_scene import LandmarkScene
    from .services import PanelServices

_FILE_FILTER = "landmarks.json (*.json)"


class LandmarkFiles:
    """The two buttons below the table of landmarks.

    Args:
        services: what the panel offers.
        scene: the landmarks at work.
    """

    def __init__(self, services: PanelServices, scene: LandmarkScene) -> None:
        self._services, self._scene = services, scene

    def load(self, *_args: Any) -> None:
        """Ask for a landmarks.json and read it."""
        title = _("Load landmarks")
        path = ask_open_file("Landmarks", title, _FILE_FILTER)
        if not path:
            return
        self._scene.cancel_placing()
        try:
            with self._scene.history.one_step():
                warnings = self._services.logic.loadLandmarks(path)
        except (LumbarBiplanarError, OSError) as error:
            self._services.error(title, error)
            return
        self._services.status(_("Landmarks loaded from {file}.").format(file=Path(path).name))
        for warning in warnings:
            self._services.log(warning)
        self._services.changed()

    def save(self, *_args: Any) -> None:
        """Ask for a file and write the landmarks of both films."""
        title = _("Save landmarks")
        suggested = str(Path(remembered_folder("Landmarks")) / "landmarks.json")
        path = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, suggested, _FILE_FILTER)
        if not path:
            return
        remember_folder("Landmarks", Path(path).parent)
        # Without an ending the dialog asked about another file than would be written: never overwrite that one.
        path, given = (Path(path), True) if Path(path).suffix else (Path(f"{path}.json"), False)
        try:
            if not given and path.exists():
                raise FileExistsError(_("{file} exists already; choose it in the dialog.").format(file=path))
            self._services.logic.saveLandmarks(path)
        except (LumbarBiplanarError, OSError) as error:
            self._services.error(title, error)
            return
        self._services.status(_("Landmarks written to {file}.").format(file=path.name))

    def refresh(self) -> None:
        """Enable the buttons that can do something."""
        services, ui = self._services, self._services.ui
        films = services.parameters is not None and all(services.logic.filmNode(name) for name in VIEW_NAMES)
        both = len(self._scene.view_names) == len(VIEW_NAMES)
        enable(
            ui.loadLandmarksButton,
            "" if films else _("Load both films first."),
            _("Read landmarks of both films from a landmarks.json."),
        )
        enable(
            ui.saveLandmarksButton,
            "" if both else _("There are no landmarks of both films yet."),
            _("Write the landmarks of both films to a landmarks.json."),
        )


def enable(button: Any, why_not: str, tip: str) -> None:
    """Enable a button with its tool tip, or disable it with the reason."""
    button.enabled = not why_not
    button.toolTip = why_not or tip
