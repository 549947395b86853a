"""A Slicer without its window, for tests: Slicer's own scene, logics and views, and a strict stand-in for the rest.

    from headless_slicer import start

    app = start()
    app.scene                     # Slicer's vtkMRMLScene, also slicer.mrmlScene
    app.view("AP").pixels()       # a picture of a slice view

README.md beside this package says what is Slicer's own code, what is a stand-in, and what no test here can show.
Importing this package starts nothing.
"""

from __future__ import annotations

import importlib.util
import os

_running = None


class Unavailable(RuntimeError):
    """What the headless Slicer needs is not on this machine; the message says what."""


def start():
    """Return the headless Slicer of this process, started if need be.

    Raises:
        Unavailable: if slicer-core or PySide6 is not installed, or no off-screen OpenGL works.
    """
    global _running
    if _running is None:
        for package, name in (("slicer", "slicer-core"), ("PySide6", "PySide6-Essentials")):
            if importlib.util.find_spec(package) is None:
                raise Unavailable(f"{name} is not installed")
        from .constants import keep_alive
        from .opengl import choose_window_class, missing_opengl

        keep_alive()
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        choose_window_class()
        if reason := missing_opengl():
            raise Unavailable(f"no off-screen OpenGL: {reason}")
        _running = _make()
    return _running


def _make():
    import slicer.util  # noqa: F401  (part of what ``import slicer`` brings in Slicer)
    from PySide6 import QtWidgets

    from .session import HeadlessSlicer

    return HeadlessSlicer(QtWidgets.QApplication.instance() or QtWidgets.QApplication(["headless-slicer"]))
