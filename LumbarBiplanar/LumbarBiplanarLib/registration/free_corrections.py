"""Which corrections of the films' geometry a registration is to find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..anatomy import Level
from ..geometry import View
from ..geometry.limits import nearest_to_beams
from .corrections import Correction, Corrections
from .options import Options

_AXES = "ras"


def free_corrections(options: Options, views: Sequence[View], levels: Sequence[Level], spine_ras_mm) -> Corrections:
    """Return the shared unknowns that the options set free, all at the stated geometry.

    Args:
        options: standard deviations of the priors; 0 leaves a number as it is stated.
        views: AP and lateral view.
        levels: vertebrae of the registration.
        spine_ras_mm: (3,) middle of the spine, about which the patient turns.
    """
    center = nearest_to_beams(views)
    found: list[Correction] = []
    if options.calibrate_angle_sd_deg:
        found.append(_angle(views, options.calibrate_angle_sd_deg))
    # A view that is turned and moved one way shows the patient as if turned and moved the other way.
    found += _rigid("lateral", -1.0, options.calibrate_pose_sd_deg, options.calibrate_pose_sd_mm, np.zeros(3))
    if options.calibrate_distance_sd_mm:
        found += [
            Correction(f"distance_{view.name.lower()}", "mm", options.calibrate_distance_sd_mm, view=view.name)
            for view in views
        ]
    arm = center - np.asarray(spine_ras_mm, dtype=np.float64)
    found += _rigid("motion", 1.0, options.motion_sd_deg, options.motion_sd_mm, arm)
    for level in levels:
        sd = (options.level_motion_sd_deg, options.level_motion_sd_mm)
        found += _rigid(f"motion_{level.name}", 1.0, *sd, np.zeros(3), level)
    if options.density_sd:
        found += [Correction(f"density_{x.name}", "", options.density_sd, level=x, density=True) for x in levels]
    return Corrections(tuple(found), np.zeros(len(found)), center)


def _angle(views: Sequence[View], sd_deg: float) -> Correction:
    """Return the error of the angle: the lateral view turns about the isocentre, in the plane of the beams."""
    axis = np.cross(views[0].beam_ras, views[1].beam_ras)
    twist = np.concatenate([-axis / np.linalg.norm(axis), np.zeros(3)])
    return Correction("angle", "deg", float(np.deg2rad(sd_deg)), twist)


def _rigid(name: str, sign: float, sd_deg: float, sd_mm: float, arm: np.ndarray, level=None) -> list[Correction]:
    """Return rotations about, and translations along, the RAS axes; the rotations' center is ``arm`` away."""
    found = []
    for row, axis in enumerate(_AXES):
        unit = sign * np.eye(3)[row]
        if sd_deg:
            twist = np.concatenate([unit, np.cross(unit, arm)])
            found.append(Correction(f"{name}_rotation_{axis}", "deg", float(np.deg2rad(sd_deg)), twist, level))
        if sd_mm:
            twist = np.concatenate([np.zeros(3), unit])
            found.append(Correction(f"{name}_translation_{axis}", "mm", sd_mm, twist, level))
    return found
