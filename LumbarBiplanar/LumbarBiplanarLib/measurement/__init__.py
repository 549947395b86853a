"""Measurements on the vertebrae: angles, slip, heights, discs, rotation (definitions in docs/measurements.md)."""

from .frames import PatientFrame, VertebralFrame
from .intervals import Spread
from .measure import measure
from .planes import Plane
from .results import COLUMNS, MeasuredGeometry, Measurement, Measurements, rows, spread_text, title_text, value_text
from .vertebra import Vertebra, vertebrae_from_reconstruction

__all__ = [
    "COLUMNS",
    "MeasuredGeometry",
    "Measurement",
    "Measurements",
    "PatientFrame",
    "Plane",
    "Spread",
    "Vertebra",
    "VertebralFrame",
    "measure",
    "rows",
    "spread_text",
    "title_text",
    "value_text",
    "vertebrae_from_reconstruction",
]
