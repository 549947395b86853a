"""Outlines of projected meshes: the outer occluding contour as a closed polyline with a constant number of points.

The edges between triangles that face the source and triangles that do not, directed so that the near side lies to their
left, bound the projection: the winding number of a pixel is the number of near layers over it. The outer outline
follows these edges from the top-most point and, wherever another edge crosses towards the outside, goes on along that
one. No image is drawn, so the outline is exact at any pixel size. Plain numpy, float64.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..errors import GeometryError
from ..geometry import View

_JITTER_PX = 1e-6
_ATTEMPTS = 4


def silhouettes(points, faces, view: View, count: int = 240) -> np.ndarray:
    """Return the outlines of closed meshes in one view.

    Args:
        points: (N, V, 3) or (V, 3) vertices in RAS, mm (numpy or CPU tensor); or a sequence of N arrays (V_i, 3).
        faces: (F, 3) triangles that all meshes share, or a sequence of N arrays. Closed, consistently oriented.
        view: the film's view; outlines are not clipped to its image.
        count: points per outline, at least 3.

    Returns:
        (N, count, 2) float64 pixels (column, row), or (count, 2) for points (V, 3). Each outline is closed (its last
        point is followed by its first), runs clockwise on the screen and begins at its top-most point; its points lie
        on the true outline of the projected mesh, equally spaced along it. Holes and separate pieces are left out: it
        is the boundary of the piece with the top-most point.

    Raises:
        ValueError: if shapes or count do not fit.
        GeometryError: if a vertex is not finite or not in front of the source, or the surface has no outline.
    """
    if count < 3:
        raise ValueError(f"count must be at least 3 points, found {count}.")
    single = getattr(points, "ndim", 3) == 2
    meshes = [np.asarray(mesh, dtype=np.float64) for mesh in ([points] if single else points)]
    if any(mesh.ndim != 2 or mesh.shape[1] != 3 for mesh in meshes):
        raise ValueError("points must have shape (V, 3) or (N, V, 3), or be a sequence of arrays (V, 3).")
    shared = hasattr(faces, "ndim") and faces.ndim == 2
    topologies = [_topology(part, view.mirrored) for part in ([faces] if shared else faces)]
    topologies = topologies * len(meshes) if shared else topologies
    if len(topologies) != len(meshes):
        raise ValueError(f"{len(meshes)} meshes, but {len(topologies)} lists of faces; give one each, or one for all.")
    outlines = []
    for mesh, topology in zip(meshes, topologies, strict=True):
        if not (np.isfinite(mesh).all() and view.in_front(mesh).all()):
            raise GeometryError(f"View {view.name}: a surface is not finite or not in front of the X-ray source.")
        outlines.append(_resample(_outline(view.project(mesh), topology, view.name), count))
    return outlines[0] if single else np.stack(outlines)


def _topology(faces, mirrored: bool) -> _Topology:
    """Return the topology of triangles, as a mirrored film shows them if so told: from their other side.

    The last ones are kept, for the outlines of a running registration.
    """
    faces = np.asarray(faces, dtype=np.int64)
    faces = np.ascontiguousarray(faces[..., ::-1] if mirrored else faces)
    return _kept_topology(faces.tobytes(), faces.shape)


@functools.lru_cache(maxsize=8)
def _kept_topology(triangles: bytes, shape: tuple[int, ...]) -> _Topology:
    return _Topology(np.frombuffer(triangles, dtype=np.int64).reshape(shape))


class _Topology:
    """Triangles, their directed edges and the triangle on the other side of each."""

    def __init__(self, faces) -> None:
        self.faces = np.asarray(faces, dtype=np.int64)
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces must have shape (F, 3), found {self.faces.shape}.")
        self.start = self.faces.reshape(-1)
        self.end = self.faces[:, [1, 2, 0]].reshape(-1)
        size = int(self.faces.max()) + 1
        key, reverse = self.start * size + self.end, self.end * size + self.start
        order = np.argsort(key)
        place = np.minimum(np.searchsorted(key, reverse, sorter=order), len(key) - 1)
        found = key[order[place]] == reverse
        # An edge without a neighbour is a border; -1 picks the extra "faces away" entry below.
        self.neighbor = np.where(found, order[place] // 3, -1)

    def contour_edges(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return start and end vertex of the contour edges, the near side on their left (taking t as upward)."""
        a, b, c = (pixels[self.faces[:, i]] for i in range(3))
        near = np.append(_cross(b - a, c - a) < 0, False)
        chosen = np.repeat(near[:-1], 3) & ~near[self.neighbor]
        return self.end[chosen], self.start[chosen]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _outline(pixels: np.ndarray, topology: _Topology, view_name: str) -> np.ndarray:
    # Edges that overlap or vertices that lie on edges (a box seen face on) have no defined next edge. Moving every
    # vertex by a millionth of a pixel, the same way every time, leaves no such case.
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng(attempt)
        moved = pixels + rng.uniform(-1.0, 1.0, pixels.shape) * _JITTER_PX * 10.0**attempt
        start, end = topology.contour_edges(moved)
        if len(start) >= 3:
            path = _walk(moved, start, end, _switches(moved[start], moved[end], start, end))
            if path is not None:
                return path
    raise GeometryError(f"View {view_name}: the outline of a surface cannot be followed; is the surface closed?")


def _switches(p: np.ndarray, q: np.ndarray, start: np.ndarray, end: np.ndarray) -> dict[int, list[tuple]]:
    """Return, for each edge p -> q that another crosses to the right, where in order: (at, other edge, at there)."""
    low, high = np.minimum(p, q), np.maximum(p, q)
    order = np.argsort(low[:, 0])
    last = np.searchsorted(low[order, 0], high[order, 0], side="right")
    counts = last - np.arange(len(order)) - 1
    first = np.repeat(np.arange(len(order)), counts)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    i, j = order[first], order[second]
    bottom, top = low[:, 1].copy(), high[:, 1].copy()
    close = (bottom[i] <= top[j]) & (bottom[j] <= top[i])
    i, j = i[close], j[close]
    apart = (end[i] != start[j]) & (end[j] != start[i]) & (start[i] != start[j]) & (end[i] != end[j])
    i, j = i[apart], j[apart]
    di, dj, gap = q[i] - p[i], q[j] - p[j], p[j] - p[i]
    turn = _cross(di, dj)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = _cross(gap, dj) / turn, _cross(gap, di) / turn
    hit = (u > 0) & (u < 1) & (v > 0) & (v < 1)
    i, j, u, v, right = i[hit], j[hit], u[hit], v[hit], turn[hit] < 0
    leave, enter = np.where(right, i, j), np.where(right, j, i)
    at, there = np.where(right, u, v), np.where(right, v, u)
    table: dict[int, list[tuple]] = {}
    for a, b, c, d in sorted(zip(leave.tolist(), at.tolist(), enter.tolist(), there.tolist(), strict=True)):
        table.setdefault(a, []).append((b, c, d))
    return table


def _walk(pixels, start, end, switches) -> np.ndarray | None:
    """Follow the outer boundary from the top-most contour vertex back to it; None if that does not succeed."""
    heads, tails = end.tolist(), start.tolist()
    p, q = pixels[start].tolist(), pixels[end].tolist()
    leaving = dict(zip(tails, range(len(tails)), strict=True))
    several = _branches(start)
    top = int(np.lexsort((pixels[start, 0], pixels[start, 1]))[0])
    first = edge = _rightmost(several.get(tails[top], [leaving[tails[top]]]), p, q, (0.0, -1.0))
    path, at = [p[top]], 0.0
    for _ in range(4 * len(tails) + 4 * sum(map(len, switches.values()))):
        if edge in switches:
            crossing = next((switch for switch in switches[edge] if switch[0] > at), None)
            if crossing is not None:
                (ax, ay), (bx, by) = p[edge], q[edge]
                u, edge, at = crossing
                path.append([ax + u * (bx - ax), ay + u * (by - ay)])
                continue
        vertex, a, b = heads[edge], p[edge], q[edge]
        if vertex in several:
            edge = _rightmost(several[vertex], p, q, (a[0] - b[0], a[1] - b[1]))
        elif vertex in leaving:
            edge = leaving[vertex]
        else:
            return None
        at = 0.0
        if edge == first:
            return np.array(path)
        path.append(b)
    return None


def _branches(start: np.ndarray) -> dict[int, list[int]]:
    """Return the edges that leave each vertex which more than one leaves."""
    found: dict[int, list[int]] = {}
    for edge in np.flatnonzero((np.bincount(start) > 1)[start]).tolist():
        found.setdefault(int(start[edge]), []).append(edge)
    return found


def _rightmost(edges: list[int], p, q, back: tuple[float, float]) -> int:
    """Of the edges p -> q that leave a vertex, return the first counter-clockwise (t upward) from ``back``."""
    if len(edges) == 1:
        return edges[0]

    def angle(edge: int) -> float:
        dx, dy = q[edge][0] - p[edge][0], q[edge][1] - p[edge][1]
        turn = math.atan2(back[0] * dy - back[1] * dx, back[0] * dx + back[1] * dy)
        return turn % (2 * math.pi)

    return min(edges, key=angle)


def _resample(path: np.ndarray, count: int) -> np.ndarray:
    closed = np.concatenate([path, path[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.arange(count) * (length[-1] / count)
    return np.stack([np.interp(at, length, closed[:, axis]) for axis in range(2)], axis=-1)
