"""Asking the user where to write, without ever writing over something unasked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .remembered_folder import remember_folder, remembered_folder

_KIND = "Results"


def ask_file(parent: Any, title: str, name: str, kinds: Sequence[tuple[str, str]]) -> Path | None:
    """Ask for a file to write; the dialog itself asks before an existing one is replaced.

    Args:
        parent: widget that the dialog belongs to.
        title: of the dialog.
        name: file name to suggest.
        kinds: (what it is, suffix with its dot) of each kind that can be written; the first is the usual one.

    Returns:
        The path, with one of the suffixes, in small letters; None if the user gave up.
    """
    filters = ";;".join(f"{what} (*{suffix})" for what, suffix in kinds)
    chosen = qt.QFileDialog.getSaveFileName(parent, title, str(_start_folder() / name), filters)
    if not chosen:
        return None
    asked = path = Path(str(chosen))
    if path.suffix.lower() in [suffix for _what, suffix in kinds]:
        path = path.with_suffix(path.suffix.lower())  # Slicer knows the kinds of its files in small letters only
    else:
        path = path.with_name(path.name + kinds[0][1])
    # The dialog has asked about the name that was chosen.
    unasked = path.name != asked.name and path.exists() and not (asked.exists() and asked.samefile(path))
    if unasked and not _confirm(_("{path} exists. Replace it?").format(path=path), title):
        return None
    remember_folder(_KIND, path)
    return path


def ask_folder(parent: Any, title: str, owned: Sequence[str]) -> tuple[Path, bool] | None:
    """Ask for a folder to write into, and again if it is not empty.

    Args:
        parent: widget that the dialog belongs to.
        title: of the dialog.
        owned: glob patterns of the files that writing may replace.

    Returns:
        The folder, and whether the user allows writing into one that is not empty; None if the user gave up.
    """
    chosen = qt.QFileDialog.getExistingDirectory(parent, title, str(_start_folder()))
    if not chosen:
        return None
    folder = Path(str(chosen))
    force = folder.is_dir() and any(folder.iterdir())
    if force:
        replaced = sorted({path.name for pattern in owned for path in folder.glob(pattern)})
        if replaced:
            text = _("{folder} holds an earlier result. Replace these files? All others stay.\n\n{files}").format(
                folder=folder, files=", ".join(replaced)
            )
        else:
            text = _("{folder} is not empty. Write into it all the same? Nothing in it is replaced.").format(
                folder=folder
            )
        if not _confirm(text, title):
            return None
    remember_folder(_KIND, folder)
    return folder, force


def _confirm(text: str, title: str) -> bool:
    return bool(slicer.util.confirmOkCancelDisplay(text, windowTitle=title))


def _start_folder() -> Path:
    """Return the folder that was last written to, or the one where Slicer saves, or the user's."""
    for folder in (remembered_folder(_KIND), slicer.mrmlScene.GetRootDirectory()):
        if folder and folder != "." and Path(folder).is_dir():
            return Path(folder)
    return Path.home()
