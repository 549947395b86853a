"""Finding the calibration of the quality flag from simulated vertebrae whose error is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..registration.quality_calibration import (
    CASE_FEATURES,
    FORMAT,
    LEVEL_FEATURES,
    VERSION,
    Calibration,
    FeatureTerm,
    part_of,
)
from .quality_cases import QualityCase
from .quality_faults import INVISIBLE

# Mean surface error beyond which a vertebra has failed: more than twice the error of Yu et al. 2025.
FAILURE_MM = 2.0
# Strength of the ridge on weights and curvatures, per vertebra of the calibration.
_RIDGE = 2e-3
# A feature counts up to this quantile of all vertebrae, and up to e^3 times the usual.
_MOST_QUANTILE, _MOST = 0.98, 3.0
# The flag "refuse" is to be right this often out of sample; the goal is 0.95.
_REFUSE_PRECISION = 0.97
# So many of the failures are to be flagged "check" at least, out of sample.
_CHECK_RECALL = 0.9

# Counts and shares, for which 0 is usual.
_SHARES = ("no_image", "landmark_outliers", "outside", "unseen")


@dataclass(frozen=True)
class FlagFigures:
    """What the flags are worth on some vertebrae.

    Attributes:
        vertebrae, failures: how many there are.
        refused: how many are flagged "refuse".
        precision: share of the refused that have failed; NaN if none is refused.
        recall: share of the failures that are refused.
        flagged: share of the failures that are flagged "refuse" or "check".
        sound_flagged: share of the others that are flagged "refuse" or "check".
    """

    vertebrae: int
    failures: int
    refused: int
    precision: float
    recall: float
    flagged: float
    sound_flagged: float


def usable(cases: Sequence[QualityCase]) -> list[QualityCase]:
    """Return the vertebrae that can be judged: no refused cases, and none whose fault nothing could betray."""
    return [case for case in cases if case.level is not None and case.fault != INVISIBLE]


def fit_calibration(cases: Sequence[QualityCase]) -> tuple[Calibration, np.ndarray]:
    """Return the calibration of one kind of evidence, and for each of ``usable(cases)`` its probability out of sample.

    The probabilities are (n,); the thresholds are set on them. Every round of cases (one spine) is left out in turn.
    """
    used = usable(cases)
    rounds = np.array([case.seed for case in used])
    probability = np.zeros(len(used))
    for number in np.unique(rounds):
        kept = [case for case, seed in zip(used, rounds, strict=True) if seed != number]
        model = _fitted(kept or used)
        for i in np.flatnonzero(rounds == number):
            probability[i] = model.probability(used[i].features)
    failed = np.array([case.error_mm > FAILURE_MM for case in used])
    refuse = _refuse_from(probability, failed)
    check = min(refuse, float(np.quantile(probability[failed], 1.0 - _CHECK_RECALL)))
    model = _fitted(used)
    return Calibration(FAILURE_MM, model.intercept, model.terms, round(check, 3), round(refuse, 3)), probability


def _refuse_from(probability: np.ndarray, failed: np.ndarray) -> float:
    """Return the smallest probability from which on the flag is right often enough."""
    order = np.argsort(-probability)
    right = np.cumsum(failed[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(right >= _REFUSE_PRECISION)
    return float(probability[order][good[-1]]) if len(good) else 1.0


def _fitted(cases: Sequence[QualityCase]) -> Calibration:
    from scipy.optimize import minimize

    failed = np.array([case.error_mm > FAILURE_MM for case in cases], dtype=float)
    terms = {name: term for name in (*LEVEL_FEATURES, *CASE_FEATURES) if (term := _scaled(name, cases))}
    excess = np.array([[_excess(case, name, term) for name, term in terms.items()] for case in cases])
    design = np.hstack([excess, excess**2])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logit = weights[0] + design @ weights[1:]
        probability = 1.0 / (1.0 + np.exp(-logit))
        value = float(np.mean(np.logaddexp(0.0, logit) - failed * logit)) + _RIDGE * float(weights[1:] @ weights[1:])
        slope = (probability - failed) / len(failed)
        return value, np.concatenate([[slope.sum()], design.T @ slope + 2 * _RIDGE * weights[1:]])

    start = np.concatenate([[-3.0], np.full(design.shape[1], 0.1)])
    bounds = [(None, None)] + [(0.0, None)] * design.shape[1]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000}).x
    count = len(terms)
    ready = {
        name: FeatureTerm(term.usual, term.most, round(float(found[1 + i]), 4), round(float(found[1 + count + i]), 4))
        for i, (name, term) in enumerate(terms.items())
    }
    ready = {name: term for name, term in ready.items() if term.weight or term.curvature}
    return Calibration(FAILURE_MM, round(float(found[0]), 4), ready, 0.0, 1.0)


def _scaled(name: str, cases: Sequence[QualityCase]) -> FeatureTerm | None:
    """Return where a feature begins and ceases to count; None if it is the same throughout."""
    known = np.array([case.features[name] for case in cases if name in case.features])
    sound = [case.features[name] for case in cases if case.fault == "none" and name in case.features]
    if not len(known) or np.ptp(known) == 0:
        return None
    usual = 0.0 if name in _SHARES or not sound else float(np.median(sound))
    high = float(np.quantile(known, _MOST_QUANTILE))
    most = high if usual <= 0 else float(np.log(max(high, 1.01 * usual) / usual))
    return FeatureTerm(round(usual, 4), round(min(max(most, 1e-3), _MOST), 4), 0.0, 0.0)


def _excess(case: QualityCase, name: str, term: FeatureTerm) -> float:
    return term.excess(case.features[name]) if name in case.features else 0.0


def figures(flags: Sequence[str], errors_mm: Sequence[float]) -> FlagFigures:
    """Return what flags are worth against true errors in mm."""
    failed = np.asarray(errors_mm) > FAILURE_MM
    refused = np.array([flag == "refuse" for flag in flags], dtype=bool)
    flagged = np.array([flag != "ok" for flag in flags], dtype=bool)

    def share(of: np.ndarray, among: np.ndarray) -> float:
        return float(of[among].mean()) if among.any() else float("nan")

    return FlagFigures(
        len(failed),
        int(failed.sum()),
        int(refused.sum()),
        share(failed, refused),
        share(refused, failed),
        share(flagged, failed),
        share(flagged, ~failed),
    )


def calibration_content(
    calibrations: Mapping[str, Calibration], cases: Sequence[QualityCase], results: Mapping[str, FlagFigures]
) -> dict:
    """Return the content of Quality.json.

    Args:
        calibrations: {part: calibration}.
        cases: what they were found on.
        results: {part: figures out of sample on these cases}.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "about": "Probability that the mean surface error of a vertebra exceeds failure_mm; made by 'lumbar-biplanar "
        "benchmark quality' on simulated cases. usual: median of the feature where nothing is wrong; most: largest "
        "logarithm of its excess that counts.",
        "failure_mm": FAILURE_MM,
    }
    for part, calibration in calibrations.items():
        used = [case for case in usable(cases) if part_of(case.features) == part]
        content[part] = {
            "intercept": calibration.intercept,
            "check": calibration.check,
            "refuse": calibration.refuse,
            "features": {name: asdict(term) for name, term in calibration.terms.items()},
            "calibrated_on": {
                "people": sorted({name for case in used for name in case.spine.split("+")}),
                "faults": sorted({case.fault for case in used}),
                **{key: round(value, 3) for key, value in asdict(results[part]).items()},
            },
        }
    return content
