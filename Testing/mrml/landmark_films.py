"""Films and landmarks for the tests of landmark lists: any geometry, no network."""

from __future__ import annotations

import numpy as np


def pair_of(kind: str):
    """Return a film pair: "pinhole", "slot", or "oblique" (beams 70 degrees apart, principal points off the middle)."""
    from LumbarBiplanarLib.geometry import standard_pair

    sizes = ((300, 420), (280, 420))
    if kind == "slot":
        return standard_pair(size_px=sizes, spacing_mm=0.8, model="slot")
    if kind == "oblique":
        return standard_pair(
            (12.0, -30.0, 55.0), angle_deg=70.0, size_px=sizes, spacing_mm=0.8, offset_px=((21.3, -7.1), (-14.2, 33.9))
        )
    return standard_pair(size_px=sizes, spacing_mm=0.8)


def film_nodes(scene, pair):
    """Add both films of a pair to the scene; {view name: node}."""
    from LumbarBiplanarLib.imaging import Film, Polarity
    from LumbarBiplanarLib.mrml.films import add_film

    random = np.random.default_rng(3)
    nodes = {}
    for view in pair.views:
        pixels = (1000 + 200 * random.random(view.shape)).astype(np.float32)
        nodes[view.name] = add_film(scene, Film(pixels, view, Polarity.BONE_BRIGHT, None, None, 16, ()))
    return nodes


def landmarks_on(view, seed: int = 1, missing=()):
    """Return detected landmarks all over a film, off the pixel grid; those of the indices in ``missing`` are absent."""
    from LumbarBiplanarLib.anatomy import FilmLandmarks, LandmarkObservation
    from LumbarBiplanarLib.mrml.landmarks import POINT_COUNT, key_of

    random = np.random.default_rng(seed)
    width, height = view.size_px
    found = []
    for index in range(POINT_COUNT):
        level, name = key_of(index)
        x, y = random.uniform(20, width - 20), random.uniform(20, height - 20)
        confidence, sigma = random.uniform(0.2, 1.0), random.uniform(1.0, 5.0)
        if index not in missing:
            found.append(LandmarkObservation(level, name, (x, y), confidence, sigma))
    return FilmLandmarks(found)


def show(app, film_node):
    """Show a film in its own slice view; return the view."""
    view = app.view(film_node.GetAttribute("LumbarBiplanar.View"))
    view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(film_node.GetID())
    view.node.RotateToVolumePlane(film_node)
    view.logic.FitSliceToBackground()
    view.logic.SnapSliceOffsetToIJK()
    return view
