"""Stand-in for slicer.parameterNodeWrapper: the part of its behaviour that a module with a typed parameter node meets.

Written from its documentation and from what it was seen to do; the field types are those listed in ``fields``. It
stores values in the node under the same names and texts as Slicer, so scenes are exchangeable.
"""

from __future__ import annotations

import sys
from types import ModuleType

NAMES = {
    "checks": ("Choice", "Exclude", "IsInstance", "Maximum", "Minimum", "NotNone", "Validator", "WithinRange"),
    "connectors": ("Decimals", "SingleStep", "createGuiConnector"),
    "wrapper": ("isParameterNodeWrapper", "parameterNodeWrapper"),
}


def install(slicer) -> None:
    """Make ``slicer.parameterNodeWrapper`` importable."""
    from . import checks, connectors, wrapper

    module = ModuleType("slicer.parameterNodeWrapper")
    for part in (checks, connectors, wrapper):
        for name in NAMES[part.__name__.rpartition(".")[2]]:
            setattr(module, name, getattr(part, name))
    module.SlicerParameterNamePropertyName = connectors.PROPERTY
    sys.modules["slicer.parameterNodeWrapper"] = slicer.parameterNodeWrapper = module
