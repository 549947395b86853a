"""Mouse events sent to a view, as a user's hand would cause them."""

from __future__ import annotations

import numpy as np


def _send(view, pixel, event: str) -> None:
    x, y = (round(float(value)) for value in pixel)
    view.interactor.SetEventInformation(x, y, 0, 0, "\0", 0, None)
    view.interactor.InvokeEvent(event)


def move(view, pixel) -> None:
    """Put the mouse pointer on a pixel (counted from the lower left corner)."""
    _send(view, pixel, "EnterEvent")
    _send(view, pixel, "MouseMoveEvent")


def press(view, pixel) -> None:
    """Press the left button on a pixel, the pointer having come there first."""
    move(view, pixel)
    _send(view, pixel, "LeftButtonPressEvent")


def release(view, pixel) -> None:
    """Let the left button go on a pixel."""
    _send(view, pixel, "LeftButtonReleaseEvent")


def click(view, pixel) -> None:
    """Press and release the left button on a pixel."""
    press(view, pixel)
    release(view, pixel)


def drag(view, start_pixel, end_pixel, steps: int, between=None) -> None:
    """Drag with the left button in so many moves; ``between()`` is called after each, if given."""
    start, end = np.asarray(start_pixel, float), np.asarray(end_pixel, float)
    press(view, start)
    for step in range(1, steps + 1):
        _send(view, start + (end - start) * step / steps, "MouseMoveEvent")
        if between is not None:
            between()
    release(view, end)
