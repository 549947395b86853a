"""Shape models of other programs: the HDF5 files of statismo and scalismo.

Such a model has its own mesh, one mean for one bone and no landmarks, so it is not a ``ShapeModel``. What it holds for
this program are shapes: its mean, its mean with a mode added or taken away, and vertebrae drawn from it, which
``shape-model build`` takes as people.

Layout (statismo 0.8 and 0.9; Lüthi et al. 2012, Insight Journal 1:1): ``model/mean`` (3N), ``model/pcaBasis``
(3N, M), ``model/pcaVariance`` (M), optionally ``model/noiseVariance``; ``representer/points`` (3, N) and
``representer/cells`` (3, F).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level
from ..errors import ShapeModelError
from .model import Posterior, checked_coefficients
from .surfaces import Surface, write_surface

_SHOWN_SD = 2.0
_FLIP = np.array([-1.0, -1.0, 1.0])  # LPS to RAS and back


@dataclass(frozen=True, eq=False)
class StatismoModel:
    """A statistical shape model of one bone; coefficients are standard normal.

    Attributes:
        mean_points_mm: (N, 3) mean vertices, RAS mm, in the model's own place.
        faces: (F, 3) triangles.
        modes_mm: (M, N, 3) displacement per standard deviation.
        noise_variance_mm2: variance per coordinate of what the modes leave out.
    """

    mean_points_mm: np.ndarray
    faces: np.ndarray
    modes_mm: np.ndarray
    noise_variance_mm2: float = 0.0

    @property
    def mode_count(self) -> int:
        """M, the number of modes."""
        return len(self.modes_mm)

    @property
    def variances_mm2(self) -> np.ndarray:
        """(M,) variance of each mode, summed over all coordinates, as ``model/pcaVariance`` holds them."""
        return (self.modes_mm**2).sum(axis=(1, 2))

    def instance(self, coefficients: np.ndarray) -> Surface:
        """Return the bone with the given coefficients (m,), m <= M, in standard deviations; missing ones are zero.

        Raises:
            ShapeModelError: for more coefficients than modes.
        """
        coefficients = checked_coefficients(coefficients, self.mode_count)
        moved = np.tensordot(coefficients, self.modes_mm[: len(coefficients)], axes=1)
        return Surface(self.mean_points_mm + moved, self.faces)

    def sample(self, rng: np.random.Generator) -> Surface:
        """Return a bone drawn at random."""
        return self.instance(rng.standard_normal(self.mode_count))

    def posterior(self, vertices: np.ndarray, points_mm: np.ndarray, sigma_mm: float) -> Posterior:
        """Condition the model on where some of its vertices were seen (Lüthi et al. 2018, TPAMI 40:1860).

        Args:
            vertices: (n,) indices of the observed vertices.
            points_mm: (n, 3) where they were seen, in the model's frame.
            sigma_mm: standard deviation of the observation per coordinate; the model's own noise is added.

        Returns:
            The posterior of the coefficients.

        Raises:
            ShapeModelError: if the shapes do not fit or sigma is not positive.
        """
        vertices, points = np.asarray(vertices), np.asarray(points_mm, dtype=np.float64)
        if points.shape != (len(vertices), 3) or not sigma_mm > 0:
            raise ShapeModelError(
                f"{len(vertices)} vertices, points of shape {points.shape}, sigma {sigma_mm}; give (n, 3) points and "
                "a positive sigma."
            )
        variance = sigma_mm**2 + self.noise_variance_mm2
        basis = self.modes_mm[:, vertices].reshape(self.mode_count, -1).T
        offset = (points - self.mean_points_mm[vertices]).ravel()
        covariance = np.linalg.inv(basis.T @ basis / variance + np.eye(self.mode_count))
        return Posterior(covariance @ (basis.T @ offset) / variance, covariance)


def read_statismo(path: str | Path, *, lps: bool = True, unit_mm: float = 1.0) -> StatismoModel:
    """Read a shape model of statismo or scalismo (.h5).

    Args:
        path: the file.
        lps: the model's points are LPS, as ITK and scalismo write them; False for RAS.
        unit_mm: length of the model's unit in mm; some models are in m, or normalised.

    Raises:
        ShapeModelError: if the unit is not positive, h5py or the file is missing, or it is no such model or
            inconsistent.
    """
    if not 0 < unit_mm < np.inf:
        raise ShapeModelError(f"The length of a model's unit must be positive, in mm; it is {unit_mm}.")
    try:
        import h5py
    except ImportError:
        raise ShapeModelError(
            f"{path}: reading statismo models needs the package h5py; install it with pip install h5py."
        ) from None
    path = Path(path)
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such shape model"
        raise ShapeModelError(f"{path}: {what}; give the HDF5 file of a statismo or scalismo model.")
    try:
        with h5py.File(path, "r") as file:
            kind = file["representer"].attrs.get("datasetType", b"POLYGON_MESH")
            mean, basis, variance = (np.asarray(file["model"][name], dtype=np.float64) for name in _MODEL)
            cells = np.asarray(file["representer/cells"])
            noise = float(np.ravel(file["model/noiseVariance"])[0]) if "noiseVariance" in file["model"] else 0.0
            version = tuple(int(np.ravel(file[name])[0]) if name in file else least for name, least in _VERSIONS)
    except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ShapeModelError(
            f"{path}: not a shape model of statismo or scalismo ({error}); export it with its mesh as statismo HDF5."
        ) from None
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    _check(path, kind, mean, basis, variance, cells, noise)
    # Up to version 0.8 the basis is stored already scaled by the standard deviations.
    scaled = basis if version <= (0, 8) else basis * np.sqrt(variance)
    flip = unit_mm * (_FLIP if lps else np.ones(3))
    return StatismoModel(
        mean_points_mm=mean.reshape(-1, 3) * flip,
        faces=cells.T.astype(np.int64),
        modes_mm=scaled.T.reshape(len(variance), -1, 3) * flip,
        noise_variance_mm2=noise * unit_mm**2,
    )


def write_shapes(
    model: StatismoModel,
    folder: str | Path,
    name: str,
    *,
    modes: int = 5,
    samples: int = 0,
    level: Level | None = None,
    seed: int = 0,
) -> list[Path]:
    """Write shapes of a model as .vtp, RAS mm.

    Args:
        model: the model.
        folder: an existing folder; gets ``mean.vtp``, ``mode_01_minus.vtp`` and ``mode_01_plus.vtp`` (two standard
            deviations) and ``NAME-01_L3.vtp`` ..., named as ``shape-model build --meshes`` wants its people.
        name: name of the drawn people.
        modes: how many modes are shown; at most those there are.
        samples: how many shapes are drawn.
        level: which vertebra the model is of.
        seed: of the random numbers.

    Returns:
        The files written.

    Raises:
        ShapeModelError: if shapes are to be drawn without a level, or a number is negative.
    """
    if modes < 0 or samples < 0:
        raise ShapeModelError(f"{modes} modes and {samples} samples asked for; neither can be negative.")
    if samples and (level is None or level not in LUMBAR_LEVELS):
        raise ShapeModelError("Drawn shapes are people for 'shape-model build'; say with --level which of L1-L5 it is.")
    shapes = {"mean.vtp": model.instance(np.zeros(0))}
    for k in range(min(modes, model.mode_count)):
        step = np.zeros(k + 1)
        for word, step[k] in (("minus", -_SHOWN_SD), ("plus", _SHOWN_SD)):
            shapes[f"mode_{k + 1:02d}_{word}.vtp"] = model.instance(step)
    rng = np.random.default_rng(seed)
    for k in range(samples):
        shapes[f"{name}-{k + 1:02d}_{level.name}.vtp"] = model.sample(rng)
    for file, surface in shapes.items():
        write_surface(Path(folder) / file, surface)
    return [Path(folder) / file for file in shapes]


_MODEL = ("mean", "pcaBasis", "pcaVariance")
_VERSIONS = (("version/majorVersion", 0), ("version/minorVersion", 9))


def _check(path, kind, mean, basis, variance, cells, noise) -> None:
    count = mean.size // 3
    problems = {
        f"it models {kind}, not a polygon mesh": "MESH" not in kind.upper(),
        f"its mean has {mean.shape} numbers, not 3 per point": mean.ndim != 1 or mean.size % 3 or not mean.size,
        f"its basis is {basis.shape} for {mean.size} coordinates and {variance.shape} variances": variance.ndim != 1
        or basis.shape != (mean.size, len(variance)),
        f"its cells are {cells.shape}, not three points per triangle": cells.ndim != 2 or cells.shape[0] != 3,
        f"its cells name points beyond the {count} there are": cells.size and int(cells.max()) >= count,
        "a number is not finite, or a variance negative": not (
            np.isfinite(mean).all() and np.isfinite(basis).all() and np.all(variance >= 0) and noise >= 0
        ),
    }
    found = [what for what, wrong in problems.items() if wrong]
    if found:
        raise ShapeModelError(f"{path}: cannot use this shape model: {'; '.join(found)}.")
