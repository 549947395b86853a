"""Differentiable X-ray of closed meshes, and the outlines of their projections.

Importing the package imports no torch; its functions are found when they are first used.
"""

from importlib import import_module

from .device import resolve_device

_WHERE = {
    "PixelJacobian": "jacobian",
    "SharedTangents": "jacobian",
    "Shell": "shell",
    "image_jacobian": "jacobian",
    "render_path_length": "path_length",
    "silhouettes": "silhouette",
}

__all__ = [
    "PixelJacobian",
    "SharedTangents",
    "Shell",
    "image_jacobian",
    "render_path_length",
    "resolve_device",
    "silhouettes",
]


def __getattr__(name: str):
    """Import what torch is needed for when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)
