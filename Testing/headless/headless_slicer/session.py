"""The headless Slicer as tests use it: one object that drives the application."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path

from . import mouse, pictures
from .dialect.errors import python_errors
from .dialogs import answers

VIEW_NAMES = {"AP": "LumbarAP", "lateral": "LumbarLateral", "3D": "1"}
MODULE_FILE = Path(__file__).resolve().parents[3] / "LumbarBiplanar" / "LumbarBiplanar.py"


class TimeoutReachedError(AssertionError):
    """What a test waited for did not happen."""


class HeadlessSlicer:
    """A running application without a window: scene, views, events, the module's panel.

    There is one in a process, because Slicer's displayable-manager factories and Qt's application are singletons;
    ``headless_slicer.start`` makes it or returns the one there is.

    Attributes:
        answers: what the user answers in dialogs, to be said beforehand.
        python_errors: exceptions in slots and observers, which Slicer would only print.
        torch: the PyTorch extension, which can be there or not.
        sample_data: what was registered with Sample Data.
    """

    def __init__(self, qt_application):
        from . import extensions, slicer_namespace
        from .io_manager import qSlicerCoreIOManager
        from .mrml_application import MrmlApplication
        from .view_board import ViewBoard
        from .widgets.layout_manager import qSlicerLayoutManager
        from .widgets.main_window import qSlicerMainWindow
        from .widgets.module_widgets import qSlicerModuleManager

        self.qt = qt_application
        self._folder = tempfile.TemporaryDirectory(prefix="headless-slicer-")
        slicer_namespace.keep_settings_apart(self.temporary_folder)
        slicer_namespace.install_classes()
        self.mrml = MrmlApplication(self._folder.name)
        import slicer

        slicer.mrmlScene = self.scene
        self.board = ViewBoard(self.mrml)
        self.has_main_window, self.restarts = True, 0
        self.module_manager = qSlicerModuleManager()
        self.io_manager = qSlicerCoreIOManager(self.application_logic, self.scene, self.temporary_folder)
        self.main_window = qSlicerMainWindow(self.module_manager)
        self.layout_manager = qSlicerLayoutManager(self.board, self.main_window._viewport)
        slicer_namespace.install_application(self)
        self.answers, self.python_errors = answers, python_errors
        self.torch, self.sample_data = extensions.PyTorchExtension(), extensions.SampleData(self.temporary_folder)
        self.torch.remove()
        self.sample_data.install()
        python_errors.watch_observers()
        self._leave_module_while_scene_closes()

    def _leave_module_while_scene_closes(self) -> None:
        """Call the open module's exit() before and enter() after a scene close, as Slicer does."""
        from slicer import vtkMRMLScene

        def page():
            page = self.main_window._panel.widget()
            return page if hasattr(page, "exit") else None

        self.scene.AddObserver(vtkMRMLScene.StartCloseEvent, lambda *_: page() and page().exit(), 100.0)
        self.scene.AddObserver(vtkMRMLScene.EndCloseEvent, lambda *_: page() and page().enter(), -100.0)

    # -- the application ---------------------------------------------------------------------------------------------

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

    @property
    def messages(self) -> list:
        """The message boxes so far: ``kind``, ``title``, ``text``, ``details``."""
        return self.answers.messages

    @property
    def layoutManager(self):
        """The layout manager as Python code in Slicer sees it."""
        import slicer

        return slicer.app.layoutManager()

    def logic(self, module_name: str):
        """Return the logic of one of Slicer's own modules, such as "Markups" or "Volumes"."""
        return self.mrml.module_logics[module_name]

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

    @contextlib.contextmanager
    def without_main_window(self):
        """Within the context the application runs as with --no-main-window: no layout manager."""
        self.has_main_window = False
        try:
            yield
        finally:
            self.has_main_window = True

    @contextlib.contextmanager
    def testing_mode(self):
        """Within the context the application runs as with --testing: message boxes are only logged."""
        self.application._testing = True
        try:
            yield
        finally:
            self.application._testing = False

    def reset_user(self) -> None:
        """Forget the user's settings, answers, messages and errors; take the PyTorch extension away."""
        from PySide6.QtCore import QSettings

        QSettings().clear()
        self.answers.clear()
        self.python_errors.clear()
        self.torch.remove()
        self.dicom_database._clear()
        self.sample_data.sources.clear()
        self.restarts = 0

    # -- the scene ---------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Close the scene, as File - Close scene does."""
        self.scene.Clear(0)
        self.process_events()

    def save_scene(self, path) -> None:
        """Save the scene with its data as an MRB file.

        Raises:
            RuntimeError: if it could not be saved.
        """
        import slicer.util

        if not slicer.util.saveScene(str(path), {}):
            raise RuntimeError(f"{path}: the scene was not saved")

    def load_scene(self, path, clear: bool = True) -> None:
        """Open an MRB or MRML file in place of the present scene, or add it to the scene."""
        import slicer.util

        slicer.util.loadNodeFromFile(str(path), "SceneFile", {"clear": clear})
        self.process_events()

    # -- the views -----------------------------------------------------------------------------------------------------

    def view(self, name: str):
        """Return a view by its layout name or as "AP", "lateral", "3D".

        Without an open module, asking for one of the latter three arranges AP | lateral | 3D.
        """
        layout_name = VIEW_NAMES.get(name, name)
        view = self.board.find(layout_name)
        if name in VIEW_NAMES and not self._module_is_open() and view not in self.board.shown():
            self.board.show_film_views()
            view = self.board.find(layout_name)
        if view is None:
            there = sorted(view.node.GetLayoutName() for view in self.board.views.values())
            raise LookupError(f"there is no view {name!r}; there are {', '.join(there)}")
        return view

    def _module_is_open(self) -> bool:
        return hasattr(self.main_window._panel.widget(), "isEntered")

    def render_views(self) -> None:
        """Draw every view of the present layout once."""
        for view in self.board.shown():
            view.render()

    def drag(self, view_name: str, from_ras, to_ras, steps: int = 5, between=None) -> None:
        """Drag with the left button from one point in RAS mm to another, in the named view.

        ``between()`` is called after each move; without it, Qt's events are worked off there.
        """
        view = self.view(view_name)
        view.render()
        mouse.drag(view, view.pixel_of(from_ras), view.pixel_of(to_ras), steps, between or self.qt.processEvents)
        self.process_events()

    # -- the module ----------------------------------------------------------------------------------------------------

    def load_module(self, path: Path = MODULE_FILE):
        """Load a scripted module as Slicer does at start; return its qSlicerScriptedLoadableModule."""
        import slicer

        from .dialect.classes import wrapper_of
        from .widgets.module_widgets import qSlicerScriptedLoadableModule

        name = path.stem
        if name not in self.module_manager._modules:
            module = qSlicerScriptedLoadableModule(path)
            module.load()
            self.module_manager._modules[name] = module
            setattr(slicer.modules, name.lower(), wrapper_of(module))
            self.application.startupCompleted.emit()  # in Slicer it comes once all modules are loaded
        return self.module_manager._modules[name]

    def open_module(self, path: Path = MODULE_FILE):
        """Load a module and select it in the module selector; return its Python widget, set up and entered.

        Raises:
            Exception: what ``setup`` or ``enter`` raised, if anything.
        """
        known = len(self.python_errors)
        module = self.load_module(path)
        self.main_window.moduleSelector().selectModule(path.stem)
        self.process_events()
        if len(self.python_errors) > known:
            raise self.python_errors[known]
        return module.widgetRepresentation().self()

    def leave_module(self) -> None:
        """Select no module; the panel's ``exit`` is called."""
        self.main_window.moduleSelector().selectModule("")
        self.process_events()

    def unload_module(self, name: str = MODULE_FILE.stem) -> None:
        """Leave a module and take it out of the application; its ``cleanup`` is called."""
        import slicer

        module = self.module_manager._modules.pop(name, None)
        if module is None:
            return
        self.leave_module()
        self.module_manager.moduleAboutToBeUnloaded.emit(name)
        if module._widget is not None:
            module._widget.deleteLater()
        for attribute in (name.lower(), f"{name}Widget", f"{name}Instance"):
            vars(slicer.modules).pop(attribute, None)
        sys.modules.pop(name, None)
        self.process_events()

    def click(self, widget) -> None:
        """Click on a button as the user can: it has to be enabled and not hidden.

        Raises:
            AssertionError: if the user could not click it.
        """
        made = widget._living()
        assert made.isEnabled(), f"{made.objectName()} is disabled: {made.toolTip()}"
        hidden = made
        while hidden is not None and not hidden.isWindow():
            assert not hidden.isHidden(), f"{made.objectName()} is hidden by {hidden.objectName()}"
            hidden = hidden.parentWidget()
        made.click()
        self.process_events()

    def grab(self, path, size: tuple[int, int] = (1400, 900), show=None) -> None:
        """Write a PNG of the whole window: the module's panel beside the views, each with its bar.

        The panel is scrolled so that the widget ``show`` can be seen, if given.
        """
        pictures.grab_window(self.main_window, self.process_events, path, size, show)

    def grab_panel(self, path) -> None:
        """Write a PNG of the module's whole panel, at its full height."""
        pictures.grab_panel(self.main_window, self.process_events, path)
