"""Rigid and similarity transforms between frames.

Names: ``b_from_a`` is the (4, 4) matrix that takes points of frame a to frame b. Points are rows (..., 3) in mm.
"""

from __future__ import annotations

import numpy as np

from ..errors import GeometryError

# DICOM and ITK write x = left, y = posterior; Slicer and this package use x = right, y = anterior. Its own inverse.
ras_from_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
ras_from_lps.setflags(write=False)

# What messages say of the frame that all points are in.
AXES_IN_WORDS = "R, A and S are the axes to the patient's right, front and head"


def transform_points(b_from_a: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply an affine (4, 4) matrix to points.

    Args:
        b_from_a: (..., 4, 4) matrix, or a batch that broadcasts against the points' leading axes.
        points: (..., 3) points of frame a, mm.

    Returns:
        (..., 3) points of frame b, float64, mm.
    """
    matrix = np.asarray(b_from_a, dtype=np.float64)
    points = np.asarray(points, dtype=np.float64)
    if matrix.ndim == 2:
        return points @ matrix[:3, :3].T + matrix[:3, 3]
    return (matrix[..., :3, :3] @ points[..., None])[..., 0] + matrix[..., :3, 3]


def cross_matrix(vectors: np.ndarray) -> np.ndarray:
    """Return the (..., 3, 3) matrices K with ``K @ x == cross(vector, x)`` for vectors (..., 3)."""
    vectors = np.asarray(vectors, dtype=np.float64)
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_from_vector(vectors_rad: np.ndarray) -> np.ndarray:
    """Turn rotation vectors into rotation matrices (Rodrigues' formula).

    Args:
        vectors_rad: (..., 3) axis times angle, in radians.

    Returns:
        (..., 3, 3) rotation matrices, float64.
    """
    vectors = np.asarray(vectors_rad, dtype=np.float64)
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = cross_matrix(vectors)
    # np.sinc is sin(pi x)/(pi x): both coefficients stay exact through angle 0.
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2.0 * np.pi)) ** 2
    return np.eye(3) + first * cross + second * (cross @ cross)


def vector_from_rotation(rotations: np.ndarray) -> np.ndarray:
    """Turn rotation matrices into rotation vectors; the inverse of ``rotation_from_vector`` for angles up to pi.

    Goes through the unit quaternion, of which the largest component is taken first (Shepperd 1978), so that it is
    accurate at 0 and at pi alike.

    Args:
        rotations: (..., 3, 3) rotation matrices.

    Returns:
        (..., 3) axis times angle in radians, angle in [0, pi].
    """
    r = np.asarray(rotations, dtype=np.float64)
    trace = np.trace(r, axis1=-2, axis2=-1)
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    # The 4x4 matrix 4 q q^T in the order (w, x, y, z); its column with the largest diagonal gives q up to scale.
    outer = np.empty((*r.shape[:-2], 4, 4))
    outer[..., 0, 0] = 1.0 + trace
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        outer[..., i + 1, i + 1] = 1.0 + 2.0 * diagonal[..., i] - trace
        outer[..., 0, i + 1] = outer[..., i + 1, 0] = r[..., k, j] - r[..., j, k]
        outer[..., j + 1, k + 1] = outer[..., k + 1, j + 1] = r[..., j, k] + r[..., k, j]
    largest = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    quaternion = np.take_along_axis(outer, largest[..., None, None], axis=-1)[..., 0]
    quaternion /= np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion *= np.where(quaternion[..., :1] < 0.0, -1.0, 1.0)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1)
    half = np.arctan2(sine, quaternion[..., 0])
    ratio = np.where(sine > 1e-12, 2.0 * half / np.maximum(sine, 1e-300), 2.0)
    return quaternion[..., 1:] * ratio[..., None]


def rigid(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Return the (4, 4) matrix ``x -> rotation @ x + translation``; a scaled rotation gives a similarity."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def similarity_fit(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None, with_scale: bool = True
) -> np.ndarray:
    """Fit the similarity that takes ``source`` to ``target`` in the weighted least-squares sense.

    Umeyama, IEEE PAMI 13(4):376, 1991: never a reflection.

    Args:
        source: (N, 3) points, at least three that are not on one line.
        target: (N, 3) the same points in the other frame.
        weights: (N,) non-negative weights; None means equal.
        with_scale: False fixes the scale at 1.

    Returns:
        (4, 4) ``target_from_source`` with ``s * R`` in the upper left.

    Raises:
        GeometryError: if sizes disagree, a value is not finite, or the points do not determine a rotation.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3:
        raise GeometryError(
            f"A similarity needs two (N, 3) arrays of equal size; found {source.shape}, {target.shape}."
        )
    w = np.ones(len(source)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(source),) or not np.all(np.isfinite(w)) or np.any(w < 0.0) or w.sum() <= 0.0:
        raise GeometryError(f"A similarity over {len(source)} points needs as many weights >= 0, not all 0.")
    if not (np.all(np.isfinite(source)) and np.all(np.isfinite(target))):
        raise GeometryError("A similarity cannot be fitted to points with NaN or infinity; leave those points out.")
    w = w / w.sum()
    source_mean, target_mean = w @ source, w @ target
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(b.T @ (w[:, None] * a))
    if singular[1] <= 1e-9 * max(singular[0], 1e-300):
        raise GeometryError(
            f"The {len(source)} points lie on one line (or one point); a rotation needs three that do not."
        )
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * signs) @ vt
    scale = float(singular @ signs / (w @ (a**2).sum(axis=1))) if with_scale else 1.0
    return rigid(scale * rotation, target_mean - scale * rotation @ source_mean)
