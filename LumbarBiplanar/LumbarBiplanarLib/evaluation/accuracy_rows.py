"""The tables of the benchmark of accuracy: rows per case and vertebra, its regions, and its measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

REGIONS_FILE, CASES_FILE, MEASUREMENTS_FILE = "accuracy.csv", "accuracy_cases.csv", "accuracy_measurements.csv"
ABSOLUTE, RIGID = "absolute", "rigid"
WHOLE = "all"
FRACTURED = "fractured: "
DONE, MISSING = "done", "missing"


@dataclass(frozen=True)
class RegionRow:
    """One vertebra, or one region of it, of one case; distances both ways between truth and reconstruction, mm.

    Attributes:
        condition: "group: variant", after "fractured: " for a vertebra that the shape model leaves out on purpose.
        subject, seed: whose spine, and which of the cases of this person.
        level: which vertebra.
        region: "all" or the name of an ``anatomy.Region``.
        alignment: "absolute" or "rigid", after the rigid motion of this vertebra that brings it closest to the truth.
        mean_mm, rms_mm, p95_mm: mean, root mean square, and 95th percentile, weighted by area.
        floor_mm: the mean distance of the shape model itself laid onto the true surface.
        seconds: processor time of the whole registration; on one thread of an idle machine, the wall time.
        device: where the registration ran.
    """

    condition: str
    subject: str
    seed: int
    level: str
    region: str
    alignment: str
    mean_mm: float
    rms_mm: float
    p95_mm: float
    floor_mm: float
    seconds: float
    device: str


@dataclass(frozen=True)
class CaseRow:
    """One true vertebra of one case; what belongs to the whole case stands in the row of each of its vertebrae.

    Attributes:
        condition, subject, seed, level: as in ``RegionRow``.
        outcome: "done"; "missing", if the registration left this vertebra out; or the error that ended the case.
        named_right: whether the vertebra lies nearest to the true one of its name.
        right_mm, anterior_mm, superior_mm: error of the position (reconstructed - true) along the patient's axes, by
            the rigid motion that brings the vertebra closest to the truth.
        about_right_deg, about_anterior_deg, about_superior_deg: error of its orientation about them.
        landmarks_ap_mm, landmarks_lateral_mm: mean distance, in each film's object plane, of the landmarks of the
            reconstruction from the true ones.
        within_2_mm_ap, within_2_mm_lateral: share of them that is within 2 mm.
        evidence_ap_mm, evidence_lateral_mm: mean distance of the landmarks that the registration was given last, the
            network's or the drawn ones; empty where the film shows none of this vertebra.
        inside: share of the true surface within its 90 % interval.
        intervals, intervals_inside: of the case, measurements with an interval, and those whose true value lies in it.
        flag: of the vertebra, "ok", "check" or "refuse".
        bad_probability: that its mean error exceeds 2 mm, as the registration itself sees it.
        gain_ap, gain_lateral: of the case, gain of the films as found.
        corrections: of the case, what the registration found wrong with the geometry, "name value sd unit; ...".
        warnings: of the case, how many.
        seconds, wall_s: of the case, processor and wall time of the registration.
        peak_mb: of the case, largest memory of the process while it registered; empty where the system does not say.
        model: first digits of the hash of the shape model.
    """

    condition: str
    subject: str
    seed: int
    level: str
    outcome: str
    named_right: bool = False
    right_mm: float | None = None
    anterior_mm: float | None = None
    superior_mm: float | None = None
    about_right_deg: float | None = None
    about_anterior_deg: float | None = None
    about_superior_deg: float | None = None
    landmarks_ap_mm: float | None = None
    landmarks_lateral_mm: float | None = None
    within_2_mm_ap: float | None = None
    within_2_mm_lateral: float | None = None
    evidence_ap_mm: float | None = None
    evidence_lateral_mm: float | None = None
    inside: float | None = None
    intervals: int = 0
    intervals_inside: int = 0
    flag: str = ""
    bad_probability: float | None = None
    gain_ap: float | None = None
    gain_lateral: float | None = None
    corrections: str = ""
    warnings: int = 0
    seconds: float | None = None
    wall_s: float | None = None
    peak_mb: float | None = None
    model: str = ""


@dataclass(frozen=True)
class MeasurementRow:
    """One measurement of one case.

    Attributes:
        condition, subject, seed: as in ``RegionRow``, of the whole spine.
        key, level, unit: as in ``measurement.Measurement``.
        value: measured on the reconstruction.
        true_value: measured in the same way on the shape model laid onto the true surfaces.
        low_90, high_90: the interval that should hold the true value in nine of ten cases; empty where it was not
            looked for.
    """

    condition: str
    subject: str
    seed: int
    key: str
    level: str
    unit: str
    value: float
    true_value: float
    low_90: float | None = None
    high_90: float | None = None

    @property
    def inside(self) -> bool | None:
        """Whether the interval holds the true value; None without one."""
        return None if self.low_90 is None else self.low_90 <= self.true_value <= self.high_90


class Rows(NamedTuple):
    """Rows of one case, or of many."""

    regions: list[RegionRow]
    cases: list[CaseRow]
    measurements: list[MeasurementRow]


TABLES = {REGIONS_FILE: RegionRow, CASES_FILE: CaseRow, MEASUREMENTS_FILE: MeasurementRow}
