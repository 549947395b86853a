"""The sacra of forty people, closed and laid onto one another."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import ShapeModelError
from ..geometry.frames import transform_points
from ..processes import computed_in_processes
from ..shape.correspondence import align
from ..shape.surfaces import Surface, decimated, is_closed, oriented_outward, read_surface

_FACES = 3000


def read_sacra(folder: str | Path, onto: Surface, jobs: int = 1) -> tuple[Surface, ...]:
    """Read ``Sacrum*_cpd.vtk`` (Han et al. 2019), close each and lay it onto another sacrum by similarity ICP.

    Args:
        folder: with the files, whose points are LPS mm.
        onto: the sacrum to meet, RAS mm.
        jobs: processes that share the work; 1 means this one.

    Returns:
        Closed surfaces of about 3000 faces in the frame of ``onto``, mm, in the order of the files' names.

    Raises:
        ShapeModelError: if there is none, or one cannot be read.
    """
    paths = sorted(Path(folder).glob("Sacrum*_cpd.vtk"))
    if jobs == 1:
        placed = {path: _placed(onto, path) for path in paths}
    else:
        placed = dict(computed_in_processes(partial, (_placed, onto), paths, jobs))
    found = [placed[path] for path in paths if placed[path] is not None]
    if not found:
        raise ShapeModelError(
            f"{folder}: there is no sacrum (Sacrum*_cpd.vtk); check --data, the folder of open data "
            "(docs/shape-model.md)."
        )
    return tuple(found)


def _placed(onto: Surface, path: Path) -> Surface | None:
    """Return the sacrum of a file, closed, thinned and laid onto another, or None if it cannot be closed."""
    sacrum = closed_by_fans(read_surface(path, lps=True))
    if not is_closed(sacrum.faces):
        return None
    onto_from_own = align(sacrum.points_ras_mm, sacrum.faces, onto)
    placed = Surface(transform_points(onto_from_own, sacrum.points_ras_mm), sacrum.faces)
    thin = decimated(placed, _FACES)
    return thin if is_closed(thin.faces) else placed


def closed_by_fans(surface: Surface) -> Surface:
    """Close a surface: every open edge is joined to the middle of the hole it borders.

    Edges count with their direction, so that a stray third triangle on an edge is balanced too.
    """
    from scipy import sparse

    faces = surface.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = Counter(map(tuple, edges.tolist()))
    open_edges = [edge for edge, times in count.items() for _ in range(times - count.get(edge[::-1], 0))]
    if not open_edges:
        return oriented_outward(surface)
    border = np.array(open_edges)
    size = len(surface.points_ras_mm)
    graph = sparse.coo_matrix((np.ones(len(border)), border.T), shape=(size, size))
    _, hole = sparse.csgraph.connected_components(graph, directed=False)
    points, fans = [surface.points_ras_mm], []
    for k, name in enumerate(np.unique(hole[border[:, 0]])):
        own = border[hole[border[:, 0]] == name]
        points.append(surface.points_ras_mm[np.unique(own)].mean(axis=0, keepdims=True))
        fans.append(np.column_stack([own[:, 1], own[:, 0], np.full(len(own), size + k)]))
    return oriented_outward(Surface(np.concatenate(points), np.concatenate([faces, *fans])))
