"""The tie between the widgets of the form and the parameter node, which can be undone without a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import vtk

PROPERTY = "SlicerParameterName"


class ParameterBinding:
    """Keeps widgets and a parameter node alike, and tells of every change of the node.

    The wrapper of Slicer 5.10 leaves an observer on the node each time widgets are connected to it, so every opening of
    the module would make a change of a parameter a little slower. The tags of a node's observers are counted up: those
    that came in while the widgets were connected are the ones to remove afterwards. Its ``connectGui`` returns no tag.

    Args:
        parameters: the ``CaseParameters``.
        ui: the widgets of the form by object name.
        changed: called after every change of the node.
    """

    def __init__(self, parameters: Any, ui: SimpleNamespace, changed: Callable[[], None]) -> None:
        self.parameters, self._node = parameters, parameters.parameterNode
        first = self._next_tag()
        self._gui_tag = parameters.connectParametersToGui(bound_widgets(ui))
        self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_args: changed())
        self._tags = range(first, self._next_tag())

    def release(self) -> None:
        """Undo the tie; neither the widgets nor the node change."""
        self.parameters.disconnectGui(self._gui_tag)
        for tag in self._tags:
            self._node.RemoveObserver(tag)

    def _next_tag(self) -> int:
        """Return the tag that the next observer of the node will get."""
        tag = self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_args: None)
        self._node.RemoveObserver(tag)
        return tag + 1


def bound_widgets(ui: SimpleNamespace) -> Mapping[str, Any]:
    """Return the widgets that show a parameter, by its name."""
    named = ((widget.property(PROPERTY), widget) for widget in vars(ui).values())
    return {str(name): widget for name, widget in named if name}
