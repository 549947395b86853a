"""The quality flag calibrated on simulated cases, and judged on other people: one row per vertebra."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import rounded, write_json, write_table
from ..registration.quality import flag_for
from ..registration.quality_calibration import PARTS, Calibration, part_of
from ..shape.pipeline import Collection
from .quality_cases import QualityCase, calibration_cases, own_cases
from .quality_fit import FlagFigures, calibration_content, fit_calibration, usable
from .quality_people import CALIBRATION_SUBJECTS, TEST_SUBJECTS
from .quality_rows import CALIBRATION, REJECTED, TEST, QualityRow
from .quality_summary import part_figures

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class QualityResult:
    """What ``benchmark_quality`` has found.

    Attributes:
        rows: the table.
        calibrations: {kind of evidence: calibration}.
        figures: {(part, kind of evidence): what the flags are worth}.
    """

    rows: list[Any]
    calibrations: dict[str, Calibration]
    figures: dict[tuple[str, str], FlagFigures]


def benchmark_quality(
    collection: Collection,
    output_csv: str | Path,
    output_json: str | Path | None = None,
    *,
    rounds: int = 9,
    test_subjects: Sequence[str] = TEST_SUBJECTS,
    progress: Progress = lambda *_: None,
) -> QualityResult:
    """Simulate, calibrate, judge and write.

    Args:
        collection: vertebrae of all people in correspondence.
        output_csv: the table.
        output_json: where to write the calibration, for Resources/Quality.json; None does not write it.
        rounds: rounds of all faults to calibrate on.
        test_subjects: people to judge the flag on, each left out of the model.
        progress: called with (what, done, of how many).

    Raises:
        ShapeModelError, StudyError: if somebody is missing in the collection.
    """
    model = collection.build(CALIBRATION_SUBJECTS)
    calibrating = list(calibration_cases(collection, model, rounds, progress))
    people = [(subject, collection.build([subject])) for subject in test_subjects]
    testing = list(own_cases(collection, people, progress))
    return written(calibrating, testing, output_csv, output_json)


def written(
    calibrating: Sequence[QualityCase],
    testing: Sequence[QualityCase],
    output_csv: str | Path,
    output_json: str | Path | None = None,
) -> QualityResult:
    """Calibrate on cases, judge others, and write table and calibration; arguments as ``benchmark_quality``."""
    calibrations, known = {}, {}
    for kind in PARTS:
        cases = [case for case in usable(calibrating) if part_of(case.features) == kind]
        calibrations[kind], probabilities = fit_calibration(cases)
        known |= {id(case): float(value) for case, value in zip(cases, probabilities, strict=True)}
    rows = [_row(CALIBRATION, case, calibrations, known.get(id(case))) for case in calibrating]
    rows += [_row(TEST, case, calibrations) for case in testing]
    found = {
        (part, kind): part_figures(rows, part, kind)
        for part in dict.fromkeys(row.part for row in rows)
        for kind in PARTS
    }
    write_table(output_csv, QualityRow, rows, rounded(4))
    if output_json is not None:
        own = {kind: found[CALIBRATION, kind] for kind in PARTS}
        write_json(output_json, calibration_content(calibrations, calibrating, own))
    return QualityResult(rows, calibrations, found)


def _row(
    part: str, case: QualityCase, calibrations: Mapping[str, Calibration], probability: float | None = None
) -> Any:
    common = (part, case.spine, case.seed, case.evidence, case.geometry, case.fault)
    if case.level is None:
        return QualityRow(*common, "", REJECTED, None, None)
    calibration = calibrations[part_of(case.features)]
    if probability is None:
        probability = calibration.probability(case.features)
    flag = flag_for(probability, case.features, calibration)
    features = {name: value for name, value in case.features.items() if math.isfinite(value)}
    return QualityRow(*common, case.level.name, flag, float(probability), float(case.error_mm), **features)
