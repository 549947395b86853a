"""2-D/3-D registration of the shape model to two films: initial pose, objective terms, solver."""

from __future__ import annotations

import importlib
from typing import Any

# Loaded on first use, so that importing the package needs no torch.
_HOMES = {
    "FilmEvidence": "evidence",
    "Options": "options",
    "Quality": "quality",
    "Reconstruction": "state",
    "RegistrationState": "state",
    "assess": "quality",
    "initial_poses": "initialization",
    "reconstruct": "solver",
    "register": "solver",
    "register_finely": "solver",
    "sharpened": "sharpening",
    "worst_flag": "quality",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
