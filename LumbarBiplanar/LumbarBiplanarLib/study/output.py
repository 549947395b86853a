"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import OutputError
from ..files import remedy


class _NotRestoredError(OutputError):
    """Files that stood in the folder could not be put back; they must not be deleted."""


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Return the error that tells a person why ``path`` was not written and what to do."""
    return OutputError(f"Cannot write {path}: {error.strerror or error}. {remedy(error)} Nothing was written.")


@contextlib.contextmanager
def output_folder(path: Path | str, *, force: bool = False, owned: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a temporary folder whose content becomes ``path`` when the block ends without error.

    It lies beside ``path``, and is renamed at the end; if ``path`` is there already, it lies inside, and its files are
    moved out of it: so they stay on one file system, whether ``path`` is a link, a mount point or a plain folder. On
    any error, Ctrl-C included, the temporary folder is removed and ``path`` is as it was before.

    Args:
        path: the folder to make. Its parents are made if absent.
        force: allow a non-empty folder: files written in the block replace those of the same name, files that match
            ``owned`` and were not written again are removed, everything else in the folder stays.
        owned: glob patterns of the files that this kind of output may hold.

    Raises:
        OutputError: if the folder is not empty and ``force`` is not given, if a folder stands where a file would go,
            or if anything cannot be written (no permission, read-only or full disk).
    """
    given = Path(path).absolute()
    _check_free(given, force, owned)
    target = Path(os.path.realpath(given))
    new = not target.exists()
    made = _make_parents(given, target)
    try:
        where = target.parent if new else target
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=where))
    except OSError as error:
        _remove_empty(made)
        raise cannot_write(given, error) from error
    kept = False
    try:
        staging.chmod(0o777 & ~_umask())  # mkdtemp makes it private; the result should be as any new folder
        yield staging
        if new:
            os.replace(staging, target)
        else:
            _move_in(staging, target, owned)
    except _NotRestoredError:
        kept = True
        raise
    except OSError as error:
        if _is_elsewhere(error, staging, target):
            raise
        raise cannot_write(given, error) from error
    finally:
        if not kept:
            shutil.rmtree(staging, ignore_errors=True)
        _remove_empty(made)


def _is_elsewhere(error: OSError, *folders: Path) -> bool:
    """Whether the error names a file outside ``folders``: then it is not the output that failed."""
    if not isinstance(error.filename, (str, os.PathLike)):
        return False
    return not any(Path(error.filename).absolute().is_relative_to(folder) for folder in folders)


def _check_free(target: Path, force: bool, owned: Sequence[str]) -> None:
    try:
        if not target.exists():
            if target.is_symlink() and Path(os.path.realpath(target)).is_symlink():
                raise OutputError(f"{target} is a link that leads to itself; give another folder with --output.")
            return
        if not target.is_dir():
            raise OutputError(f"{target} is a file; give the name of a folder with --output.")
        if not force and any(target.iterdir()):
            raise OutputError(
                f"{target} is not empty, and nothing is overwritten without being asked. "
                "Give another folder with --output, or add --force to replace an earlier result in it (in Python, "
                "force=True)."
            )
        _refuse_folders(found for pattern in owned for found in target.glob(pattern))
    except OSError as error:
        raise cannot_write(target, error) from error


def _refuse_folders(files: Iterable[Path]) -> None:
    """Raise OutputError if a folder stands where a file would go."""
    for path in files:
        if path.is_dir():
            raise OutputError(f"{path} is a folder, and a file of this name would be written; rename or remove it.")


def _make_parents(given: Path, target: Path) -> list[Path]:
    """Make the missing parents of ``target``; return those made, deepest first. Errors name it as it was ``given``."""
    missing: list[Path] = []
    try:
        folder = target.parent
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise cannot_write(given, error) from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _move_in(staging: Path, target: Path, owned: Sequence[str]) -> None:
    """Move the files of ``staging`` into the folder that is there; on any error all is put back as it was."""
    written = sorted(item.relative_to(staging) for item in staging.rglob("*") if item.is_file())
    replaced = {path.relative_to(target) for pattern in owned for path in target.glob(pattern) if path.is_file()}
    replaced |= {name for name in written if os.path.lexists(target / name)}
    _refuse_folders(target / name for name in written)
    aside = Path(tempfile.mkdtemp(dir=staging))
    moves = [(target / name, aside / name) for name in sorted(replaced)]
    moves += [(staging / name, target / name) for name in written]
    made: list[Path] = []
    begun: list[tuple[Path, Path]] = []
    try:
        for source, destination in moves:
            made += [folder for folder in destination.parents if not folder.exists()]
            destination.parent.mkdir(parents=True, exist_ok=True)
            begun.append((source, destination))  # noted before, for Ctrl-C may come right after the move
            os.replace(source, destination)
    except BaseException:
        _put_back(begun, aside)
        _remove_empty(sorted(made, reverse=True))
        raise


def _put_back(moves: list[tuple[Path, Path]], aside: Path) -> None:
    try:
        for source, destination in reversed(moves):
            if not os.path.lexists(source):
                os.replace(destination, source)
    except BaseException as error:  # a second Ctrl-C as well: what was moved aside must survive
        raise _NotRestoredError(
            f"Files of an earlier result could not be put back ({error or type(error).__name__}); they are in {aside}. "
            "Move them back by hand."
        ) from error
