"""How landmark lists look: a hundred points on a film that stay apart, small crosses with a fine center."""

from __future__ import annotations

import slicer

DETECTED_COLOR = (1.0, 1.0, 1.0)
CORRECTED_COLOR = (1.0, 0.1, 0.8)
ACTIVE_COLOR = (1.0, 1.0, 1.0)
GLYPH_PERCENT = 1.6
TEXT_PERCENT = 1.7


def style_for_views(node, slice_node_id: str, threed_node_id: str | None = None) -> None:
    """Give a landmark list its look and restrict it to the views of its film.

    Args:
        node: the landmark list.
        slice_node_id: the slice view of its film.
        threed_node_id: a 3D view to show it in, or None.
    """
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    before = display.StartModify()
    display.SetColor(*DETECTED_COLOR)
    display.SetSelectedColor(*CORRECTED_COLOR)
    display.SetActiveColor(*ACTIVE_COLOR)
    display.SetGlyphType(slicer.vtkMRMLMarkupsDisplayNode.Cross2D)
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(GLYPH_PERCENT)
    display.SetTextScale(TEXT_PERCENT)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    display.SetHandlesInteractive(False)
    display.SetSnapMode(slicer.vtkMRMLMarkupsDisplayNode.SnapModeUnconstrained)
    # A film scrolled a little out of its plane keeps its landmarks.
    display.SetSliceProjection(True)
    display.SetSliceProjectionUseFiducialColor(True)
    display.SetSliceProjectionOpacity(1.0)
    display.RemoveAllViewNodeIDs()
    display.AddViewNodeID(slice_node_id)
    display.SetVisibility3D(threed_node_id is not None)
    if threed_node_id is not None:
        display.AddViewNodeID(threed_node_id)
    display.EndModify(before)


def show_names(node, shown: bool) -> None:
    """Show or hide the names of the landmarks in the views."""
    display = node.GetDisplayNode()
    if display is not None and bool(display.GetPointLabelsVisibility()) != bool(shown):
        display.SetPointLabelsVisibility(bool(shown))
