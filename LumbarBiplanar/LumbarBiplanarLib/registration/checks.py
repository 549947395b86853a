"""What a finished registration should warn about."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from ..anatomy import LANDMARK_NAMES, Level, load_landmarks
from ..geometry.frames import AXES_IN_WORDS
from .corrections import Corrections
from .evidence import FilmEvidence
from .poses import VertebraState

OUTVOTED_SD = 4.0
_IGNORED_MM = 3.0
# Median length of a vector of two standard normal numbers.
MEDIAN_OF_NORMAL_PAIR = 1.1774
_GAIN_RANGE = (0.7, 1.4)
_FAR_SD = 2.5
_CLOSE_MM = 20.0
_UNUSUAL_SCALE_SD = 3.0
_LEAST_UNUSUAL_SCALE = 0.03  # a rigid model knows no other size at all
_NO_GAIN = 0.2  # what noise comes out at
_RESIDUAL_RATIO = 2.0
_RESIDUAL_FLOOR_MM = 4.0


def landmark_warnings(
    evidence: Sequence[FilmEvidence],
    residuals: Mapping[str, Mapping[tuple[Level, str], tuple[float, float]]],
) -> list[str]:
    """Name the landmarks that the result does not pass through: outvoted ones, and set ones it could not reach."""
    warnings = []
    for film in evidence:
        outvoted, missed = [], []
        entries = residuals.get(film.view.name, {})
        # A film whose landmarks are all worse than their sigma says is no reason to name every one of them.
        spread = np.median([value for _, value in entries.values()]) / MEDIAN_OF_NORMAL_PAIR if entries else 1.0
        for (level, name), (distance, deviations) in entries.items():
            if film.landmarks[level, name].corrected:
                if distance > _IGNORED_MM:
                    missed.append(_named(level, name, distance))
            elif deviations > OUTVOTED_SD * max(1.0, spread):
                outvoted.append(_named(level, name, distance))
        if outvoted:
            warnings.append(
                f"On the {film.view.name} film these landmarks disagree with everything else and were outvoted: "
                f"{'; '.join(outvoted)}. Check them."
            )
        if missed:
            warnings.append(
                f"On the {film.view.name} film the model cannot reach these landmarks although they were set by hand: "
                f"{'; '.join(missed)}. Check that they are on the right vertebra."
            )
    return warnings


def _named(level: Level, name: str, distance_mm: float) -> str:
    """Return a landmark as a clinician reads it, with how far it is from the result."""
    title = load_landmarks()[LANDMARK_NAMES.index(name)].title
    return f"{level.name} {title[0].lower()}{title[1:]} ({distance_mm:.1f} mm)"


def shape_warnings(vertebrae: Sequence[VertebraState], log_scale_sd: float) -> list[str]:
    """Name vertebrae of unlikely size, and neighbors that lie on each other."""
    warnings = []
    usual = max(_UNUSUAL_SCALE_SD * log_scale_sd, _LEAST_UNUSUAL_SCALE)
    sizes = [f"{x.level.name} {100 * (x.scale - 1):+.0f} %" for x in vertebrae if abs(x.log_scale) > usual]
    if sizes:
        warnings.append(
            f"Unlikely sizes against the mean vertebra: {', '.join(sizes)}. Check pixel spacing and source distances."
        )
    for upper, lower in itertools.pairwise(vertebrae):
        distance = float(np.linalg.norm(upper.translation_mm - lower.translation_mm))
        if distance < _CLOSE_MM:
            warnings.append(
                f"{upper.level.name} and {lower.level.name} are only {distance:.0f} mm apart: their landmarks may sit "
                "on the same vertebra."
            )
    return warnings


def correction_notes(corrections: Corrections, sd: Mapping[str, float] | None) -> list[str]:
    """Say what was corrected, how surely, and where a correction is larger than its prior lets one believe.

    Args:
        corrections: what was found.
        sd: standard deviations in the units of the report; None if they are unknown.
    """
    if not len(corrections):
        return []
    found = corrections.reported()
    common = [item for item in corrections.unknowns if item.level is None]
    told = []
    for item in common:
        unit = {"deg": " degrees", "mm": " mm"}.get(item.unit, "")
        spread = f" ± {sd[item.name]:.2f}" if sd else " (uncertainty unknown)"
        told.append(f"{item.title} {found[item.name]:+.2f}{spread}{unit}")
    notes = []
    if told:
        axes = f" {AXES_IN_WORDS}." if any(item.twist is not None and item.name != "angle" for item in common) else ""
        notes.append(f"The geometry was corrected from the films themselves: {', '.join(told)}.{axes}")
    single = [abs(found[item.name]) for item in corrections.unknowns if item.level is not None and item.unit == "mm"]
    if single:
        notes.append(f"Single vertebrae were moved between the films by up to {max(single):.1f} mm along an axis.")
    densities = [1.0 + found[item.name] for item in corrections.unknowns if item.density]
    if densities:
        notes.append(f"The vertebrae came out {min(densities):.2f} to {max(densities):.2f} times as dense as usual.")
    far = [
        item.title for item in corrections.unknowns if abs(found[item.name]) > _FAR_SD * item.reported(item.prior_sd)
    ]
    if far:
        notes.append(
            f"These corrections are more than {_FAR_SD:g} standard deviations of what was thought possible: "
            f"{', '.join(far)}. Check the geometry file and the landmarks."
        )
    return notes


def gain_warnings(gain: Mapping[str, float]) -> list[str]:
    """Say so if a lumbar-only image is not in mm of bone, or does not show the vertebrae where they are."""
    warnings = []
    for name, value in gain.items():
        if value < _NO_GAIN:
            warnings.append(
                f"The lumbar-only image of the {name} film shows no bone where the vertebrae ended (strength "
                f"{value:.2f}): image, landmarks and geometry do not belong together. Check the landmarks first."
            )
        elif not _GAIN_RANGE[0] <= value <= _GAIN_RANGE[1]:
            warnings.append(
                f"The lumbar-only image of the {name} film is {value:.2f} times as strong as the bone the model puts "
                f"there (usual: {_GAIN_RANGE[0]} to {_GAIN_RANGE[1]}). Check that it is in mm of bone."
            )
    return warnings


def residual_warnings(residuals: Mapping[str, Mapping[Level, float]]) -> list[str]:
    """Name the levels whose image residual stands out from the others'."""
    warnings = []
    for name, by_level in residuals.items():
        usual = float(np.median(list(by_level.values()))) if by_level else 0.0
        for level, value in by_level.items():
            if value > max(_RESIDUAL_FLOOR_MM, _RESIDUAL_RATIO * usual):
                warnings.append(
                    f"On the {name} film {level.name} does not match its image (residual {value:.1f} mm of bone, "
                    f"median of the levels {usual:.1f} mm). Look at its outline; move a landmark if it is off."
                )
    return warnings
