"""Frames of the patient and of a vertebra, both after SRS / ISO 2631: x forward, y left, z up, right-handed.

This is not RAS (x right, y anterior, z superior): the axes below are vectors in RAS, so that no point needs converting.
ISB names the same axes differently (x forward, y up, z right).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MeasurementError
from .endplates import Endplate
from .vertebra import Vertebra


@dataclass(frozen=True, eq=False)
class PatientFrame:
    """Axes of the patient, unit vectors in RAS; ``name`` goes into every output."""

    forward: np.ndarray
    left: np.ndarray
    up: np.ndarray
    name: str

    @classmethod
    def world(cls) -> PatientFrame:
        """Return the axes of the RAS world: the patient stands along S and faces A."""
        return cls(
            np.array([0.0, 1.0, 0.0]),
            np.array([-1.0, 0.0, 0.0]),
            np.array([0.0, 0.0, 1.0]),
            "patient axes = world RAS (forward = A, left = L, up = S)",
        )

    @classmethod
    def from_axes(cls, forward: np.ndarray, up: np.ndarray, name: str) -> PatientFrame:
        """Return a frame with ``up`` kept and ``forward`` made orthogonal to it; both (3,) in RAS.

        Raises:
            MeasurementError: if the two are parallel, zero or not finite.
        """
        up, forward = np.asarray(up, dtype=np.float64), np.asarray(forward, dtype=np.float64)
        side = np.cross(up, forward)
        lengths = np.linalg.norm(up), np.linalg.norm(forward), np.linalg.norm(side)
        if not np.isfinite(lengths).all() or lengths[2] <= 1e-6 * lengths[0] * lengths[1] or lengths[2] == 0:
            raise MeasurementError(
                f"Patient frame {name!r}: forward {forward.tolist()} and up {up.tolist()} must be two "
                "different directions."
            )
        z, y = up / lengths[0], side / lengths[2]
        return cls(np.cross(y, z), y, z, name)

    def turned(self, angle_deg: float) -> PatientFrame:
        """Return the axes turned about ``up``, positive: forward turns to the left, as in axial rotation."""
        turn = np.deg2rad(angle_deg)
        forward = np.cos(turn) * self.forward + np.sin(turn) * self.left
        return PatientFrame.from_axes(forward, self.up, f"{self.name}, turned by {angle_deg:.1f} degrees about its up")


@dataclass(frozen=True, eq=False)
class VertebralFrame:
    """Frame of a vertebra.

    Attributes:
        origin_ras_mm: (3,) midway between the centres of the endplates.
        forward, left, up: (3,) unit axes x, y, z in RAS.
    """

    origin_ras_mm: np.ndarray
    forward: np.ndarray
    left: np.ndarray
    up: np.ndarray


def vertebral_frame(vertebra: Vertebra, superior: Endplate | None, inferior: Endplate | None) -> VertebralFrame | None:
    """Return the frame of a vertebra, or None if an endplate or a pedicle is not known.

    Stokes et al. 1994 (SRS working group, Spine 19:236-248): origin midway between the endplate centres, z through
    them, y parallel to the line between the pedicles (made orthogonal to z), x = y x z. The centre of an endplate is
    the foot of its area centroid on its plane.

    Raises:
        MeasurementError: if the centres or the pedicles coincide, or left and right are swapped.
    """
    right, left = vertebra.landmark("pedicle_right"), vertebra.landmark("pedicle_left")
    if superior is None or inferior is None or right is None or left is None:
        return None
    top, bottom = superior.plane.origin_ras_mm, inferior.plane.origin_ras_mm
    z = _unit(top - bottom, f"{vertebra.level.name}: the centres of its endplates")
    across = left - right
    y = _unit(across - (across @ z) * z, f"{vertebra.level.name}: its pedicle landmarks, seen along the body,")
    frame = VertebralFrame(0.5 * (top + bottom), np.cross(y, z), y, z)
    for endplate in (superior, inferior):
        if endplate.anterior is not None and endplate.anterior @ frame.forward <= 0:
            raise MeasurementError(
                f"{vertebra.level.name}: the pedicle called left lies on the patient's right, judged by the anterior "
                "and posterior rim; left and right are the patient's: swap them, or un-mirror the surface."
            )
    return frame


def _unit(vector: np.ndarray, what: str) -> np.ndarray:
    length = np.linalg.norm(vector)
    if length < 1:
        raise MeasurementError(f"{what} are {length:.2f} mm apart; no axis is defined. Check the landmarks.")
    return vector / length
