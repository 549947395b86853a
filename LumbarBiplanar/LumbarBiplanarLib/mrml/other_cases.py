"""Several cases in one scene: one is at work, the others wait in their folders, whole but out of the views.

All cases share the two slice views of the films and one parameter node, so what another case shows would be seen on the
wrong films.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .case_folder import case_folder
from .film_nodes import VIEW, scene_films
from .film_pairs import PAIR
from .measurement_table import TABLE_ROLE
from .overlay import FILM_REFERENCE, SILHOUETTE_ROLE, nodes_of_role, remove_leftovers
from .reconstruction_node import RECONSTRUCTION_ROLE
from .vertebrae import VERTEBRA_ROLE

# Of a vertebra: it was visible when its case was left.
WAITING = "LumbarBiplanar.Waiting"


def partner_of(film_node: Any) -> Any:
    """Return the film of the other view that has one geometry with a film, or None.

    Args:
        film_node: a film in a scene.
    """
    scene, pair = film_node.GetScene(), film_node.GetAttribute(PAIR)
    if not pair:
        return None
    found = [
        film
        for film in scene_films(scene)
        if film.GetAttribute(PAIR) == pair and film.GetAttribute(VIEW) != film_node.GetAttribute(VIEW)
    ]
    if len(found) > 1:  # a scene that was added twice holds a case twice
        folder = case_folder(scene, film_node, create=False)
        found.sort(key=lambda film: case_folder(scene, film, create=False) != folder)
    return found[0] if found else None


def keep_with_film(node: Any, film_node: Any) -> None:
    """Write onto a node of a result which AP film it was made from, so that ``result_nodes`` finds it."""
    node.SetNodeReferenceID(FILM_REFERENCE, film_node.GetID())


def result_nodes(scene: Any, film_node: Any) -> tuple[Any, Any]:
    """Return reconstruction and table of measurements that were made from an AP film; None for what is not there."""
    of_film = (
        next((node for node in nodes_of_role(scene, kind, role) if _is_of(node, film_node)), None)
        for kind, role in (("vtkMRMLTextNode", RECONSTRUCTION_ROLE), ("vtkMRMLTableNode", TABLE_ROLE))
    )
    reconstruction, table = of_film
    return reconstruction, table


def vertebrae_left(scene: Any, reconstruction: Any) -> list[Any]:
    """Return the surfaces beside a reconstruction, in its case folder, whose AP film was deleted."""
    folder = case_folder(scene, reconstruction, create=False)
    surfaces = nodes_of_role(scene, "vtkMRMLModelNode", VERTEBRA_ROLE) if folder is not None else []
    left = [node for node in surfaces if node.GetNodeReference(FILM_REFERENCE) is None]
    return [node for node in left if case_folder(scene, node, create=False) == folder]


def show_one_case(scene: Any, films: Mapping[str, Any]) -> None:
    """Take outlines and surfaces of all other cases out of the views, and show again those of this one.

    Outlines are removed, for they are made anew when they are shown. A surface that the user had hidden stays hidden.

    Args:
        scene: the MRML scene.
        films: the films of the case at work by view name; nothing is done while one is None.
    """
    if None in films.values():
        return
    others = {film for film in scene_films(scene) if film not in films.values()}
    remove_leftovers(scene, SILHOUETTE_ROLE, others)
    for node in nodes_of_role(scene, "vtkMRMLModelNode", VERTEBRA_ROLE):
        display = node.GetDisplayNode()
        if display is None:
            continue
        if _is_of(node, films["AP"]):
            if node.GetAttribute(WAITING):
                node.RemoveAttribute(WAITING)
                display.SetVisibility(True)
        elif node.GetNodeReference(FILM_REFERENCE) in others and display.GetVisibility():
            node.SetAttribute(WAITING, "1")
            display.SetVisibility(False)


def _is_of(node: Any, film_node: Any) -> bool:
    return node.GetNodeReferenceID(FILM_REFERENCE) == film_node.GetID()
