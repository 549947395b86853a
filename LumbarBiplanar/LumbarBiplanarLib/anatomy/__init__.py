"""Levels, regions, the landmark set and the landmarks seen on a film: data, no algorithms."""

from .landmarks import LANDMARK_NAMES, Landmark, load_landmarks, opposite_side
from .levels import LUMBAR_LEVELS, Level, parse_level
from .observations import FilmLandmarks, LandmarkObservation
from .regions import REGION_WEIGHTS, Region

__all__ = [
    "LANDMARK_NAMES",
    "LUMBAR_LEVELS",
    "REGION_WEIGHTS",
    "FilmLandmarks",
    "Landmark",
    "LandmarkObservation",
    "Level",
    "Region",
    "load_landmarks",
    "opposite_side",
    "parse_level",
]
