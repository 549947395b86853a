"""Pictures of the stand-in for Slicer's main window."""

from __future__ import annotations

MARGIN = 10


def grab_window(window, process_events, path, size: tuple[int, int], show=None) -> None:
    """Write a PNG of the window in a size in pixels; the panel is scrolled to the widget ``show``, if given."""
    window._fit_panel()
    window.resize(*size)
    window.show()
    process_events()
    bar = window._panel.verticalScrollBar()
    bar.setValue(0)
    if show is not None:
        made = show._living()
        bar.setValue(made.mapTo(window._panel.widget(), made.rect().topLeft()).y() - MARGIN)
    process_events()
    _save(window.grab(), path)
    window.hide()


def grab_panel(window, process_events, path) -> None:
    """Write a PNG of the module's page at its full height; the window keeps its size."""
    window._fit_panel()
    page, size = window._panel.widget(), window.size()
    window.resize(window.width(), max(page.sizeHint().height(), page.minimumSizeHint().height()) + 2 * MARGIN)
    window.show()
    process_events()
    _save(page.grab(), path)
    window.hide()
    window.resize(size)


def _save(picture, path) -> None:
    if not picture.save(str(path)):
        raise OSError(f"{path}: the picture was not written")
