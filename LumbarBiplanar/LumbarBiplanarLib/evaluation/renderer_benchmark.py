"""How exact and how fast the renderer is, on the lumbar spine of the shape model: one row per figure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..files import write_table
from ..geometry import FilmPair, View, rotation_from_vector, standard_pair, transform_points
from ..shape.storage import load_shape_model
from .renderer_checks import inside_polygon, ray_cast_mm, sphere_mesh

_SPACING_BETWEEN_LEVELS_MM = 35.0
_FILM_MM = (190.0, 290.0)
_PARAMETERS = 100
_ANGLES = 26
_RAYS = 150


@dataclass(frozen=True)
class RendererFigure:
    """One row of the table; what does not apply to it is None.

    Attributes:
        case: meshes, view model and pixel.
        what: what was run or compared.
        device, dtype: where, and in which precision.
        median_ms, cpu_ms: time of one call, median; on the clock, and of the processor. On a busy machine the second is
            the one to trust.
        median_error_mm, p99_error_mm, max_error_mm: absolute errors of path lengths.
        leak_mm: largest absolute value outside the outlines.
        relative_error, correlation: of derivatives with finite differences.
    """

    case: str
    what: str
    device: str = "cpu"
    dtype: str = "float32"
    median_ms: float | None = None
    cpu_ms: float | None = None
    median_error_mm: float | None = None
    p99_error_mm: float | None = None
    max_error_mm: float | None = None
    leak_mm: float | None = None
    relative_error: float | None = None
    correlation: float | None = None


def benchmark_renderer(
    output_csv: str | Path, *, device: str = "auto", repeats: int = 15, report: Callable[[str], None] | None = None
) -> list[RendererFigure]:
    """Measure the renderer and write the table.

    The scene is the mean L1-L5 of the shape model, coarse meshes, 35 mm apart, in a film pair with source and detector
    900 and 1100 mm from and to each other as ``standard_pair`` has them. Times are of the machine it runs on.

    Args:
        output_csv: file to write; replaced if it exists.
        device: "auto", "cpu" or "cuda", for the timed calls.
        repeats: timed calls per row, after two that are not timed.
        report: called with a line of text as each figure is there.

    Returns:
        The rows, as in the file.

    Raises:
        ShapeModelError: if the shape model cannot be read.
        OutputError: if the table cannot be written.
    """
    from ..rendering import resolve_device

    scene = _Scene.mean_spine()
    figures = []
    for figure in _figures(scene, str(resolve_device(device)), repeats):
        figures.append(figure)
        if report is not None:
            report(", ".join(f"{key} {_text(value)}" for key, value in asdict(figure).items() if value is not None))
    write_table(output_csv, RendererFigure, figures, _text)
    return figures


def _text(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.4g}"


@dataclass(frozen=True, eq=False)
class _Scene:
    points: np.ndarray
    faces: np.ndarray

    @classmethod
    def mean_spine(cls) -> _Scene:
        model = load_shape_model()
        heights = -_SPACING_BETWEEN_LEVELS_MM * (np.arange(len(model.levels)) - (len(model.levels) - 1) / 2)
        points = [
            model.mean(level)[model.coarse_vertices] + [0, 0, z] for level, z in zip(model.levels, heights, strict=True)
        ]
        return cls(np.stack(points), np.array(model.coarse_faces))

    @property
    def name(self) -> str:
        return f"{len(self.points)} x {len(self.faces)} triangles"


def _pair(spacing_mm: float, model: str = "pinhole") -> FilmPair:
    size = tuple(round(length / spacing_mm) for length in _FILM_MM)
    return standard_pair(size_px=(size, size), spacing_mm=spacing_mm, model=model)


def _figures(scene: _Scene, device: str, repeats: int) -> Iterator[RendererFigure]:
    yield _sphere()
    for model in ("pinhole", "slot"):
        for dtype in ("float32", "float64"):
            yield _against_rays(scene, _pair(0.8, model).views, model, dtype)
    yield _leak(scene)
    for model in ("pinhole", "slot"):
        yield _derivatives(scene, model)
    for subsamples in (1, 2, 4):
        yield from _linearity(scene, subsamples)
    for spacing in (1.6, 0.8):
        yield from _times(scene, spacing, device, repeats)


def _render(points, faces, views, dtype="float32", **options):
    import torch

    from ..rendering import render_path_length

    return render_path_length(torch.as_tensor(points, dtype=getattr(torch, dtype)), faces, views, **options)


def _errors(difference: np.ndarray) -> dict[str, float]:
    absolute = np.abs(difference[np.isfinite(difference)])
    quantiles = np.quantile(absolute, [0.5, 0.99])
    return dict(zip(("median_error_mm", "p99_error_mm"), quantiles.tolist(), strict=True)) | {
        "max_error_mm": float(absolute.max())
    }


def _pixel_rays(view: View, pixels: np.ndarray, rows: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Rays at both column samples and ``rows`` heights of every pixel (P, 2): origins and directions (P, 2 rows, 3)."""
    across, along = np.array([-0.25, 0.25]), (np.arange(rows) + 0.5) / rows - 0.5
    return view.rays(pixels[:, None] + np.stack(np.meshgrid(across, along), axis=-1).reshape(-1, 2))


def _sphere() -> RendererFigure:
    radius = 20.0
    points, faces = sphere_mesh(radius, 400)
    view = standard_pair(size_px=((70, 70),) * 2, spacing_mm=0.8).ap
    image = _render(points[None], faces, [view])[0].numpy()
    pixels = np.argwhere(image > 0.5)[:, ::-1]
    origins, directions = _pixel_rays(view, pixels)
    along = -np.sum(origins * directions, axis=-1)
    distance2 = np.sum((origins + along[..., None] * directions) ** 2, axis=-1)
    chord = 2 * np.sqrt(np.maximum(radius**2 - distance2, 0)).mean(axis=1)
    return RendererFigure(
        "sphere of 20 mm, pinhole, 0.8 mm", "analytic", **_errors(image[pixels[:, 1], pixels[:, 0]] - chord)
    )


def _against_rays(scene: _Scene, views, model: str, dtype: str) -> RendererFigure:
    differences = []
    rng = np.random.default_rng(0)
    for view in views:
        images = _render(scene.points, scene.faces, [view], dtype, per_mesh=True)[0].numpy()
        for points, image in zip(scene.points, images, strict=True):
            drawn = np.argwhere(image > 0.1)[:, ::-1]
            pixels = drawn[rng.choice(len(drawn), _RAYS // len(scene.points), replace=False)]
            origins, directions = _pixel_rays(view, pixels)
            cast = ray_cast_mm(points, scene.faces, origins.reshape(-1, 3), directions.reshape(-1, 3))
            differences.append(image[pixels[:, 1], pixels[:, 0]] - cast.reshape(len(pixels), -1).mean(axis=1))
    case = f"{scene.name}, {model}, 0.8 mm"
    return RendererFigure(case, "ray casting", dtype=dtype, **_errors(np.concatenate(differences)))


def _leak(scene: _Scene) -> RendererFigure:
    from scipy.spatial import cKDTree

    from ..rendering import silhouettes

    rng, worst = np.random.default_rng(0), 0.0
    views = _pair(1.0).views
    for turn in range(_ANGLES // 2):
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_from_vector(rng.normal(size=3))
        points = transform_points(matrix, scene.points[turn % len(scene.points)])
        for view, image in zip(views, _render(points[None], scene.faces, views), strict=True):
            outline = silhouettes(points, scene.faces, view, count=1000)
            rows, columns = np.indices(image.shape)
            pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2)
            beyond = (cKDTree(outline).query(pixels)[0] > 1.0) & ~inside_polygon(outline, pixels)
            worst = max(worst, float(image.reshape(-1).abs().numpy()[beyond].max()))
    return RendererFigure(
        f"1 x {len(scene.faces)} triangles, {_ANGLES} directions, 1 mm", "outside the outline", leak_mm=worst
    )


def _jacobian_images(scene: _Scene, motion: np.ndarray, views, subsamples: int = 2) -> list[np.ndarray]:
    import torch

    from ..rendering import image_jacobian

    result = image_jacobian(
        torch.as_tensor(scene.points), scene.faces, torch.as_tensor(motion[..., None]), views, subsamples=subsamples
    )
    images = []
    for view, row in zip(views, result, strict=True):
        image = np.zeros((len(row), view.size_px[0] * view.size_px[1]))
        for mesh, entry in enumerate(row):
            image[mesh, entry.pixels.numpy()] = entry.jacobian[:, 0].numpy()
        images.append(image.reshape(len(row), *view.shape))
    return images


def _difference(scene: _Scene, motion: np.ndarray, views, step: float, subsamples: int = 2):
    options = {"per_mesh": True, "subsamples": subsamples}
    plus = _render(scene.points + step * motion, scene.faces, views, "float64", **options)
    minus = _render(scene.points - step * motion, scene.faces, views, "float64", **options)
    return [(a - b).numpy() / (2 * step) for a, b in zip(plus, minus, strict=True)]


def _derivatives(scene: _Scene, model: str) -> RendererFigure:
    views = _pair(0.8, model).views
    motion = np.random.default_rng(0).normal(size=scene.points.shape)
    found = np.concatenate([image.ravel() for image in _jacobian_images(scene, motion, views)])
    expected = np.concatenate([image.ravel() for image in _difference(scene, motion, views, 1e-6)])
    relative = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    case = f"{scene.name}, {model}, 0.8 mm"
    return RendererFigure(case, "image Jacobian and central differences", dtype="float64", relative_error=relative)


def _linearity(scene: _Scene, subsamples: int) -> Iterator[RendererFigure]:
    views = _pair(0.8).views
    for name, axis in (("across AP", 0), ("across lateral", 1), ("vertical", 2)):
        motion = np.zeros(scene.points.shape)
        motion[..., axis] = 1.0
        seen = [view for view in views if axis == 2 or (view.name == "AP") == (axis == 0)]
        found = np.concatenate([image.ravel() for image in _jacobian_images(scene, motion, seen, subsamples)])
        expected = _difference(scene, motion, seen, 0.25, subsamples)
        correlation = float(np.corrcoef(found, np.concatenate([image.ravel() for image in expected]))[0, 1])
        case = f"{scene.name}, pinhole, 0.8 mm, {subsamples} column samples"
        yield RendererFigure(
            case,
            f"0.5 mm {name}, from -0.25 to +0.25, predicted by the Jacobian",
            dtype="float64",
            correlation=correlation,
        )


def _times(scene: _Scene, spacing: float, device: str, repeats: int) -> Iterator[RendererFigure]:
    import torch

    from ..rendering import image_jacobian, render_path_length, silhouettes

    views = _pair(spacing).views
    points = torch.as_tensor(scene.points, dtype=torch.float32, device=device)
    leaf = points.clone().requires_grad_()
    faces = torch.as_tensor(scene.faces, device=device)
    motion = torch.as_tensor(np.random.default_rng(0).normal(size=(*scene.points.shape, _PARAMETERS)))
    motion = motion.to(points)

    def backward() -> None:
        sum(image.square().sum() for image in render_path_length(leaf, faces, views)).backward()

    case = f"{scene.name}, 2 views, {spacing} mm"
    calls = {
        "forward": lambda: render_path_length(points, faces, views),
        "forward and backward": backward,
        f"image Jacobian, {_PARAMETERS} parameters per mesh": lambda: image_jacobian(points, faces, motion, views),
    }
    if spacing < 1:
        calls["silhouettes"] = lambda: [silhouettes(scene.points, scene.faces, view) for view in views]
    for what, call in calls.items():
        times = []
        for _ in range(repeats + 2):
            start = np.array([time.perf_counter(), time.process_time()])
            call()
            if device != "cpu":
                torch.cuda.synchronize()
            times.append(1e3 * (np.array([time.perf_counter(), time.process_time()]) - start))
        wall, cpu = np.median(times[2:], axis=0).tolist()
        where = "cpu" if what == "silhouettes" else f"{device}, {torch.get_num_threads()} threads"
        dtype = "float64" if what == "silhouettes" else "float32"
        yield RendererFigure(case, what, where, dtype, median_ms=wall, cpu_ms=cpu)
