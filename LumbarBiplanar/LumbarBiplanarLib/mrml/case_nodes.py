"""The nodes of a case: which node of the scene is what, held by the parameter node."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import StudyError
from .films import VIEW_NAMES
from .landmarks import is_landmark_list
from .parameters import NODE_FIELDS, wrap_parameters

MODULE_NAME = "LumbarBiplanar"
_PREFIXES = {"AP": "ap", "lateral": "lateral"}


class CaseNodes:
    """Part of ``CaseLogic``: the parameter node, and the nodes it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self._parameters: Any = None

    @property
    def scene(self) -> Any:
        """The scene that everything is done in: Slicer's own."""
        return slicer.mrmlScene

    @property
    def parameters(self) -> Any:
        """The ``CaseParameters`` of the scene; made if there is none yet."""
        node = self._parameter_node()
        if self._parameters is None or self._parameters.parameterNode is not node or self._is_stale():
            self.renewParameters()
        return self._parameters

    def getParameterNode(self) -> Any:
        """Return the ``CaseParameters`` of the scene; made if there is none yet."""
        return self.parameters

    def renewParameters(self) -> Any:
        """Return new ``CaseParameters`` over the scene's parameter node; needed after a scene was loaded."""
        self._parameters = wrap_parameters(self._parameter_node())
        return self._parameters

    def sceneClosing(self) -> None:
        """Forget everything that belongs to the scene; called before it is closed."""
        self._parameters = None

    def filmNode(self, viewName: str) -> Any:
        """Return the film node of a view ("AP" or "lateral"), or None."""
        return self._node(viewName, "Film")

    def landmarkNode(self, viewName: str) -> Any:
        """Return the landmark list of a view ("AP" or "lateral"), or None; one whose points were removed is none."""
        node = self._node(viewName, "Landmarks")
        return node if is_landmark_list(node) else None

    def lumbarImageNode(self, viewName: str) -> Any:
        """Return the lumbar-only image of a view ("AP" or "lateral"), or None."""
        return self._node(viewName, "LumbarImage")

    def _node(self, view_name: str, kind: str) -> Any:
        return getattr(self.parameters, _field(view_name, kind))

    def _set_node(self, view_name: str, kind: str, node: Any) -> None:
        setattr(self.parameters, _field(view_name, kind), node)

    def _film_nodes(self) -> dict[str, Any]:
        """Return both film nodes by view name; raises StudyError if one is missing."""
        nodes = {name: self.filmNode(name) for name in VIEW_NAMES}
        missing = [name for name, node in nodes.items() if node is None]
        if len(missing) == 2:
            raise StudyError(_("There are no films yet. Load an AP and a lateral film, or the sample study."))
        if missing:
            raise StudyError(_("The {view} film is missing. Load it.").format(view=missing[0]))
        return nodes

    def _parameter_node(self) -> Any:
        """Return the scene's parameter node as Slicer's own modules make theirs: one per scene."""
        scene = self.scene
        if scene is None:
            raise StudyError(_("There is no scene to work in."))
        node = scene.GetSingletonNode(MODULE_NAME, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(MODULE_NAME)
            node.SetName(scene.GenerateUniqueName(MODULE_NAME))
            node = scene.AddNode(node)
        if node.GetAttribute("ModuleName") != MODULE_NAME:  # closing a scene takes it away
            node.SetAttribute("ModuleName", MODULE_NAME)
        return node

    def _is_stale(self) -> bool:
        """Whether the wrapper keeps other nodes than the parameter node refers to, as it does after a scene load."""
        node = self._parameters.parameterNode
        return any(getattr(self._parameters, name) is not node.GetNodeReference(name) for name in NODE_FIELDS)


def _field(view_name: str, kind: str) -> str:
    if view_name not in _PREFIXES:
        raise StudyError(_("There is no {name} film; use AP or lateral.").format(name=repr(view_name)))
    return f"{_PREFIXES[view_name]}{kind}"
