"""An off-screen render window with Slicer's displayable managers: what a slice view and the 3D view share."""

from __future__ import annotations

import time

import numpy as np
import slicer
import vtk
from PySide6 import QtCore
from vtk.util.numpy_support import vtk_to_numpy

DEFAULT_SIZE = (400, 640)
DEFAULT_UPDATE_RATE = 60.0  # frames per second; Slicer's default for slice and 3D views


class RenderView:
    """A view of one MRML view node.

    Rendering is asked for as in Slicer: a displayable manager that has something new sends UpdateEvent, and the window
    is drawn once for all such requests of the last ``1 / maximum_update_rate`` seconds, from the event loop.
    """

    def __init__(self, factory, manager_names: tuple[str, ...]):
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetShowWindow(False)
        self.window.SetMultiSamples(0)
        self.window.AddRenderer(self.renderer)
        self.window.SetSize(*DEFAULT_SIZE)
        # The platform's own interactor would replace the off-screen window.
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        for name in manager_names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()
        self.managers.SetRenderer(self.renderer)
        self.managers.Initialize(factory, self.renderer)
        self.maximum_update_rate = DEFAULT_UPDATE_RATE
        self.is_shown = lambda: True  # whether the layout shows this view; a hidden one is not drawn by itself
        self.frames = 0
        self.pauses = 1  # until the subclass is complete and calls resume()
        self.seconds_rendering = 0.0
        self._prepare_timer()

    def _prepare_timer(self) -> None:
        self._requested_at: float | None = None
        self._timer = QtCore.QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._render_if_requested)
        self.managers.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.schedule_render())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return tuple(self.window.GetSize())

    def set_size(self, width: int, height: int) -> None:
        """Change the size in pixels, as a layout does when the window is resized."""
        self.window.SetSize(int(width), int(height))
        self.interactor.UpdateSize(int(width), int(height))
        self.schedule_render()

    def schedule_render(self) -> None:
        """Ask for a frame; at most ``maximum_update_rate`` are drawn in a second."""
        if self.pauses:
            self._requested_at = self._requested_at or time.perf_counter()
            return
        interval = 1.0 / self.maximum_update_rate
        if self._requested_at is None:
            self._requested_at = time.perf_counter()
            self._timer.start(round(1000 * interval))
        elif time.perf_counter() - self._requested_at > interval:
            # The timer is due but the event loop has not come round to it: draw now to keep the rate.
            self._render_if_requested()

    @property
    def render_pending(self) -> bool:
        """Whether a frame has been asked for and not been drawn."""
        return self._requested_at is not None

    def pause(self) -> None:
        """Draw nothing until ``resume`` has been called as often."""
        self.pauses += 1

    def resume(self) -> None:
        """Undo one ``pause``; what was asked for meanwhile is drawn."""
        self.pauses = max(0, self.pauses - 1)
        if not self.pauses and self._requested_at is not None:
            self._timer.start(0)

    def _render_if_requested(self) -> None:
        if self._requested_at is None or self.pauses:
            return
        if self.is_shown():
            self.render()
        else:
            self._requested_at = None

    def prepare_frame(self) -> None:
        """Bring what is drawn outside the displayable managers up to date."""

    def render(self) -> None:
        """Draw a frame now."""
        self._timer.stop()
        self._requested_at = None
        began = time.perf_counter()
        self.prepare_frame()
        self.window.Render()
        self.frames += 1
        self.seconds_rendering += time.perf_counter() - began

    def pixels(self) -> np.ndarray:
        """Return a freshly drawn frame, (height, width, 3) uint8, first row on top."""
        self.render()
        to_image = vtk.vtkWindowToImageFilter()
        to_image.SetInput(self.window)
        to_image.ReadFrontBufferOff()
        to_image.ShouldRerenderOff()
        to_image.Update()
        image = to_image.GetOutput()
        width, height, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].copy()

    def close(self) -> None:
        """Stop drawing and release the window."""
        self._timer.stop()
        self._requested_at = None
        self.managers.RemoveAllObservers()
        self.window.Finalize()
