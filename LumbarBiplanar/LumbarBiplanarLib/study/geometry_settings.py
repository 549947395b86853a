"""What a registration may correct in the geometry of a case: what the geometry says of itself, or a user asks for."""

from __future__ import annotations

from collections.abc import Collection

from ..geometry import FilmPair

# Standard deviations that are assumed where a geometry only says that it is not calibrated, or two exposures.
NOT_CALIBRATED = {"angle_deg": 3.0, "distance_mm": 20.0}
NOT_SIMULTANEOUS = {"motion_deg": 1.0, "motion_mm": 2.0, "level_motion_deg": 0.3, "level_motion_mm": 0.3}
# What a user may ask for, and what is then assumed.
CALIBRATIONS = {
    "angle": {"angle_deg": 3.0},
    "pose": {"rotation_deg": 1.0, "translation_mm": 1.0},
    "distance": {"distance_mm": 20.0},
}
_OPTIONS = {
    "angle_deg": "calibrate_angle_sd_deg",
    "rotation_deg": "calibrate_pose_sd_deg",
    "translation_mm": "calibrate_pose_sd_mm",
    "distance_mm": "calibrate_distance_sd_mm",
    "motion_deg": "motion_sd_deg",
    "motion_mm": "motion_sd_mm",
    "level_motion_deg": "level_motion_sd_deg",
    "level_motion_mm": "level_motion_sd_mm",
}
_MOTION = tuple(NOT_SIMULTANEOUS)


def geometry_settings(
    pair: FilmPair, calibrate: Collection[str] | None = None, motion: bool | None = None
) -> dict[str, float]:
    """Return the registration options that free what is uncertain in a geometry.

    Args:
        pair: geometry. A calibrated pair of simultaneous films that states no uncertainty frees nothing.
        calibrate: keys of ``CALIBRATIONS`` to free, whatever the geometry says, and no others; None leaves that to the
            geometry. Standard deviations that the geometry states are kept.
        motion: the same for the patient's motion between the films.

    Returns:
        {name of the option: standard deviation}, those that are not 0.
    """
    stated = dict(pair.uncertainty)
    free = {**({} if pair.calibrated else NOT_CALIBRATED), **({} if pair.simultaneous else NOT_SIMULTANEOUS), **stated}
    if calibrate is not None:
        asked = {key: sd for name in calibrate for key, sd in CALIBRATIONS[name].items()}
        free = {key: sd for key, sd in free.items() if key in _MOTION or key in asked}
        free = {**asked, **{key: sd for key, sd in free.items() if sd or key not in asked}}
    if motion is not None:
        moving = {key: stated.get(key) or sd for key, sd in NOT_SIMULTANEOUS.items()} if motion else {}
        free = {**{key: sd for key, sd in free.items() if key not in _MOTION}, **moving}
    return {_OPTIONS[key]: sd for key, sd in free.items() if sd}
