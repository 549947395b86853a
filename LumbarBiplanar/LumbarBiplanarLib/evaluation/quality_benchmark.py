"""The quality flag calibrated on simulated cases, and judged on other people: one row per vertebra."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

from ..files import rounded, write_json, write_table
from ..registration.quality import CHECK, OK, REFUSE
from ..registration.quality_calibration import CASE_FEATURES, LEVEL_FEATURES, PARTS, Calibration, part_of
from ..shape.pipeline import Collection
from .quality_cases import QualityCase, calibration_cases, own_cases
from .quality_faults import INVISIBLE
from .quality_fit import FAILURE_MM, FlagFigures, calibration_content, figures, fit_calibration, usable
from .quality_people import CALIBRATION_SUBJECTS, TEST_SUBJECTS

Progress = Callable[[str, int, int], None]
# A case that ends with an error has no flag and no error in mm: the user gets no surface.
REJECTED = "rejected"
_COMMON = (
    ("part", str), ("people", str), ("seed", int), ("evidence", str), ("geometry", str), ("fault", str),
    ("level", str), ("flag", str), ("probability", "float | None"), ("error_mm", "float | None"),
)  # fmt: skip
QualityRow: Any = make_dataclass(
    "QualityRow",
    [*_COMMON, *((name, "float | None", field(default=None)) for name in (*LEVEL_FEATURES, *CASE_FEATURES))],
    frozen=True,
)
QualityRow.__doc__ = """One vertebra of a simulated case: what was wrong, its flag, its true error and its features.

``part`` is "calibration" (flag and probability out of sample: its spine left out) or "test" (people that neither the
model nor the calibration knows). A case that was refused with an error has one row without level, flag "rejected".
"""


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
    rows = [_row("calibration", case, calibrations, known.get(id(case))) for case in calibrating]
    rows += [_row("test", case, calibrations) for case in testing]
    found = {
        (part, kind): _figures(rows, part, kind) for part in dict.fromkeys(row.part for row in rows) for kind in PARTS
    }
    write_table(output_csv, QualityRow, rows, rounded(4))
    if output_json is not None:
        own = {kind: found["calibration", kind] for kind in PARTS}
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
    flag = REFUSE if probability >= calibration.refuse else CHECK if probability >= calibration.check else OK
    features = {name: value for name, value in case.features.items() if math.isfinite(value)}
    return QualityRow(*common, case.level.name, flag, float(probability), float(case.error_mm), **features)


def _figures(rows: Sequence[Any], part: str, kind: str) -> FlagFigures:
    judged = [
        row
        for row in rows
        if row.part == part and row.level and row.fault != INVISIBLE and part_of({"no_image": row.no_image}) == kind
    ]
    return figures([row.flag for row in judged], [row.error_mm for row in judged])


def by_fault(rows: Sequence[Any], part: str) -> list[tuple[str, int, int, int, int, int, int]]:
    """Return (fault, vertebrae, failed, failed and refused, failed and flagged check, sound but flagged, rejected)."""
    found = []
    for fault in dict.fromkeys(row.fault for row in rows if row.part == part):
        own = [row for row in rows if row.part == part and row.fault == fault]
        judged = [row for row in own if row.level]
        failed = [row for row in judged if row.error_mm > FAILURE_MM]
        sound = [row for row in judged if row.error_mm <= FAILURE_MM]
        found.append(
            (
                fault,
                len(judged),
                len(failed),
                sum(row.flag == REFUSE for row in failed),
                sum(row.flag == CHECK for row in failed),
                sum(row.flag != OK for row in sound),
                len(own) - len(judged),
            )
        )
    return found
