"""The named landmarks of a lumbar vertebra (Resources/Landmarks.json)."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

from ..resources import resource_path
from .regions import Region

# The order of landmarks in every array over landmarks; Landmarks.json lists the same names in the same order.
LANDMARK_NAMES: tuple[str, ...] = (
    "superior_endplate_centre",
    "superior_endplate_anterior",
    "superior_endplate_posterior",
    "superior_endplate_left",
    "superior_endplate_right",
    "inferior_endplate_centre",
    "inferior_endplate_anterior",
    "inferior_endplate_posterior",
    "inferior_endplate_left",
    "inferior_endplate_right",
    "pedicle_left",
    "pedicle_right",
    "transverse_tip_left",
    "transverse_tip_right",
    "spinous_tip",
    "spinous_base",
    "superior_articular_tip_left",
    "superior_articular_tip_right",
    "inferior_articular_tip_left",
    "inferior_articular_tip_right",
)


@dataclass(frozen=True)
class Landmark:
    """One landmark of a vertebra.

    Attributes:
        name: key used in files and code; left and right are the patient's.
        title: what a clinician reads.
        region: region of the vertebra.
        visible_ap, visible_lateral: whether a reader can usually place it on that film.
        weight: relative weight in a registration.
        sigma_ap_mm, sigma_lateral_mm: expected standard deviation of a detected position per axis, in the object
            plane, in mm.
    """

    name: str
    title: str
    region: Region
    visible_ap: bool
    visible_lateral: bool
    weight: float
    sigma_ap_mm: float
    sigma_lateral_mm: float


@functools.lru_cache(maxsize=1)
def load_landmarks() -> tuple[Landmark, ...]:
    """Return the landmarks of a lumbar vertebra, in the order of ``LANDMARK_NAMES``.

    Raises:
        ValueError: if Landmarks.json does not list exactly ``LANDMARK_NAMES`` in order.
    """
    path = resource_path("Landmarks.json")
    entries = json.loads(path.read_text(encoding="utf-8"))["landmarks"]
    names = tuple(entry["name"] for entry in entries)
    if names != LANDMARK_NAMES:
        raise ValueError(f"{path}: the landmarks must be {LANDMARK_NAMES}, in this order; found {names}.")
    return tuple(Landmark(**{**entry, "region": Region[entry["region"].upper()]}) for entry in entries)


def opposite_side(name: str) -> str:
    """Return the name of the landmark on the other side of a vertebra; one in the middle is its own."""
    other = name.replace("left", "right") if "left" in name else name.replace("right", "left")
    return other if other in LANDMARK_NAMES else name
