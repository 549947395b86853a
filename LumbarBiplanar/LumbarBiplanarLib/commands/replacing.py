"""Single files that a command replaces only by their like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def check_replaceable(path: Path, is_like: Callable[[Path], bool], what: str, option: str) -> None:
    """Raise OutputError if ``path`` is a file that a command must not replace without being asked.

    Args:
        path: where the command would write.
        is_like: whether a file holds what the command writes.
        what: that in words, for the message.
        option: of the command, that names the path.
    """
    from ..errors import OutputError

    if path.is_file() and not is_like(path):
        raise OutputError(f"{path} exists and holds no {what}; give {option} another name, or --force to replace it.")
