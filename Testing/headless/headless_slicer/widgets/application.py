"""``slicer.app``: Slicer's application object as Python code sees it."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

VERSION = (5, 12, 3)


class qSlicerCommandOptions(QtCore.QObject):
    """What was given on the command line."""

    def __init__(self):
        super().__init__()
        self._run_and_exit = False

    def _set(self, value):
        self._run_and_exit = value

    runPythonAndExit = Property(bool, lambda self: self._run_and_exit, _set)
    noMainWindow = Property(bool, lambda self: QtWidgets.QApplication.instance().property("noMainWindow") or False)


class qSlicerExtensionsManagerModel(QtCore.QObject):
    """The list of installed extensions."""

    def __init__(self):
        super().__init__()
        self._installed: list[str] = []
        self._offered: list[str] = []
        self.interactive = True

    installedExtensions = Property("QStringList", lambda self: self._installed)

    def isExtensionInstalled(self, name):
        return name in self._installed

    def installExtensionFromServer(self, name, restart=True, update=True):
        """Note what would be downloaded; nothing is."""
        self._offered.append(name)
        return False


class qSlicerApplication(QtCore.QObject):
    """The application; functions of QApplication that code calls on ``slicer.app`` are passed on."""

    sceneChanged = Signal(object)
    startupCompleted = Signal()
    aboutToQuit = Signal()
    CPP_SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)": "sceneChanged"}

    def __init__(self, session):
        super().__init__()
        self._session = session
        self._testing = False
        self._temporary = str(session.temporary_folder)
        self._options, self._extensions = qSlicerCommandOptions(), qSlicerExtensionsManagerModel()
        self._settings = QtCore.QSettings()

    applicationName = Property(str, lambda self: "Slicer")
    mainApplicationName = Property(str, lambda self: "Slicer")
    applicationVersion = Property(str, lambda self: "{}.{}.{}-headless".format(*VERSION))
    mainApplicationVersion = applicationVersion
    majorVersion = Property(int, lambda self: VERSION[0])
    minorVersion = Property(int, lambda self: VERSION[1])
    slicerHome = Property(str, lambda self: self._temporary)
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/5.12")
    temporaryPath = Property(str, lambda self: self._temporary, lambda self, v: setattr(self, "_temporary", v))
    os = Property(str, lambda self: "linux")

    def mrmlScene(self):
        return self._session.scene

    def applicationLogic(self):
        return self._session.application_logic

    def layoutManager(self):
        return self._session.layout_manager if self._session.has_main_window else None

    def moduleManager(self):
        return self._session.module_manager

    def coreIOManager(self):
        return self._session.io_manager

    def ioManager(self):
        return self._session.io_manager

    def commandOptions(self):
        return self._options

    def extensionsManagerModel(self):
        return self._extensions

    def moduleDocumentationUrl(self, name):
        return f"https://slicer.readthedocs.io/en/5.12/user_guide/modules/{name.lower()}.html"

    def testingEnabled(self):
        return self._testing

    def userSettings(self):
        return self._settings

    def settings(self):
        return self._settings

    @Slot()
    def pauseRender(self):
        for view in self._session.board.views.values():
            view.pause()

    @Slot()
    def resumeRender(self):
        for view in self._session.board.views.values():
            view.resume()

    def processEvents(self, *flags):
        QtWidgets.QApplication.processEvents()

    def setOverrideCursor(self, cursor):
        QtWidgets.QApplication.setOverrideCursor(QtGui.QCursor(cursor))

    def restoreOverrideCursor(self):
        QtWidgets.QApplication.restoreOverrideCursor()

    def clipboard(self):
        return QtWidgets.QApplication.clipboard()

    def topLevelWidgets(self):
        return [self._session.main_window] if self._session.has_main_window else []

    def keyboardModifiers(self):
        return QtWidgets.QApplication.keyboardModifiers()

    def tr(self, text):
        return text

    @Slot()
    def restart(self):
        self._session.restarts += 1

    def confirmRestart(self, reason=""):
        """Ask, and restart if the user agrees."""
        from ..dialogs import Message, answers

        pressed = QtWidgets.QMessageBox.StandardButton
        choice = answers.take_button(Message("question", "Restart", reason), pressed.Yes | pressed.No)
        if choice == pressed.Yes:
            self.restart()
