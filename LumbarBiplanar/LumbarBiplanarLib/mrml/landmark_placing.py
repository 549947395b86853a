"""Placing one landmark with the next click into its film, in Slicer's place mode."""

from __future__ import annotations

from collections.abc import Callable

import slicer

from .landmarks import DEFINED, read_record, settle, write_records

_SELECTION_ID, _INTERACTION_ID = "vtkMRMLSelectionNodeSingleton", "vtkMRMLInteractionNodeSingleton"


class LandmarkPlacing:
    """Puts one point of a landmark list under the mouse pointer until it is clicked into place, or given up.

    In a list of fixed length, place mode takes the first point that is Undefined and skips those that are Missing:
    all points but the one to be placed are made Missing, or have a position. However place mode ends (a click, Escape,
    a tool bar, another list, the list deleted), the point ends up placed, or as it was before.
    """

    def __init__(self, ended: Callable[[bool], None]) -> None:
        """Prepare; ``ended(placed)`` is called once for every ``start``."""
        self._ended = ended
        self._node = None
        self._index = 0
        self._before = None
        self._tags: list[tuple[object, int]] = []
        self._place_node_id_before = None
        self._persistence_before = 0

    @property
    def point(self) -> tuple[object, int] | None:
        """The list and point that is being placed, or None."""
        return None if self._node is None else (self._node, self._index)

    def start(self, node, index: int) -> None:
        """Let the next click into the film of ``node`` place point ``index``."""
        self.cancel()
        scene = node.GetScene()
        settle(node)
        selection, interaction = scene.GetNodeByID(_SELECTION_ID), scene.GetNodeByID(_INTERACTION_ID)
        self._node, self._index, self._before = node, index, read_record(node, index)
        node.UnsetNthControlPointPosition(index)
        self._place_node_id_before = selection.GetActivePlaceNodeID()
        selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
        selection.SetActivePlaceNodeID(node.GetID())
        self._persistence_before = interaction.GetPlaceModePersistence()
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(slicer.vtkMRMLInteractionNode.Place)
        self._tags = [
            (node_, node_.AddObserver(event, lambda *_: self._check()))
            for node_, event in (
                (interaction, slicer.vtkMRMLInteractionNode.InteractionModeChangedEvent),
                (selection, slicer.vtkMRMLSelectionNode.ActivePlaceNodeIDChangedEvent),
                (scene, slicer.vtkMRMLScene.NodeRemovedEvent),
            )
        ]

    def cancel(self) -> None:
        """Give up placing; the point is as it was before."""
        if self._node is None:
            return
        interaction = self._tags[0][0]
        if interaction.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place:
            interaction.SwitchToViewTransformMode()
        self._finish()

    def _check(self) -> None:
        interaction, selection = self._tags[0][0], self._tags[1][0]
        still = interaction.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place
        if self._node.GetScene() is None or selection.GetActivePlaceNodeID() != self._node.GetID() or not still:
            self._finish()

    def _finish(self) -> None:
        if self._node is None:
            return
        node, interaction, selection = self._node, self._tags[0][0], self._tags[1][0]
        for item, tag in self._tags:
            item.RemoveObserver(tag)
        self._node, self._tags = None, []
        interaction.SetPlaceModePersistence(self._persistence_before)
        placed = node.GetScene() is not None and node.GetNthControlPointPositionStatus(self._index) == DEFINED
        if node.GetScene() is not None:
            if not placed:
                write_records(node, {self._index: self._before})
            if selection.GetActivePlaceNodeID() == node.GetID():
                selection.SetActivePlaceNodeID(self._place_node_id_before)
        self._ended(placed)
