"""The subcommands of ``lumbar-biplanar``, one file each.

A command is a module with SUMMARY, EPILOG (examples), ``add_arguments(parser)`` and ``run(args)``; it may have a
DESCRIPTION. What it needs to do its work it imports when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_HOMES = {
    "reconstruct": ".reconstruct",
    "geometry": ".geometry",
    "demo": ".demo",
    "synthesize": ".synthesize",
    "evaluate": ".evaluate",
    "register-ct": ".register_ct",
    "shape-model": ".shape_model",
    "train": "..training.command",
    "benchmark": ".benchmark",
}
COMMANDS = tuple(_HOMES)


def command(name: str) -> ModuleType:
    """Return the module of a subcommand."""
    return import_module(_HOMES[name], __name__)
