"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import OutputError

_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space, or choose another place with --output.",
    errno.EDQUOT: "The disk quota is used up: free some space, or choose another place with --output.",
    errno.EFBIG: "The file would exceed the size limit of this disk or account: choose another place with --output.",
    errno.EROFS: "The disk is read-only: choose another place with --output.",
    errno.EACCES: "You may not write there: change the permissions, or choose another place with --output.",
    errno.EPERM: "You may not write there: change the permissions, or choose another place with --output.",
    errno.ENOTDIR: "A part of that path is a file, not a folder: choose another place with --output.",
}


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Return the error that tells a person why ``path`` was not written and what to do."""
    remedy = _REMEDIES.get(error.errno or 0, "Choose another place with --output.")
    return OutputError(f"Cannot write {path}: {error.strerror or error}. {remedy} Nothing was written.")


@contextlib.contextmanager
def output_folder(path: Path | str, *, force: bool = False, owned: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` whose content becomes ``path`` when the block ends without error.

    On any error, Ctrl-C included, the temporary folder is removed and ``path`` is as it was before.

    Args:
        path: the folder to make. Its parents are made if absent.
        force: allow a non-empty folder: files written in the block replace those of the same name, files that match
            ``owned`` and were not written again are removed, everything else in the folder stays.
        owned: glob patterns of the files that this kind of output may hold.

    Raises:
        OutputError: if the folder is not empty and ``force`` is not given, or if anything cannot be written (no
            permission, read-only or full disk).
    """
    target = Path(path).absolute()
    _check_free(target, force)
    made = _make_parents(target)
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    except OSError as error:
        _remove_empty(made)
        raise cannot_write(target, error) from error
    try:
        staging.chmod(0o777 & ~_umask())  # mkdtemp makes it private; the result should be as any new folder
        yield staging
        _publish(staging, target, owned)
    except OSError as error:
        if _is_elsewhere(error, staging, target):
            raise
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _remove_empty(made)


def _is_elsewhere(error: OSError, *folders: Path) -> bool:
    """Whether the error names a file outside ``folders``: then it is not the output that failed."""
    if not isinstance(error.filename, (str, os.PathLike)):
        return False
    return not any(Path(error.filename).absolute().is_relative_to(folder) for folder in folders)


def _check_free(target: Path, force: bool) -> None:
    try:
        if not target.exists():
            return
        if not target.is_dir():
            raise OutputError(f"{target} is a file; give the name of a folder with --output.")
        if not force and any(target.iterdir()):
            raise OutputError(
                f"{target} is not empty, and nothing is overwritten without being asked. "
                "Give another folder with --output, or add --force to replace an earlier result in it."
            )
    except OSError as error:
        raise cannot_write(target, error) from error


def _make_parents(target: Path) -> list[Path]:
    """Make the missing parents of ``target``; return those made, deepest first."""
    missing: list[Path] = []
    try:
        folder = target.parent
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise cannot_write(target, error) from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _publish(staging: Path, target: Path, owned: Sequence[str]) -> None:
    """Give the finished ``staging`` folder its name, or move its files into the folder that is there."""
    if target.exists() and not any(target.iterdir()):
        target.rmdir()
    if not target.exists():
        os.replace(staging, target)
        return
    written = sorted(item.relative_to(staging) for item in staging.rglob("*") if item.is_file())
    for name in written:
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, destination)
    for pattern in owned:
        for stale in target.glob(pattern):
            if stale.is_file() and stale.relative_to(target) not in written:
                stale.unlink()
