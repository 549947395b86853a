"""Which files belong to the repository: what git tracks, and what it would track once added."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


class NotACheckoutError(RuntimeError):
    """There is no git, or the folder is not a git checkout."""


def tracked_files(repository: Path, *folders: str) -> list[Path]:
    """Return the files of the checkout, relative to it, that are tracked or neither tracked nor ignored."""
    if shutil.which("git") is None or not (repository / ".git").exists():
        raise NotACheckoutError("the list of files needs git and a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in sorted(set(listed.split("\0")) - {""}) if (repository / name).is_file()]
