"""How a point of the patient becomes a pixel of a film, and back: views, film pairs, frames, triangulation."""

from .frames import (
    ras_from_lps,
    rotation_from_vector,
    similarity_fit,
    transform_points,
    vector_from_rotation,
)
from .pair import FilmPair, load_geometry, save_geometry, standard_pair
from .settings import GeometrySettings
from .standard import FilmFacts, standard_settings, standard_view
from .triangulation import epipolar_line, triangulate
from .view import View

__all__ = [
    "FilmFacts",
    "FilmPair",
    "GeometrySettings",
    "View",
    "epipolar_line",
    "load_geometry",
    "ras_from_lps",
    "rotation_from_vector",
    "save_geometry",
    "similarity_fit",
    "standard_pair",
    "standard_settings",
    "standard_view",
    "transform_points",
    "triangulate",
    "vector_from_rotation",
]
