"""Many studies one after the other: each written when it is done, a bad one noted, a table of all at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import LumbarBiplanarError, OutputError, StudyError
from ..files import write_table
from ..registration.quality import worst_flag
from .steps import CaseResult

FILM_SUFFIXES = frozenset(
    {".dcm", ".png", ".tif", ".tiff", ".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".gz", ".jpg", ".jpeg", ".bmp"}
)
SUMMARY = "summary.csv"
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
        seconds: wall time.
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


Process = Callable[[Study, Path], CaseResult]


def find_studies(folder: str | Path) -> list[Path]:
    """Return the folders below ``folder``, or itself, that hold a film called ap or lateral; sorted by name.

    Raises:
        StudyError: if there is no such folder, or no study in it.
    """
    root = Path(folder)
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
    geometry = folder / "geometry.json"
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
    started again. ``summary.csv`` in ``output`` is written anew after every study.

    Args:
        folders: the folders of the studies.
        output: folder for the results; each goes to a folder of its study's name.
        process: computes a study, writes its result into a folder, and returns it.
        force: compute studies again whose result is there already.
        log: takes one line of text for people.

    Raises:
        OutputError: if ``output`` cannot be written.
    """
    target = Path(output)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target} cannot be made ({error.strerror}). Choose another output folder.") from error
    folders = list(folders)
    outcomes: list[Outcome] = []
    for number, folder in enumerate(folders, start=1):
        log(f"[{number}/{len(folders)}] {folder.name}")
        outcome = _run_study(folder, target / folder.name, process, force)
        seconds = "" if outcome.seconds is None else f" in {outcome.seconds:.1f} s"
        log(f"    {outcome.status}{seconds}{': ' + outcome.message if outcome.message else ''}")
        outcomes.append(outcome)
        write_table(target / SUMMARY, Outcome, outcomes)
        yield outcome


def _run_study(folder: Path, target: Path, process: Process, force: bool) -> Outcome:
    begin = time.perf_counter()
    if not force and (target / "reconstruction.json").is_file():
        return Outcome(folder.name, PRESENT, "its result is there already")
    try:
        result = process(open_study(folder), target)
    except LumbarBiplanarError as error:
        return Outcome(folder.name, FAILED, str(error), time.perf_counter() - begin)
    except Exception as error:  # one bad study must not end the batch
        text = f"unexpected {type(error).__name__}: {error}"
        return Outcome(folder.name, FAILED, text, time.perf_counter() - begin)
    residual = result.reconstruction.landmark_residual_mm
    lordosis = result.measurements.find("lordosis_l1_l5")
    return Outcome(
        folder.name,
        DONE,
        " ".join(result.warnings),
        round(time.perf_counter() - begin, 2),
        result.device,
        " ".join(level.name for level in result.reconstruction.levels),
        *(None if name not in residual else round(residual[name], 3) for name in ("AP", "lateral")),
        None if lordosis is None else round(lordosis.value, 2),
        worst_flag(result.quality.values()) if result.quality else "",
        *(
            " ".join(level.name for level, item in result.quality.items() if item.flag == flag)
            for flag in ("check", "refuse")
        ),
    )


def _films(folder: Path, name: str) -> list[Path]:
    """Return the films of a folder that are called ``name``, in any case; a DICOM file may have no suffix."""
    found = (path for path in folder.iterdir() if path.is_file() and path.name.split(".")[0].lower() == name)
    return sorted(path for path in found if path.suffix.lower() in FILM_SUFFIXES or not path.suffix)
