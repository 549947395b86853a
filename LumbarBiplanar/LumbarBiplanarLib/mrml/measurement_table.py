"""The measurement table: a table node with one quantity per row, saved with the scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import slicer
import vtk
from slicer.i18n import tr as _

from ..anatomy import Level
from ..measurement import Measurement, title_text
from ..measurement.results import definition_text
from ..study.quality_text import flag_of
from .case_folder import add_to_case
from .film_nodes import ROLE, free_name

if TYPE_CHECKING:
    from ..registration import Quality

TABLE_ROLE = "measurements"
_DECIMALS = 3


def write_table(
    scene: slicer.vtkMRMLScene,
    node: slicer.vtkMRMLTableNode | None,
    measurements: Sequence[Measurement],
    film_node: slicer.vtkMRMLNode | None = None,
    quality: Mapping[Level, Quality] | None = None,
) -> slicer.vtkMRMLTableNode:
    """Write measurements into a table node.

    Args:
        scene: the scene.
        node: the table of an earlier result, whose content is replaced; None, or a node that is no longer in the
            scene, makes a new one.
        measurements: the quantities; rows keep their order.
        film_node: a film of the case, whose subject-hierarchy folder takes a new table; None leaves it at the top.
        quality: how far each level can be trusted; None where it is not known.

    Returns:
        The node. Columns: Measurement, Level, Value (a number), Unit, Definition, Low90 and High90 (texts, empty
        where unknown), between which the true value lies with a probability of 90 %, and Quality, the worst flag of
        the levels (empty where unknown); one ModifiedEvent per call.
    """
    if node is None or not scene.IsNodePresent(node):
        node = _new_table(scene, film_node)
    modifying = node.StartModify()
    try:
        node.RemoveAllColumns()
        for name, title, value_of in _columns(quality or {}):
            numbers = name == "Value"
            column = vtk.vtkDoubleArray() if numbers else vtk.vtkStringArray()
            column.SetName(name)
            for item in measurements:
                column.InsertNextValue(value_of(item))
            node.AddColumn(column)
            node.SetColumnTitle(name, title)
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)
    finally:
        node.EndModify(modifying)
    return node


def _new_table(scene: slicer.vtkMRMLScene, film_node: slicer.vtkMRMLNode | None) -> slicer.vtkMRMLTableNode:
    node = slicer.vtkMRMLTableNode()
    node.SetName(free_name(scene, _("Lumbar measurements")))
    node.SetAttribute(ROLE, TABLE_ROLE)
    scene.AddNode(node)
    if film_node is not None:
        add_to_case(scene, node, film_node)
    return node


def _columns(quality: Mapping[Level, Quality]) -> tuple[tuple[str, str, Callable[[Measurement], str | float]], ...]:
    """Return name, title and value of each column; the name is what programs ask for, the title what people read."""
    return (
        ("Measurement", _("Measurement"), title_text),
        ("Level", _("Level"), lambda item: item.level),
        ("Value", _("Value"), lambda item: round(float(item.value), _DECIMALS) + 0.0),
        ("Unit", _("Unit"), lambda item: item.unit),
        ("Definition", _("Definition"), definition_text),
        ("Low90", _("90 % from"), lambda item: _bound(item, 0)),
        ("High90", _("90 % to"), lambda item: _bound(item, 1)),
        ("Quality", _("Quality"), lambda item: flag_of(item, quality)),
    )


def _bound(item: Measurement, which: int) -> str:
    return "" if item.interval is None else f"{item.interval[which] + 0.0:.{_DECIMALS}f}"
