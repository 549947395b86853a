"""Building the shape model: Procrustes alignment, pooled principal components, Gaussian-process residual modes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS
from ..errors import ShapeModelError
from ..geometry.frames import similarity_fit, transform_points
from .annotation import Annotation
from .model import ShapeModel
from .registering import Registered
from .sources import POPULATION_MEAN
from .surfaces import Surface, vertex_areas, vertex_normals
from .template import Template


@dataclass(frozen=True)
class ResidualKernel:
    """One scale of the Gaussian-process residual: a vector field with independent, Gaussian-correlated components.

    A vertebra differs from the mean far more in what its left and right halves share than in what they do not.

    Attributes:
        length_mm: standard deviation of the Gaussian kernel.
        symmetric_mm: standard deviation of each component of a displacement that both halves share.
        asymmetric_mm: the same for one that has the opposite sign on the other half.
        function_count: how many of its leading eigenfunctions are used, each along x, y and z.
    """

    length_mm: float
    symmetric_mm: float
    asymmetric_mm: float
    function_count: int


@dataclass(frozen=True)
class BuildOptions:
    """How a shape model is built.

    Attributes:
        population_mean_weight: how many people the population mean counts as in the mean of its level.
        explained: share of the pooled variance that the principal components keep.
        kernels: the residual's scales.
        residual_modes: how many modes are made of them: those that move the surface most along its normal.
    """

    population_mean_weight: float = 8.0
    explained: float = 0.98
    kernels: tuple[ResidualKernel, ...] = (
        ResidualKernel(30.0, 1.9, 0.4, 25),
        ResidualKernel(14.0, 1.0, 0.25, 60),
        ResidualKernel(8.0, 0.5, 0.2, 100),
    )
    residual_modes: int = 150


def build_model(
    template: Template,
    annotation: Annotation,
    coarse: tuple[np.ndarray, np.ndarray],
    registered: Iterable[Registered],
    options: BuildOptions | None = None,
) -> ShapeModel:
    """Build the model from vertebrae in correspondence.

    Args:
        template: the symmetric template; gives faces and mirror pairs.
        annotation: its regions, endplates and landmarks.
        coarse: vertices and faces of the thinner mesh.
        registered: the vertebrae; fractured and incomplete ones are ignored, each other one is used with
            its mirror image.
        options: weights, share of variance and residual kernels.

    Raises:
        ShapeModelError: if a level has no unfractured vertebra, or fewer than two people are left.
    """
    options = options or BuildOptions()
    sound = [r for r in registered if not (r.specimen.fractured or r.specimen.incomplete)]
    people = sorted({item.specimen.subject for item in sound} - {POPULATION_MEAN})
    if len(people) < 2:
        raise ShapeModelError(f"A shape model needs at least two people with unfractured vertebrae; found {people}.")
    means, residuals, log_scales = {}, [], []
    for level in LUMBAR_LEVELS:
        own = [item for item in sound if item.specimen.level is level]
        if not own:
            raise ShapeModelError(f"No unfractured {level.name} to build from; add data that shows one.")
        mean, aligned, scales = _level_mean(own, template, annotation, options)
        means[level] = mean
        individual = [k for k, item in enumerate(own) if item.specimen.subject != POPULATION_MEAN]
        if len(individual) > 1:
            # Deviations from a mean of the same few shapes are too small by this factor.
            inflate = np.sqrt(len(individual) / (len(individual) - 1.0))
            log_scales.extend(inflate * (np.log(scales[individual]) - np.log(scales[individual]).mean()))
            for k in individual:
                residuals.append(inflate * (aligned[k] - mean))
                residuals.append(inflate * (_mirrored(aligned[k], template.mirror) - mean))
    if not residuals:
        raise ShapeModelError("A shape model needs a level of which at least two people have a sound vertebra.")
    modes = _principal_modes(np.array(residuals), options.explained)
    middle = np.mean([means[level] for level in LUMBAR_LEVELS], axis=0)
    extra = _residual_modes(options, Surface(middle, template.surface.faces), template.mirror)
    return ShapeModel(
        levels=LUMBAR_LEVELS,
        mean_points_mm=np.array([means[level] for level in LUMBAR_LEVELS]),
        faces=template.surface.faces,
        modes_mm=np.concatenate([modes, extra]),
        pca_count=len(modes),
        log_scale_sd=float(np.std(log_scales)),
        region_labels=annotation.region_labels,
        endplate_labels=annotation.endplate_labels,
        landmark_vertices=annotation.landmark_vertices,
        mirror=template.mirror,
        coarse_vertices=coarse[0],
        coarse_faces=coarse[1],
        provenance={
            "people": people,
            "vertebrae": sorted(item.specimen.name for item in sound),
            "options": asdict(options),
        },
    )


def _mirrored(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return vertices or displacements (..., V, 3) of the other half."""
    return points[..., mirror, :] * np.array([-1.0, 1.0, 1.0])


def _level_mean(own: Sequence[Registered], template: Template, annotation: Annotation, options: BuildOptions):
    """Generalised Procrustes analysis (Gower 1975) of one level with mirror images.

    Scale is put back as the geometric mean, so that sizes are deviations from 1.
    """
    weight = np.array([options.population_mean_weight if r.specimen.subject == POPULATION_MEAN else 1.0 for r in own])
    weight /= weight.sum()
    shapes = [r.points_mm for r in own]
    mean = shapes[int(weight.argmax())]
    mean = mean - mean.mean(axis=0)
    for _ in range(10):
        poses = [similarity_fit(shape, mean) for shape in shapes]
        aligned = np.array([transform_points(pose, shape) for pose, shape in zip(poses, shapes, strict=True)])
        mean = np.tensordot(weight, aligned, axes=1)
        mean = 0.5 * (mean + _symmetric_partner(mean, template.mirror))
    sizes = np.array([1.0 / np.cbrt(np.linalg.det(pose[:3, :3])) for pose in poses])
    mean = mean * np.exp(weight @ np.log(sizes))
    mean = transform_points(vertebra_from_points(mean, annotation.landmark_vertices), mean)
    mean = 0.5 * (mean + _mirrored(mean, template.mirror))
    poses = [similarity_fit(shape, mean) for shape in shapes]
    aligned = np.array([transform_points(pose, shape) for pose, shape in zip(poses, shapes, strict=True)])
    scales = np.array([1.0 / np.cbrt(np.linalg.det(pose[:3, :3])) for pose in poses])
    return mean, aligned, scales


def _symmetric_partner(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    reflected = _mirrored(points, mirror)
    return transform_points(similarity_fit(reflected, points, with_scale=False), reflected)


def vertebra_from_points(points_mm: np.ndarray, landmark_vertices: np.ndarray) -> np.ndarray:
    """Return the rigid (4, 4) vertebra_from_own matrix of a vertebra given by its vertices.

    Axes after Stokes 1994 (SRS): z through the endplate centres, y parallel to the line of the pedicles, here named as
    RAS: x to the right, y anterior, z cranial.

    Args:
        points_mm: (V, 3) vertices in any frame.
        landmark_vertices: (20, 4) vertices of the landmarks.
    """
    found = dict(zip(LANDMARK_NAMES, points_mm[landmark_vertices].mean(axis=1), strict=True))
    top, bottom = found["superior_endplate_centre"], found["inferior_endplate_centre"]
    z = (top - bottom) / np.linalg.norm(top - bottom)
    x = found["pedicle_right"] - found["pedicle_left"]
    x = x - (x @ z) * z
    x /= np.linalg.norm(x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), z])
    matrix[:3, 3] = -matrix[:3, :3] @ (0.5 * (top + bottom))
    return matrix


def _principal_modes(residuals: np.ndarray, explained: float) -> np.ndarray:
    """Principal components (m, V, 3) of residuals (n, V, 3), scaled to one standard deviation."""
    flat = residuals.reshape(len(residuals), -1)
    _, singular, components = np.linalg.svd(flat, full_matrices=False)
    share = np.cumsum(singular**2) / np.sum(singular**2)
    count = int(np.searchsorted(share, explained)) + 1
    deviation = singular[:count] / np.sqrt(len(flat))
    return (components[:count] * deviation[:, None]).reshape(count, -1, 3)


def _residual_modes(options: BuildOptions, surface: Surface, mirror: np.ndarray) -> np.ndarray:
    """Return the modes (m, V, 3) of all kernels, rotated so that each moves the surface as much as it can.

    What slides along the surface changes no bone. So of the modes that both halves share, and of those that they do
    not, the principal components of the displacement along the normal are taken, and of these the largest.
    """
    area = vertex_areas(surface.points_ras_mm, surface.faces)
    root = np.sqrt(area / area.sum())
    normals = vertex_normals(surface.points_ras_mm, surface.faces)
    halves: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for kernel in options.kernels:
        fields = _eigenfields(kernel, surface.points_ras_mm, root)
        other = _mirrored(fields, mirror)
        for part, sign, amplitude in zip(halves, (1.0, -1.0), (kernel.symmetric_mm, kernel.asymmetric_mm), strict=True):
            part.append(0.5 * amplitude * (fields + sign * other))
    found, moves = [], []
    for part in map(np.concatenate, halves):
        weights, singular, _ = np.linalg.svd(np.sum(part * normals, axis=2) * root, full_matrices=False)
        chosen = slice(0, options.residual_modes)
        found.append(np.tensordot(weights[:, chosen].T, part, axes=1))
        moves.append(singular[chosen])
    largest = np.argsort(-np.concatenate(moves), kind="stable")[: options.residual_modes]
    return np.concatenate(found)[largest]


def _eigenfields(kernel: ResidualKernel, points: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Leading eigenfunctions (3 n, V, 3) of a Gaussian kernel on a surface, of amplitude 1, along x, y and z each.

    Nystroem with vertex areas, ``root`` (V,) squared (Lüthi et al. 2018), without the similarities that the pose
    already describes.
    """
    from scipy.sparse.linalg import eigsh

    from .correspondence import squared_distances

    gram = np.exp(-0.5 * squared_distances(points, points) / kernel.length_mm**2)
    start = np.full(len(points), 1.0 / np.sqrt(len(points)))
    values, vectors = eigsh(root[:, None] * gram * root[None], k=kernel.function_count, v0=start)
    functions = (vectors[:, ::-1] * np.sqrt(values[::-1])).T / root
    modes = np.zeros((3 * kernel.function_count, len(points), 3))
    for axis in range(3):
        modes[axis::3, :, axis] = functions
    return _without_similarities(modes, points, root)


def _without_similarities(modes: np.ndarray, points: np.ndarray, root: np.ndarray) -> np.ndarray:
    centered = points - (root**2) @ points
    tangents = [np.tile(axis, (len(points), 1)) for axis in np.eye(3)]
    tangents += [np.cross(axis, centered) for axis in np.eye(3)] + [centered]
    basis = np.array([(tangent * root[:, None]).ravel() for tangent in tangents])
    basis = np.linalg.qr(basis.T)[0]
    flat = (modes * root[None, :, None]).reshape(len(modes), -1)
    flat = flat - (flat @ basis) @ basis.T
    return flat.reshape(modes.shape) / root[None, :, None]
