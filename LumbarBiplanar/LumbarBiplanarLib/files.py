"""Writing files whole or not at all, and reading JSON and tables with errors a user can act on."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from .errors import LumbarBiplanarError, OutputError, StudyError

_CHUNK_BYTES = 1 << 20
_REMEDIES = {
    errno.ENOSPC: "Free some space, or choose another output folder.",
    errno.EDQUOT: "Free some space, or choose another output folder.",
    errno.EFBIG: "Choose an output folder on a file system that takes large files.",
    errno.EROFS: "Choose an output folder that can be written to.",
    errno.EACCES: "Choose an output folder that you may write to.",
    errno.EPERM: "Choose an output folder that you may write to.",
    errno.ENOENT: "Create the folder first.",
    errno.EEXIST: "A file stands where a folder is needed; choose another output folder.",
    errno.ENOTDIR: "A file stands where a folder is needed; choose another output folder.",
    errno.EINVAL: "Give the name of a file.",
    errno.EISDIR: "A folder stands where the file should be; remove it or choose another name.",
}


def remedy(error: OSError) -> str:
    """Return what a person can do about a file or folder that cannot be written, as a sentence."""
    return _REMEDIES.get(error.errno or 0, "Choose another output folder.")


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the body of a ``with`` statement a temporary file name, and rename it to ``path`` when the body succeeds.

    The temporary name is in the folder of ``path`` and ends in its full name, so that writers that choose a format
    by the suffix work. An existing file at ``path`` is replaced in one step, and only on success.

    Args:
        path: the file to write; its folder must exist.

    Yields:
        The temporary path to write to.

    Raises:
        OutputError: if the file cannot be written (no such folder, no permission, full disk), or if the body ended
            without having written it. Any other exception of the body, Ctrl-C included, passes through unchanged.
            In every case the temporary file is gone and what stood at ``path`` is untouched.
    """
    target = Path(path)
    temporary = target.with_name(f".tmp-{secrets.token_hex(4)}-{target.name}")
    try:
        _check_target(target)
        yield temporary
        if not temporary.is_file():
            raise OutputError(f"{target} was not written; check that the disk is not full and can be written to.")
        _flush_to_disk(temporary)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if not _is_about(error, temporary, target):
            raise
        raise OutputError(_cannot_write(target, error)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise OutputError if a file could not be written there: asked before long work, so that it is not lost.

    What stands at ``path`` is left alone.
    """
    target = Path(path)
    probe = target.with_name(f".tmp-{secrets.token_hex(4)}")
    try:
        _check_target(target)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(_cannot_write(target, error)) from error


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and its parents if they are not there; raises OutputError, with what to do, if that cannot be."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"The folder {os.fspath(path)} cannot be made ({error.strerror or error})."
        raise OutputError(f"{what} {remedy(error)}") from error


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` to ``path`` as indented UTF-8 JSON, whole or not at all.

    Args:
        path: the file to write or replace.
        content: what ``json`` can write, and also numpy arrays and scalars (as lists and numbers) and paths (as text).

    Raises:
        OutputError: if the file cannot be written, or if a number is NaN or infinite, which JSON does not have.
    """
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        raise OutputError(f"{os.fspath(path)}: NaN or infinity cannot be written as JSON; leave it out.") from error
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str], what: str, error: type[LumbarBiplanarError] = StudyError) -> Any:
    """Read a JSON file.

    Args:
        path: the file to read.
        what: what the file is to the user, for the error message, for example ``"geometry file"``.
        error: class of the exception to raise.

    Returns:
        The content: dictionaries, lists, text, numbers, booleans and None.

    Raises:
        LumbarBiplanarError: of the class ``error``, if the file is missing, cannot be read, is not UTF-8 text, is not
            JSON, or holds NaN or infinity.
    """

    def refuse(constant: str) -> float:
        raise error(f"{path}: this {what} holds {constant}; replace it with a number.")

    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"), parse_constant=refuse)
    except FileNotFoundError:
        raise error(f"{path}: there is no such {what}; check the path.") from None
    except OSError as problem:
        raise error(f"{path}: this {what} cannot be read ({problem.strerror}).") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: this {what} is not a text file; a JSON file in UTF-8 is needed.") from problem
    except json.JSONDecodeError as problem:
        raise error(
            f"{path}: this {what} is not valid JSON (line {problem.lineno}, column {problem.colno}: {problem.msg}); "
            "correct it there."
        ) from problem
    except (ValueError, RecursionError) as problem:
        if isinstance(problem, LumbarBiplanarError):
            raise
        raise error(
            f"{path}: this {what} holds a number too long or lists too deep to be read; write it anew."
        ) from None


def write_table(
    path: str | os.PathLike[str], kind: type, rows: Iterable[Any], text: Callable[[Any], Any] = lambda value: value
) -> None:
    """Write rows as CSV with a column per field, whole or not at all.

    Args:
        path: the file to write or replace.
        kind: dataclass of the rows.
        rows: its instances; None becomes an empty cell.
        text: what is written for a value, for example ``rounded(4)``.

    Raises:
        OutputError: if the file cannot be written.
    """
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(kind)])
        writer.writeheader()
        writer.writerows({name: text(value) for name, value in asdict(row).items()} for row in rows)


def rounded(digits: int) -> Callable[[Any], Any]:
    """Return a function that rounds a float to so many digits after the point and leaves all else as it is."""
    return lambda value: round(value, digits) if isinstance(value, float) else value


def read_table(path: str | os.PathLike[str], kind: type, error: type[LumbarBiplanarError] = StudyError) -> list[Any]:
    """Read what ``write_table`` has written: a list of ``kind``, whose fields are text, bool, int or float (or None).

    Raises:
        LumbarBiplanarError: of the class ``error``, if it is no such table.
    """
    kinds = {field.name: str(field.type) for field in fields(kind)}
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            table = list(csv.DictReader(stream))
        return [kind(**{name: _parsed(row[name], kinds[name]) for name in kinds}) for row in table]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as problem:
        raise error(f"{path}: not a table of {kind.__name__} ({problem}); make it anew.") from None


def _parsed(text: str, kind: str) -> Any:
    if kind == "bool":
        return text == "True"
    for name, number in (("float", float), ("int", int)):
        if kind.startswith(name):
            return number(text) if text or kind == name else None
    return text


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes as 64 lower-case hexadecimal digits.

    Raises:
        StudyError: if the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as problem:
        raise StudyError(f"{os.fspath(path)} cannot be read ({problem.strerror}); check the path.") from problem
    return digest.hexdigest()


def _check_target(target: Path) -> None:
    if not target.parent.exists():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}", str(target))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not target.is_file():  # a rename would put a file in the place of /dev/stdout
        raise OSError(errno.EINVAL, "a device or pipe is no file", str(target))


def _flush_to_disk(path: Path) -> None:
    # Some file systems report a full disk only here; without it the rename could put an empty file in place.
    with open(path, "rb+") as stream:
        os.fsync(stream.fileno())


def _is_about(error: OSError, temporary: Path, target: Path) -> bool:
    """Tell whether an error of the body concerns the file being written rather than some file being read."""
    if error.filename is None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
    return os.fspath(error.filename) in (str(temporary), str(target))


def _cannot_write(target: Path, error: OSError) -> str:
    return f"{target} cannot be written ({error.strerror or error}). {remedy(error)}"


def _plain(value: Any) -> Any:
    """Turn what ``json`` does not know into what it knows: numpy arrays and scalars, and paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"A {type(value).__name__} cannot be written as JSON.")
