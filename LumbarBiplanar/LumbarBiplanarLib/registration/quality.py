"""The quality flag of a reconstructed vertebra: ok, check or refuse, with its reasons in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..anatomy import Level
from .quality_calibration import Calibration, load_calibrations, part_of

if TYPE_CHECKING:
    from .state import RegistrationState

OK, CHECK, REFUSE = "ok", "check", "refuse"
FLAGS = (OK, CHECK, REFUSE)
_MOST_REASONS = 3
# What adds less than this to the logit is no reason.
_LEAST_CONTRIBUTION = 0.25
# A vertebra that so many landmarks of a film contradict is looked at, however likely it is to be right: 1 of 340 of the
# simulated vertebrae with nothing wrong (docs/benchmarks/quality.csv) is.
_OUTVOTED, _CONTRADICTED = "landmark_outliers", 0.3
# {feature: (what is wrong, what to do)}; features with one remedy in common give one reason.
_LOOK = "Look at its outline on both films and move landmarks that are off."
_NAMES = "Check the names of the levels in both films, and that landmarks sit on their own vertebra."
_GEOMETRY = "Check geometry, pixel size and mirroring of both films, and whether the patient moved between them."
_IMAGES = "Check the lumbar-only images, or leave them out."
_WORDS = {
    "image_mm": ("it does not match its image (residual {:.1f} mm of bone)", _LOOK),
    "image_ratio": ("it matches its image {:.1f} times worse than the other levels do", _LOOK),
    "outside": ("{:.0%} of it lies beyond the edge of a film", "Use films that show the whole vertebra."),
    "unseen": ("{:.0%} of its landmarks are missing on a film", "Add landmarks on this level."),
    "tension_sd": ("images and landmarks pull it apart ({:.1f} standard deviations)", _LOOK),
    "landmark_sd": ("its landmarks are {:.1f} times as far off as usual", _LOOK),
    "landmark_outliers": ("{:.0%} of its landmarks in one film were outvoted", _LOOK),
    "landmark_shift_mm": ("its landmarks in one film lie {:.1f} mm to one side of it", _LOOK),
    "landmark_shift_x_mm": ("its landmarks in one film lie {:.1f} mm beside it", _LOOK),
    "epipolar_mm": ("landmarks of the two films miss each other by {:.1f} mm", _NAMES),
    "epipolar_shift_mm": ("the two films place it {:.1f} mm apart along the spine", _NAMES),
    "shape_sd": ("its shape is unlikely (modes of {:.1f} standard deviations)", _LOOK),
    "size_sd": ("its size is unlikely ({:.1f} standard deviations from the mean)", _GEOMETRY),
    "disc_sd": ("the gap to its neighbor is unlikely ({:.1f} standard deviations)", _NAMES),
    "turn_sd": ("its angle to its neighbor is unlikely ({:.1f} standard deviations)", _NAMES),
    "surface_sd_mm": ("films and landmarks fix its surface to {:.1f} mm only", "Add landmarks on this level."),
    "gain_log": ("a lumbar-only image is too weak or too strong (factor {:.1f})", _IMAGES),
    "case_image_mm": ("the vertebrae do not match the images (residual {:.1f} mm of bone)", _IMAGES),
    "case_landmark_sd": ("landmarks of all levels are {:.1f} times as far off as usual", _GEOMETRY),
    "case_epipolar_shift_mm": ("the two films are {:.1f} mm apart along the spine", _GEOMETRY),
    "case_shift_x_mm": ("landmarks of all levels lie {:.1f} mm beside the vertebrae", _GEOMETRY),
    "case_shape_sd": ("the shapes of all levels are unlikely ({:.1f} standard deviations)", _GEOMETRY),
    "case_size_sd": ("the size of the spine is unlikely ({:.1f} standard deviations)", _GEOMETRY),
    "worst_interval_sd": ("two vertebrae stand unlikely to each other ({:.1f} standard deviations)", _NAMES),
    "no_image": ("{:.0f} of the films have no lumbar-only image", "Expect errors of more than 1 mm."),
}


@dataclass(frozen=True)
class Quality:
    """How far a reconstructed vertebra can be trusted.

    Attributes:
        flag: "ok", "check" (look before you use it) or "refuse" (do not use it).
        reasons: what speaks against it and what to do, the heaviest first; empty if it is ok.
        probability: that its mean surface error is above 2 mm, on cases like the simulated ones
            (docs/benchmarks/quality.csv).
    """

    flag: str
    reasons: tuple[str, ...]
    probability: float


def assess(state: RegistrationState) -> dict[Level, Quality]:
    """Return the quality of every level of a finished registration; finds its posterior if it is not known yet.

    Args:
        state: the last state of a registration (``Reconstruction.final_state``).

    Returns:
        {level: quality}, cranial first.

    Raises:
        RegistrationError: if the module's calibration is missing or damaged.
    """
    from .quality_features import quality_features  # needs PyTorch, which those who only show a flag may not have

    return {level: judged(features) for level, features in quality_features(state).items()}


def judged(features: Mapping[str, float], calibration: Calibration | None = None) -> Quality:
    """Return the quality of one vertebra from its features.

    Args:
        features: as ``quality_features`` gives them for a level.
        calibration: None means that of the module for such evidence.
    """
    calibration = load_calibrations()[part_of(features)] if calibration is None else calibration
    probability = calibration.probability(features)
    if not math.isfinite(probability):
        bad = ", ".join(name for name, value in features.items() if not math.isfinite(value))
        text = f"It cannot be judged: {bad or 'its misfit'} is not a finite number. Register it afresh."
        return Quality(REFUSE, (text,), 1.0)
    flag = flag_for(probability, features, calibration)
    if flag == CHECK and probability < calibration.check:
        what, remedy = _WORDS[_OUTVOTED]
        return Quality(flag, (f"{_capital(what.format(features[_OUTVOTED]))}. {remedy}",), probability)
    return Quality(flag, () if flag == OK else _reasons(features, calibration), probability)


def flag_for(probability: float, features: Mapping[str, float], calibration: Calibration) -> str:
    """Return the flag of a vertebra of this probability of failure; one that its landmarks contradict is never ok."""
    if probability >= calibration.refuse:
        return REFUSE
    contradicted = features.get(_OUTVOTED, 0.0) >= _CONTRADICTED
    return CHECK if contradicted or probability >= calibration.check else OK


def worst_flag(qualities: Iterable[Quality]) -> str:
    """Return the flag of a case: the worst of its levels; "ok" if there is none."""
    return max((item.flag for item in qualities), key=FLAGS.index, default=OK)


def _reasons(features: Mapping[str, float], calibration: Calibration) -> tuple[str, ...]:
    added = calibration.contributions(features)
    ordered = sorted((name for name in added if name in _WORDS), key=lambda name: -added[name])
    chosen = [name for name in ordered[:_MOST_REASONS] if added[name] >= _LEAST_CONTRIBUTION] or ordered[:1]
    by_remedy: dict[str, list[str]] = {}
    for name in chosen:
        what, remedy = _WORDS[name]
        by_remedy.setdefault(remedy, []).append(what.format(_shown(name, features[name])))
    return tuple(f"{_capital('; '.join(what))}. {remedy}" for remedy, what in by_remedy.items())


def _shown(name: str, value: float) -> float:
    """Return the value as people read it: the gain as a factor, not as its logarithm."""
    return math.exp(value) if name == "gain_log" else value


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
