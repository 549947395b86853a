"""What a running case yields, and what it ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import Level
from ..measurement import Measurements, Vertebra
from ..shape import ShapeModel
from .case import Case

if TYPE_CHECKING:
    from ..network import Detection
    from ..registration import FilmEvidence, Options, Quality, Reconstruction, RegistrationState

STAGES = ("detection", "registration", "measurement")


@dataclass(frozen=True, eq=False)
class Deviations:
    """Standard deviations of the surface and pose of a vertebra.

    Attributes:
        surface_mm: (V,) of the surface along its normal, in mm.
        rotation_deg: (3,) of the orientation, in degrees, about right, anterior and superior.
        translation_mm: (3,) of the position, in mm, along them.
    """

    surface_mm: np.ndarray
    rotation_deg: np.ndarray
    translation_mm: np.ndarray


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What came out of a case.

    Attributes:
        case: the input.
        model: shape model that was registered.
        detections: per view name, what the network found; without the films that needed no network.
        evidence: what the registration used, (AP, lateral).
        options: settings of the registration.
        reconstruction: poses, shapes and surfaces, RAS mm.
        vertebrae: what was measured on.
        measurements: the quantities.
        seconds: wall time of each of ``STAGES`` and "total".
        device: device of network and registration.
        warnings: what the user should know, of all stages.
        quality: how far each level can be trusted; empty as long as it is not known.
        deviations: standard deviations of each level as the result was stored with; else the registration's state knows
            them (``certainty.deviations_of``).
    """

    case: Case
    model: ShapeModel
    detections: Mapping[str, Detection]
    evidence: tuple[FilmEvidence, FilmEvidence]
    options: Options
    reconstruction: Reconstruction
    vertebrae: tuple[Vertebra, ...]
    measurements: Measurements
    seconds: Mapping[str, float]
    device: str
    warnings: tuple[str, ...]
    quality: Mapping[Level, Quality] = field(default_factory=dict)
    deviations: Mapping[Level, Deviations] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Step:
    """Where a running case is.

    Attributes:
        stage: one of ``STAGES``.
        message: what is being done, for people.
        fraction: share of the stage that is done, 0 to 1.
        state: the registration's state, to draw, or None.
        result: set in the last step of a registration, and, without intervals, in the one before these are looked for.
        detections: per view name, what the network has found so far; set in the steps that follow a film.
        warnings: what the detection has to say besides; set together with ``detections``.
    """

    stage: str
    message: str
    fraction: float
    state: RegistrationState | None = None
    result: CaseResult | None = None
    detections: Mapping[str, Detection] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
