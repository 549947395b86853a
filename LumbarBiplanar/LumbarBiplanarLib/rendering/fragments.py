"""Watertight scan conversion of closed meshes into fragments, with an exact box filter along the rows.

A fragment is one triangle in one pixel. Each pixel column is sampled at ``subsamples`` positions; at a position every
triangle has a long edge and one of two short edges (half-open rule in s), and spans the rows between their crossings.
A crossing is evaluated from the edge's low-s end to its high-s end, so both triangles of the edge get the same bits
and the spans fit together without gap or overlap, in any precision. Within a pixel the span is integrated exactly.

Coordinates here are local to a (view, mesh) unit: s in column samples and t in rows, both relative to a whole pixel
near the mesh, w relative to the mean depth of the mesh. Small numbers keep float32 sums exact enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from ..geometry import View
from .meshes import MeshBatch
from .screen import screens_from_points

MAX_FRAGMENTS = 3_000_000
_FAR = 1e9
_PERMUTATIONS = [(2, 1, 0), (2, 0, 1), (1, 2, 0), (0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2), (0, 1, 2)]
_PARITIES = [-1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 1.0]


@dataclass(frozen=True)
class Triangles:
    """All triangles of all (view, mesh) units, their corners sorted by s.

    Attributes:
        corners: (3, K) index of the sorted corners into the (view, point) table.
        s, t, w: (3, K) local screen coordinates of the sorted corners.
        sign: (K,) sign of the span from the short to the long edge, times the weight, per subsample.
        unit: (K,) index of the unit, view-major.
        column_bounds, row_bounds: (2, K) the image's first and one past last column and row, local.
        pixel_base: (K,) flat index of local pixel (0, 0) in the output buffer.
        row_stride: (K,) image width.
        subsamples: column samples per pixel.
    """

    corners: torch.Tensor
    s: torch.Tensor
    t: torch.Tensor
    w: torch.Tensor
    sign: torch.Tensor
    unit: torch.Tensor
    column_bounds: torch.Tensor
    row_bounds: torch.Tensor
    pixel_base: torch.Tensor
    row_stride: torch.Tensor
    subsamples: int


@dataclass(frozen=True)
class Fragments:
    """Fragments of some of the triangles, in the order of the triangles.

    Attributes:
        triangle: (M,) index into ``Triangles``.
        pixel: (M,) flat index into the output buffer.
        moments: (C, M) signed coverage times each channel, averaged over the fragment: see ``fragments``.
    """

    triangle: torch.Tensor
    pixel: torch.Tensor
    moments: torch.Tensor


def accumulate(size: int, index: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the sums of ``values`` (M,) by ``index`` (M,) in a tensor (size,), in the same order every time."""
    out = values.new_zeros(size)
    if values.is_cuda:  # index_add_ on CUDA adds in any order; index_put_ sorts first
        return out.index_put_((index,), values, accumulate=True)
    return out.index_add_(0, index, values)


def set_up_triangles(
    batch: MeshBatch, views: Sequence[View], subsamples: int, bases: torch.Tensor, dtype: torch.dtype
) -> Triangles:
    """Map a batch into every view and sort the corners of each triangle.

    Args:
        batch: the meshes.
        views: the views, of any sizes.
        subsamples: column samples per pixel.
        bases: (len(views), batch.count) int64 offset of each unit's image in the flat output buffer, on their device.
        dtype: type of the local coordinates and of all that follows.
    """
    device, n_points, n_views = batch.points.device, len(batch.points), len(views)
    points = batch.points.detach()
    screen = screens_from_points(points, views)
    members = torch.zeros(batch.count, 1, dtype=torch.float64, device=device)
    members.index_add_(0, batch.mesh_of_point, torch.ones(n_points, 1, dtype=torch.float64, device=device))
    center = torch.zeros(n_views, batch.count, 3, dtype=torch.float64, device=device)
    center = center.index_add_(1, batch.mesh_of_point, screen) / members
    center[..., :2] = torch.round(center[..., :2])
    local = screen - center[:, batch.mesh_of_point]
    local[..., 0] = (local[..., 0] + 0.5) * subsamples - 0.5
    s, t, w = local.to(dtype).reshape(-1, 3).unbind(-1)

    offsets = torch.arange(n_views, device=device)[:, None, None] * n_points
    given = (batch.triangles[None] + offsets).reshape(-1, 3).T
    corners, parity = _sorted_corners(given, s)
    facing, sizes = _facing_and_sizes(tuple(views), device)
    weight = (facing[:, None] * batch.weight).reshape(-1) / subsamples
    unit = batch.mesh_of_triangle + batch.count * torch.arange(n_views, device=device)[:, None]
    origin = center[..., :2].long()
    first = -origin.reshape(-1, 2)
    last = (sizes[:, None] - origin).reshape(-1, 2)
    stride = sizes[:, :1].expand(-1, batch.count)
    base = bases + origin[..., 1] * stride + origin[..., 0]
    unit = unit.reshape(-1)
    return Triangles(
        corners=corners,
        s=s[corners],
        t=t[corners],
        w=w[corners],
        sign=parity.to(dtype) * weight.to(dtype),
        unit=unit,
        column_bounds=torch.stack([first[:, 0], last[:, 0]])[:, unit],
        row_bounds=torch.stack([first[:, 1], last[:, 1]])[:, unit],
        pixel_base=base.reshape(-1)[unit],
        row_stride=stride.reshape(-1)[unit],
        subsamples=subsamples,
    )


# What depends on the views or on nothing is kept on its device: a GPU waits for each copy.
@lru_cache(maxsize=16)
def _facing_and_sizes(views: tuple[View, ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sign (views,) of triangles, which mirrored films show from their other side, and sizes (views, 2)."""
    facing = torch.tensor([-1.0 if view.mirrored else 1.0 for view in views], dtype=torch.float64, device=device)
    return facing, torch.tensor([view.size_px for view in views], device=device)


@lru_cache(maxsize=4)
def _orders(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return permutation (3, 8) and parity (8,) of three corners by the code of how they lie."""
    parities = torch.tensor(_PARITIES, dtype=torch.float64, device=device)
    return torch.tensor(_PERMUTATIONS, device=device).T, parities


def _sorted_corners(given: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sort the corners (3, K) of each triangle by s; return them with the parity of the permutation (K,)."""
    s0, s1, s2 = s[given]
    code = (s0 <= s1).long() + 2 * (s1 <= s2).long() + 4 * (s0 <= s2).long()
    permutations, parities = _orders(s.device)
    return torch.gather(given, 0, permutations[:, code]), parities[code]


def triangle_slopes(triangles: Triangles) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the depth slopes of the triangles, dw/ds per pixel and dw/dt per row, (K,) float64; 0 where degenerate."""
    s, t, w = triangles.s.double(), triangles.t.double(), triangles.w.double()
    s1, s2, t1, t2, w1, w2 = s[1] - s[0], s[2] - s[0], t[1] - t[0], t[2] - t[0], w[1] - w[0], w[2] - w[0]
    area = s1 * t2 - s2 * t1
    inverse = torch.where(area != 0, 1.0 / area, torch.zeros_like(area))
    return (w1 * t2 - w2 * t1) * inverse * triangles.subsamples, (s1 * w2 - s2 * w1) * inverse


def fragments(triangles: Triangles, channels: str, limit: int = MAX_FRAGMENTS) -> Iterator[Fragments]:
    """Scan-convert the triangles.

    Args:
        triangles: from ``set_up_triangles``.
        channels: "depth" gives one moment, signed coverage times depth: its sum over a pixel is the path length.
            "corners" gives three, signed coverage times the barycentric weight of each sorted corner.
            "coverage" gives the signed coverage alone.
        limit: about how many fragments to hold at once; more are given in several parts.
    """
    edges = _edge_table(triangles)
    first, count = _column_ranges(triangles)
    for part, size in _parts(count, limit):
        strips = _strips(triangles, edges, part, size, first, count, channels)
        for rows, row_size in _parts(strips.row_count, limit):
            yield _row_fragments(strips, rows, row_size)


def _parts(counts: torch.Tensor, limit: int) -> list[tuple[slice, int]]:
    """Split a list into slices whose counts add up to about ``limit`` or less (a single count may exceed it).

    Returns:
        The slices, and what the counts of each add up to.
    """
    total = torch.cumsum(counts, 0)
    everything = int(total[-1]) if len(total) else 0
    if everything <= limit:
        return [(slice(0, len(total)), everything)]
    parts, start, done = [], 0, 0
    while start < len(total):
        end = max(int(torch.searchsorted(total, done + limit, right=True)), start + 1)
        before, done = done, int(total[end - 1])
        parts.append((slice(start, end), done - before))
        start = end
    return parts


def _expand(counts: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Repeat each index i ``counts[i]`` times, ``size`` in all; return indices and positions within each repetition."""
    total = torch.cumsum(counts, 0)
    index = torch.repeat_interleave(counts, output_size=size)
    return index, torch.arange(size, device=counts.device) - (total - counts).index_select(0, index)


def _column_ranges(triangles: Triangles) -> tuple[torch.Tensor, torch.Tensor]:
    """First pixel column and number of pixel columns that each triangle touches within the image (half-open rule)."""
    n = triangles.subsamples
    start, stop = torch.ceil(triangles.s[::2]).clamp(-_FAR, _FAR).long()
    start = torch.maximum(start, triangles.column_bounds[0] * n)
    stop = torch.minimum(stop, triangles.column_bounds[1] * n)
    first = torch.div(start, n, rounding_mode="floor")
    count = torch.div(stop - 1, n, rounding_mode="floor") + 1 - first
    lowest, highest = triangles.t.amin(0), triangles.t.amax(0)
    seen = (stop > start) & (highest > triangles.row_bounds[0] - 0.5) & (lowest < triangles.row_bounds[1] - 0.5)
    return first, count * seen


def _edge_table(triangles: Triangles) -> list[torch.Tensor]:
    """Return s, 1/ds, t, dt, w, dw, each (3 K), from the low-s end of edges 0-2, 0-1 and 1-2 of each triangle."""
    table = []
    for first, middle, last in (triangles.s, triangles.t, triangles.w):
        start = torch.stack([first, first, middle], dim=1).reshape(-1)
        table += [start, torch.stack([last, middle, last], dim=1).reshape(-1) - start]
    table[1] = torch.where(table[1] > 0, 1.0 / table[1], 0.0)  # an edge along a column is never active
    return table


@dataclass(frozen=True)
class _Strips:
    """Triangles in pixel columns; lane l of a strip is column sample l of its pixel: (lanes, strips)."""

    triangle: torch.Tensor
    row_first: torch.Tensor
    row_count: torch.Tensor
    pixel: torch.Tensor  # flat index of the strip's first row
    stride: torch.Tensor
    sign: torch.Tensor
    t_long: torch.Tensor  # row where the long edge crosses
    t_short: torch.Tensor  # row where the short edge crosses; the same for a lane that the triangle does not reach
    at_long: list[torch.Tensor]  # per channel: value at the long edge
    slope: list[torch.Tensor]  # per channel: change per row


def _strips(
    triangles: Triangles,
    edges: list[torch.Tensor],
    part: slice,
    size: int,
    first: torch.Tensor,
    count: torch.Tensor,
    channels: str,
) -> _Strips:
    index, position = _expand(count[part], size)
    index = index + part.start
    column = first.index_select(0, index) + position
    lanes = torch.arange(triangles.subsamples, device=column.device)[:, None]
    sample = (column * triangles.subsamples + lanes).to(triangles.s.dtype)
    second = sample >= triangles.s[1].index_select(0, index)
    f_long, t_long, w_long = _crossing(edges, 3 * index, sample)
    f_short, t_short, w_short = _crossing(edges, 3 * index + 1 + second, sample)

    row_bounds = triangles.row_bounds.index_select(1, index)
    row_first = torch.floor(torch.minimum(t_long, t_short).amin(0) + 0.5).clamp(-_FAR, _FAR).long()
    row_last = torch.ceil(torch.maximum(t_long, t_short).amax(0) - 0.5).clamp(-_FAR, _FAR).long()
    row_first = torch.maximum(row_first, row_bounds[0])
    row_count = (torch.minimum(row_last + 1, row_bounds[1]) - row_first).clamp_min(0)
    stride = triangles.row_stride.index_select(0, index)
    pixel = triangles.pixel_base.index_select(0, index) + column + row_first * stride

    # Before its first corner a triangle has an empty span by itself; past the last, rounding must not leave a span.
    # Times 1.0 or 0.0 is exact, so neighbours still agree in every bit.
    reached = (sample < triangles.s[2].index_select(0, index)).to(sample.dtype)
    t_long, t_short = t_long * reached, t_short * reached
    at_long, slope = _channels(channels, (f_long, f_short), (w_long, w_short), second, t_short - t_long)
    sign = triangles.sign.index_select(0, index)
    return _Strips(index, row_first, row_count, pixel, stride, sign, t_long, t_short, at_long, slope)


def _crossing(edges: list[torch.Tensor], edge: torch.Tensor, sample: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Fraction, t and w where edges (strips) or (lanes, strips) cross the samples: always from the low-s end."""
    flat = edge.reshape(-1)
    s, inverse, t, dt, w, dw = (values.index_select(0, flat).reshape(edge.shape) for values in edges)
    fraction = ((sample - s) * inverse).clamp(0.0, 1.0)
    return fraction, t + fraction * dt, w + fraction * dw


def _channels(name: str, fractions, depths, second, height) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Values at the long edge and slopes along t of what is integrated; both empty for the coverage alone."""
    if name == "coverage":
        return [], []
    if name == "depth":
        ends = [depths]
    else:  # barycentric weights of corners 0 and 2; that of corner 1 follows
        f_long, f_short = fractions
        past = second.to(f_short.dtype)
        ends = [(1 - f_long, (1 - f_short) * (1 - past)), (f_long, f_short * past)]
    inverse = height / (height * height).clamp_min(1e-30)
    return [at_long for at_long, _ in ends], [(at_short - at_long) * inverse for at_long, at_short in ends]


def _row_fragments(strips: _Strips, rows: slice, size: int) -> Fragments:
    index, position = _expand(strips.row_count[rows], size)
    index = index + rows.start

    def pick(values: torch.Tensor) -> torch.Tensor:
        return values.index_select(values.ndim - 1, index)

    row = (pick(strips.row_first) + position).to(strips.t_long.dtype)
    # Relative to the pixel's centre: exact for the numbers that survive the clamp, so that coverages cancel exactly.
    t_long = pick(strips.t_long) - row
    long, short = t_long.clamp(-0.5, 0.5), (pick(strips.t_short) - row).clamp(-0.5, 0.5)
    coverage = (long - short) * pick(strips.sign)
    offset = 0.5 * (long + short) - t_long
    values = [pick(at) + offset * pick(slope) for at, slope in zip(strips.at_long, strips.slope, strict=True)]
    moments = [(coverage * value).sum(0) for value in values]
    if len(moments) != 1:
        moments.insert(1, coverage.sum(0) - sum(moments))
    pixel = pick(strips.pixel) + position * pick(strips.stride)
    return Fragments(pick(strips.triangle), pixel, torch.stack(moments))
