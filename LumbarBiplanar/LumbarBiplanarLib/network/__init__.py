"""Finding the lumbar spine on a film: the lumbar-only image and the landmarks of L1 to L5.

Importing the package imports no torch; its functions are found when they are first used.
"""

from importlib import import_module

from .detection import Detection

_WHERE = {
    "NetworkConfig": "model",
    "SpineNetwork": "model",
    "RefineConfig": "refine_model",
    "SpineRefiner": "refine_model",
    "detect": "inference",
    "detect_pair": "inference",
    "join": "inference",
    "look_again": "inference",
    "look_at_view": "other_view",
    "load_refiner": "weights",
    "load_weights": "weights",
    "save_weights": "weights",
}

__all__ = [
    "Detection",
    "NetworkConfig",
    "RefineConfig",
    "SpineNetwork",
    "SpineRefiner",
    "detect",
    "detect_pair",
    "join",
    "load_refiner",
    "load_weights",
    "look_again",
    "look_at_view",
    "save_weights",
]


def __getattr__(name: str):
    """Import what torch is needed for when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)
