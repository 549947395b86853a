"""File dialogs that open where the last one of their kind was closed, and files that are taken again next time."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

_KEY = "LumbarBiplanar/Folder/{kind}"
_FILE_KEY = "LumbarBiplanar/File/{kind}"


def remembered_folder(kind: str) -> str:
    """Return the folder that was last used for a kind of file, or "" for Qt's own choice.

    Args:
        kind: such as "Films".
    """
    folder = str(qt.QSettings().value(_KEY.format(kind=kind), "") or "")
    return folder if folder and Path(folder).is_dir() else ""


def remember_folder(kind: str, path: str | Path) -> None:
    """Remember the folder of a file, or a folder itself, for the next dialog of its kind."""
    path = Path(path)
    qt.QSettings().setValue(_KEY.format(kind=kind), str(path if path.is_dir() else path.parent))


def remembered_file(kind: str) -> str:
    """Return the file of a kind that was last remembered, or "" if there is none, or it is there no longer.

    Args:
        kind: such as "Weights".
    """
    path = str(qt.QSettings().value(_FILE_KEY.format(kind=kind), "") or "")
    return path if path and Path(path).is_file() else ""


def remember_file(kind: str, path: str) -> None:
    """Remember a file for the next start of Slicer; "" forgets the one before, and what is no file changes nothing."""
    if path and Path(path).is_file():
        qt.QSettings().setValue(_FILE_KEY.format(kind=kind), path)
    elif not path:
        qt.QSettings().remove(_FILE_KEY.format(kind=kind))


def ask_open_file(kind: str, title: str, name_filter: str) -> str:
    """Ask for a file to read; return its path, or "" if the user thinks better of it."""
    path = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, remembered_folder(kind), name_filter)
    if path:
        remember_folder(kind, path)
    return path or ""


def ask_save_file(kind: str, title: str, name: str, name_filter: str) -> str:
    """Ask for a file to write; return its path, or "" if the user thinks better of it.

    Args:
        kind: such as "Films".
        title: of the dialog.
        name: suggested name of the file; a path without a suffix gets its suffix.
        name_filter: as Qt takes it.
    """
    suggested = str(Path(remembered_folder(kind)) / name)
    path = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, suggested, name_filter)
    if not path:
        return ""
    if not Path(path).suffix:
        path = f"{path}{Path(name).suffix}"
        # The dialog has asked about the name without the suffix.
        question = _("{path} exists. Replace it?").format(path=path)
        if Path(path).exists() and not slicer.util.confirmOkCancelDisplay(question, windowTitle=title):
            return ""
    remember_folder(kind, Path(path).parent)
    return path
