"""One case on disk: reading its films, running the whole path, writing what came out."""

from .appearance import LEVEL_COLORS
from .case import Case, load_case
from .landmarks_file import FilmEntry, read_landmarks, write_landmarks
from .output import output_folder
from .results import write_result
from .run import detect_case, reconstruct_case, register_case, run_case
from .steps import CaseResult, Step
from .synthetic import write_synthetic_case

__all__ = [
    "LEVEL_COLORS",
    "Case",
    "CaseResult",
    "FilmEntry",
    "Step",
    "detect_case",
    "load_case",
    "output_folder",
    "read_landmarks",
    "reconstruct_case",
    "register_case",
    "run_case",
    "write_landmarks",
    "write_result",
    "write_synthetic_case",
]
