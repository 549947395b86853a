"""Models without each person, which the benchmarks judge the method with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import StudyError
from .terminal import counted, progress_bar


def make_left_out_models(folder: Path, data: Path | None, subjects: Iterable[str], verbose: int) -> None:
    """Build the models without each person that ``folder`` lacks; that takes some minutes.

    Args:
        folder: of the models; made if it is missing.
        data: folder of the open data; needed if a model is missing.
        subjects: who.
        verbose: how much the progress tells where there is no terminal.

    Raises:
        StudyError: if data is needed and not given, or somebody is unknown.
        ShapeModelError: if the data cannot be read.
        OutputError: if a model cannot be written.
    """
    from ..evaluation.left_out import people_in, write_left_out
    from ..files import make_folder
    from ..shape.pipeline import collect_open_data

    missing = sorted(set(subjects) - set(people_in(folder)))
    if not missing:
        return
    if data is None:
        raise StudyError("Say where the open data is: --data DIR (docs/shape-model.md describes the folder).")
    make_folder(folder)
    with progress_bar("vertebrae in correspondence", verbose) as update:
        collection = collect_open_data(data, include_sample=True, progress=counted(update))
    with progress_bar("models without each person", verbose) as update:
        write_left_out(collection, folder, missing, counted(update))
