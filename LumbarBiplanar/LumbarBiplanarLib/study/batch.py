"""Many studies one after the other: each written when it is done, a bad one noted, a table of all at the end."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import LumbarBiplanarError, StudyError
from ..files import make_folder, read_json, read_table, sha256_of, write_table

FILM_SUFFIXES = frozenset(
    {".dcm", ".png", ".tif", ".tiff", ".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".gz", ".jpg", ".jpeg", ".bmp"}
)
SUMMARY, RECORD, GEOMETRY = "summary.csv", "reconstruction.json", "geometry.json"
LORDOSIS = "lordosis_l1_l5"
DONE, FAILED, PRESENT = "done", "failed", "present"


@dataclass(frozen=True)
class Study:
    """The files of one study.

    Attributes:
        name: name of its folder.
        ap, lateral: the films.
        geometry: how they were taken.
    """

    name: str
    ap: Path
    lateral: Path
    geometry: Path


@dataclass(frozen=True)
class Outcome:
    """What became of one study: a row of the summary.

    Attributes:
        study: its name.
        status: "done", "failed" or "present" (its result was there already).
        message: what went wrong, or the warnings of the result.
        seconds: wall time: of a result that its record states, of a failure until it.
        device: where it was computed.
        levels: reconstructed levels.
        landmark_residual_ap_mm, landmark_residual_lateral_mm: root mean square, in the object plane.
        lordosis_deg: lordosis L1 to L5, as measurements.csv has it.
        quality: worst flag of the levels: "ok", "check" or "refuse"; empty if it is not known.
        levels_to_check, levels_to_refuse: levels with these flags.
    """

    study: str
    status: str
    message: str = ""
    seconds: float | None = None
    device: str = ""
    levels: str = ""
    landmark_residual_ap_mm: float | None = None
    landmark_residual_lateral_mm: float | None = None
    lordosis_deg: float | None = None
    quality: str = ""
    levels_to_check: str = ""
    levels_to_refuse: str = ""


Process = Callable[[Study, Path], object]


def find_studies(folder: str | Path) -> list[Path]:
    """Return the folders below ``folder``, or itself, that hold a film called ap or lateral; absolute, sorted by name.

    Raises:
        StudyError: if there is no such folder, or no study in it.
    """
    root = _named(Path(folder))
    if not root.is_dir():
        raise StudyError(f"{root}: there is no such folder; give the folder that holds the studies.")
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    found = [path for path in folders if _films(path, "ap") or _films(path, "lateral")]
    if not found:
        raise StudyError(
            f"{root}: no study was found. A study is a folder with the films ap.* and lateral.* and geometry.json."
        )
    return found


def open_study(folder: Path) -> Study:
    """Return the files of a study; raises StudyError if one is missing or there are two to choose from."""
    films = {}
    for name in ("ap", "lateral"):
        candidates = _films(folder, name)
        if len(candidates) != 1:
            what = "no film" if not candidates else f"{len(candidates)} films"
            raise StudyError(f"{folder}: {what} called {name}.*; one is needed (DICOM, PNG, TIFF, NRRD, MHA, NIfTI).")
        films[name] = candidates[0]
    geometry = folder / GEOMETRY
    if not geometry.is_file():
        raise StudyError(f"{folder}: geometry.json is missing; it says how the films were taken (docs/geometry.md).")
    return Study(folder.name, films["ap"], films["lateral"], geometry)


def run_studies(
    folders: Iterable[Path],
    output: str | Path,
    process: Process,
    *,
    force: bool = False,
    log: Callable[[str], None] = print,
) -> Iterator[Outcome]:
    """Process studies one by one, and yield what became of each.

    A result that is there already is left alone and its study passed over, so that a batch that was stopped can be
    started again. ``summary.csv`` in ``output`` is written anew after every study; rows of studies that are passed
    over are taken from their results, as they are now. Rows of studies still to come, and of other results in
    ``output``, stay.

    Args:
        folders: the folders of the studies; one that is named twice is one study.
        output: folder for the results; each goes to a folder of its study's name.
        process: computes a study and writes its result into a folder, from which the row is read.
        force: compute studies again whose result is there already.
        log: takes one line of text for people.

    Raises:
        StudyError: if two studies have the same name; then nothing is computed.
        OutputError: if ``output`` cannot be written.
    """
    folders, target = _distinct(folders), Path(output)
    make_folder(target)
    earlier = _earlier(target / SUMMARY, log)
    own = {folder.name for folder in folders}
    others = [name for name in earlier if name not in own and _holds_result(target / name)]
    others = [replace(_as_it_is(name, target / name, earlier), status=earlier[name].status) for name in others]
    outcomes: list[Outcome] = []
    for number, folder in enumerate(folders, start=1):
        log(f"[{number}/{len(folders)}] {folder.name}")
        outcome = _run_study(folder, target / folder.name, process, None if force else earlier)
        seconds = "" if outcome.seconds is None or outcome.status == PRESENT else f" in {outcome.seconds:.1f} s"
        log(f"    {outcome.status}{seconds}{': ' + outcome.message if outcome.message else ''}")
        outcomes.append(outcome)
        # A batch that is stopped again must not have lost the rows of studies that it did not come to.
        to_come = [earlier[item.name] for item in folders[number:] if item.name in earlier]
        write_table(target / SUMMARY, Outcome, [*outcomes, *to_come, *others])
        yield outcome


def _named(folder: Path) -> Path:
    """Return the absolute path, which has a name also for "." and ".."; a link keeps its own name."""
    return folder.resolve() if folder.name in ("", "..") else folder.absolute()


def _distinct(folders: Iterable[Path]) -> list[Path]:
    """Return the folders, each once.

    Raises:
        StudyError: if two have the same name, for their results would go to the same place.
    """
    found: dict[str, Path] = {}
    for folder in map(_named, folders):
        first = found.setdefault(folder.name.casefold(), folder)  # not every file system tells A from a
        if first.resolve() != folder.resolve():
            raise StudyError(
                f"{first} and {folder}: two studies of the same name, whose results would go to the same folder. "
                "Rename one of them, or run them one after the other with an --output of their own."
            )
    return list(found.values())


def _earlier(summary: Path, log: Callable[[str], None]) -> dict[str, Outcome]:
    """Return the rows of the summary that is there, by study; none if it cannot be read."""
    if not summary.exists():
        return {}
    try:
        return {outcome.study: outcome for outcome in read_table(summary, Outcome)}
    except StudyError as error:
        log(f"Figures of earlier results are left out of the table. {error}")
        return {}


def _run_study(folder: Path, target: Path, process: Process, earlier: dict[str, Outcome] | None) -> Outcome:
    """Process a study; ``earlier`` holds the rows of results that are kept, None computes them again."""
    begin = time.perf_counter()
    try:
        if earlier is not None and _holds_result(target):
            _check_same_input(folder, target / RECORD)
            return _as_it_is(folder.name, target, earlier)
        process(open_study(folder), target)
        return Outcome(folder.name, DONE, **_figures(target))
    except LumbarBiplanarError as error:
        return Outcome(folder.name, FAILED, str(error), round(time.perf_counter() - begin, 2))
    except Exception as error:  # one bad study must not end the batch
        text = f"unexpected {type(error).__name__}: {error}"
        return Outcome(folder.name, FAILED, text, round(time.perf_counter() - begin, 2))


def _as_it_is(name: str, result: Path, earlier: Mapping[str, Outcome]) -> Outcome:
    """Return the row of a result that is there: it may have been computed again since, with corrected landmarks."""
    try:
        return Outcome(name, PRESENT, **_figures(result))
    except (LumbarBiplanarError, OSError, KeyError, TypeError, ValueError, AttributeError, csv.Error):
        known = earlier.get(name)  # a record of a version before, or damaged
    if known is not None and known.status != FAILED:
        return replace(known, status=PRESENT)
    return Outcome(name, PRESENT, "its result is there already")


def _figures(result: Path) -> dict[str, Any]:
    """Return the columns of a row from the files of a result; raises what a file of another form leads to."""
    record = read_json(result / RECORD, "record of a result")
    residual = {name: round(value, 3) for name, value in record["residuals"]["landmark_mm"].items()}
    flags: dict[str | None, list[str]] = {}
    for level, item in record["levels"].items():
        flags.setdefault((item.get("quality") or {}).get("flag"), []).append(level)
    with open(result / "measurements.csv", newline="", encoding="utf-8") as stream:
        lordosis = [float(row["value"]) for row in csv.DictReader(stream) if row["key"] == LORDOSIS]
    return {
        "message": " ".join(record["warnings"]),
        "seconds": round(record["seconds"]["total"] + record["seconds"].get("writing", 0.0), 2),
        "device": record["device"],
        "levels": " ".join(record["levels"]),
        "landmark_residual_ap_mm": residual.get("AP"),
        "landmark_residual_lateral_mm": residual.get("lateral"),
        "lordosis_deg": round(lordosis[0], 2) if lordosis else None,
        "quality": record["quality"] or "",
        "levels_to_check": " ".join(flags.get("check", ())),
        "levels_to_refuse": " ".join(flags.get("refuse", ())),
    }


def _holds_result(folder: Path) -> bool:
    return (folder / RECORD).is_file()


def _check_same_input(folder: Path, record: Path) -> None:
    """Raise StudyError if the result that is there was made from other films, maybe another person's, or geometry."""
    content = read_json(record, "record of a result")
    inputs = content.get("inputs", {}) if isinstance(content, dict) else {}
    for name in ("AP", "lateral"):
        stated, candidates = inputs.get("films", {}).get(name, {}).get("sha256"), _films(folder, name.lower())
        if stated and candidates and stated not in map(sha256_of, candidates):
            raise StudyError(
                f"{record.parent} holds a result of other films than {candidates[0]}. Choose another --output, or "
                "replace that result with --force."
            )
    stated, geometry = inputs.get("geometry", {}).get("sha256"), folder / GEOMETRY
    if stated and geometry.is_file() and stated != sha256_of(geometry):
        raise StudyError(
            f"{record.parent} holds a result of another geometry than {geometry} has now. Remove or rename that "
            f"folder to compute the study anew, or give {folder} alone with --force."
        )


def _films(folder: Path, name: str) -> list[Path]:
    """Return the films of a folder that are called ``name``, in any case; a DICOM file may have no suffix."""
    found = (path for path in folder.iterdir() if path.is_file() and path.name.split(".")[0].lower() == name)
    return sorted(path for path in found if path.suffix.lower() in FILM_SUFFIXES or not path.suffix)
