"""The headless Slicer as tests use it: one object that drives the application."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from . import mouse

VIEW_NAMES = {"AP": "LumbarAP", "lateral": "LumbarLateral", "3D": "1"}


class TimeoutReachedError(AssertionError):
    """What a test waited for did not happen."""


class HeadlessSlicer:
    """A running application without a window: scene, views, events.

    There is one in a process, because Slicer's displayable-manager factories and Qt's application are singletons;
    ``headless_slicer.start`` makes it or returns the one there is.
    """

    def __init__(self, qt_application):
        from .mrml_application import MrmlApplication
        from .view_board import ViewBoard

        self.qt = qt_application
        self._folder = tempfile.TemporaryDirectory(prefix="headless-slicer-")
        self.mrml = MrmlApplication(self._folder.name)
        self.board = ViewBoard(self.mrml)

    @property
    def temporary_folder(self) -> Path:
        """A folder that goes when the process ends."""
        return Path(self._folder.name)

    @property
    def scene(self):
        """The application's vtkMRMLScene, which is also ``slicer.mrmlScene``."""
        return self.mrml.scene

    @property
    def application_logic(self):
        """The vtkSlicerApplicationLogic."""
        return self.mrml.logic

    def logic(self, module_name: str):
        """Return the logic of one of Slicer's own modules, such as "Markups" or "Volumes"."""
        return self.mrml.module_logics[module_name]

    def view(self, name: str):
        """Return a view by its layout name or as "AP", "lateral", "3D".

        The film views are added to the application if the module has not done so.
        """
        layout_name = VIEW_NAMES.get(name, name)
        if self.board.find(layout_name) is None and layout_name in VIEW_NAMES.values():
            self.board.show_film_views()
        view = self.board.find(layout_name)
        if view is None:
            there = sorted(view.node.GetLayoutName() for view in self.board.views.values())
            raise LookupError(f"there is no view {name!r}; there are {', '.join(there)}")
        return view

    def process_events(self, until=None, timeout_s: float = 30.0) -> None:
        """Let Qt work off what is due; with ``until``, go on until that callable is true.

        Raises:
            TimeoutReachedError: if ``until`` has not become true within ``timeout_s``.
        """
        end = time.monotonic() + timeout_s
        self.qt.processEvents()
        while until is not None and not until():
            if time.monotonic() > end:
                raise TimeoutReachedError(f"waited {timeout_s:g} s in vain for {getattr(until, '__name__', until)}")
            self.qt.processEvents()
            time.sleep(0.0005)

    def render_views(self) -> None:
        """Draw every view of the present layout once."""
        for view in self.board.shown():
            view.render()

    def clear(self) -> None:
        """Close the scene, as File - Close scene does."""
        self.scene.Clear(0)
        self.process_events()

    def drag(self, view_name: str, from_ras, to_ras, steps: int = 5, between=None) -> None:
        """Drag with the left button from one point in RAS mm to another, in the named view.

        ``between()`` is called after each move; without it, Qt's events are worked off there.
        """
        view = self.view(view_name)
        view.render()
        mouse.drag(view, view.pixel_of(from_ras), view.pixel_of(to_ras), steps, between or self.qt.processEvents)
        self.process_events()
