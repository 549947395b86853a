"""One folder per case in the subject hierarchy, so that films, landmarks and results stay together."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

CASE = "LumbarBiplanar.Case"


def case_folder(scene: Any, film_node: Any, create: bool = True) -> int | None:
    """Return the subject hierarchy item of the folder that holds a film's case.

    Args:
        scene: MRML scene.
        film_node: one of the case's films.
        create: make the folder, and put the film into it, if there is none.

    Returns:
        The item's id, or None if there is none and none was to be made.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return None
    item = _item_of(hierarchy, film_node)
    parent = hierarchy.GetItemParent(item)
    while parent and parent != hierarchy.GetSceneItemID():
        if hierarchy.GetItemAttribute(parent, CASE):
            return parent
        parent = hierarchy.GetItemParent(parent)
    if not create:
        return None
    # The film may lie in a folder of the user's, or under a DICOM study: the case's folder goes there.
    above = hierarchy.GetItemParent(item) or hierarchy.GetSceneItemID()
    folder = hierarchy.CreateFolderItem(above, hierarchy.GenerateUniqueItemName(_("Lumbar case")))
    hierarchy.SetItemAttribute(folder, CASE, "1")
    hierarchy.SetItemParent(item, folder)
    return folder


def add_to_case(scene: Any, node: Any, film_node: Any) -> None:
    """Put a node into the folder of a film's case."""
    folder = case_folder(scene, film_node)
    if folder is None:
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = _item_of(hierarchy, node)
    if hierarchy.GetItemParent(item) != folder:
        hierarchy.SetItemParent(item, folder)


def _item_of(hierarchy: Any, node: Any) -> int:
    # Slicer lists a node by itself, a scene without its windows does not; 0 is no item.
    return hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
