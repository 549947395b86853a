"""Which off-screen OpenGL the views are drawn with, and whether there is any."""

from __future__ import annotations

import ctypes.util
import os

VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
EGL = "vtkEGLRenderWindow"
OSMESA = "vtkOSOpenGLRenderWindow"


def choose_window_class() -> None:
    """Ask VTK for windows that need no display, unless the caller has chosen; before the first window is made."""
    if VARIABLE not in os.environ and os.name == "posix" and not os.environ.get("DISPLAY"):
        os.environ[VARIABLE] = EGL


def missing_opengl() -> str | None:
    """Return why no off-screen window can be drawn here, or None if one can.

    VTK falls back from EGL to OSMesa by itself but does not notice that OSMesa is absent, and would crash later.
    """
    import vtk

    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetShowWindow(False)
    if window.GetClassName() == OSMESA:
        found = ctypes.util.find_library("OSMesa") or ctypes.util.find_library("OSMesa32")
        return None if found else "neither EGL (libegl1, libgl1-mesa-dri) nor OSMesa (libosmesa6) can draw here"
    if not window.SupportsOpenGL():
        return f"{window.GetClassName()} cannot draw here: {window.GetOpenGLSupportMessage().strip()}"
    return None
