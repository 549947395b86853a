"""Training the network on films that are drawn from the shape model; see docs/network.md.

Importing the package imports no torch; its functions are found when they are first used.
"""

from importlib import import_module

from .options import TrainingOptions

_WHERE = {"read_context": "anatomy", "build_pool": "pool", "form_film": "films", "train": "loop"}

__all__ = ["TrainingOptions", "build_pool", "form_film", "read_context", "train"]


def __getattr__(name: str):
    """Import what torch is needed for when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)
