"""How sure a reconstruction is: the Laplace approximation of the posterior about the solution.

The objective is half a negative log posterior, so the inverse of its Gauss-Newton Hessian at the minimum is the
covariance of the unknowns (MacKay 2003, Information Theory, Inference, and Learning Algorithms, chapter 27). Gain,
background and corrections of the geometry are unknowns too: taking the vertebrae's part of the inverse integrates over
them.

What the shape model cannot express is no unknown. It is added to the surfaces as independent noise of the size that
people left out of the model leave over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..anatomy import Level, Region
from ..errors import RegistrationError
from ..shape.model import ShapeModel
from ..shape.surfaces import vertex_normals
from .algebra import lower_inverse, product
from .corrections import NO_CORRECTIONS, Corrections
from .least_squares import Layout, Term, Unknowns, drained, linearized_slowly
from .poses import POSE_UNKNOWNS, VertebraState, vertex_basis

# Mean distance, mm, from people left out of the model to the best that the model can do, by region
# (docs/benchmarks/shape_model.csv); 1.25 turns a mean absolute deviation of a normal distribution into its own.
_FLOOR_MM = {
    Region.BODY: 0.30,
    Region.PEDICLE: 0.33,
    Region.TRANSVERSE: 0.39,
    Region.SPINOUS: 0.40,
    Region.ARTICULAR: 0.41,
    Region.LAMINA: 0.40,
}
_SD_PER_MEAN = 1.2533
_FLOOR_LENGTH_MM = 12.0  # features narrower than the model's own modes
_WAVES = 40


@dataclass(frozen=True, eq=False)
class Posterior:
    """Normal distribution of poses and shapes about a reconstruction.

    Attributes:
        model: shape model.
        vertebrae: the solution, cranial first.
        covariance: (P, P) of all unknowns of the vertebrae, in the order of ``VertebraState.stepped``: rotation (rad),
            translation (mm), log-scale, then all mode coefficients; vertebra after vertebra.
        corrections: corrections of the geometry at the solution.
        corrections_covariance: (S, S) of these, in rad, mm or 1.
    """

    model: ShapeModel
    vertebrae: tuple[VertebraState, ...]
    covariance: np.ndarray
    corrections: Corrections = NO_CORRECTIONS
    corrections_covariance: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    _floor: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look up the model's own error at every vertex."""
        labels = np.asarray(self.model.region_labels)
        floor = np.array([_SD_PER_MEAN * _FLOOR_MM.get(Region(int(value)), 0.5) for value in labels])
        object.__setattr__(self, "_floor", floor)

    @cached_property
    def _basis(self):
        return vertex_basis(self.model)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels, cranial first."""
        return tuple(item.level for item in self.vertebrae)

    def _block(self, level: Level) -> slice:
        size = len(self.covariance) // len(self.vertebrae)
        if level not in self.levels:
            raise RegistrationError(f"{level.name} was not reconstructed; there are {[x.name for x in self.levels]}.")
        start = self.levels.index(level) * size
        return slice(start, start + size)

    def pose_sd(self, level: Level) -> tuple[np.ndarray, np.ndarray]:
        """Return the standard deviations of a pose: (3,) degrees and (3,) mm about and along the RAS axes.

        Raises:
            RegistrationError: if the level was not reconstructed.
        """
        sd = np.sqrt(np.diag(self.covariance)[self._block(level)][:6])
        return np.rad2deg(sd[:3]), sd[3:]

    def correction_sd(self) -> dict[str, float]:
        """Return {name: standard deviation} of the corrections of the geometry, in degrees, mm or factors.

        It is at most that of the prior: the films cannot make known less well what was known before. The covariance may
        say more where it was scaled for the network's evidence (``posterior_sd_factor``).
        """
        unknowns, sd = self.corrections.unknowns, np.sqrt(np.diag(self.corrections_covariance))
        return {item.name: item.reported(min(value, item.prior_sd)) for item, value in zip(unknowns, sd, strict=True)}

    def vertex_sd_mm(self, level: Level) -> np.ndarray:
        """Return (V,) standard deviations in mm of the surface along its normal, the model's own error included.

        Raises:
            RegistrationError: if the level was not reconstructed.
        """
        block = self._block(level)
        state = self.vertebrae[self.levels.index(level)]
        tangents = self._basis.tangents(state, block.stop - block.start - POSE_UNKNOWNS)
        normals = vertex_normals(self._basis.posed(state), np.asarray(self.model.faces))
        along = np.einsum("vxp,vx->vp", tangents, normals)
        variance = np.einsum("vp,vp->v", along @ self.covariance[block, block], along)
        return np.sqrt(np.clip(variance, 0.0, None) + self._floor**2)

    def samples(self, count: int, seed: int = 0) -> Iterator[dict[Level, np.ndarray]]:
        """Yield ``count`` random reconstructions, {level: (V, 3)} RAS mm, the model's own error included."""
        rng = np.random.default_rng(seed)
        # The covariance is the inverse of a positive definite matrix; rounding may have left a part in 1e12 of it.
        smallest = 1e-12 * np.diag(self.covariance).max()
        root = np.linalg.cholesky(self.covariance + smallest * np.eye(len(self.covariance)))
        surfaces = {item.level: self._basis.posed(item) for item in self.vertebrae}
        normals = {level: vertex_normals(points, np.asarray(self.model.faces)) for level, points in surfaces.items()}
        for _ in range(count):
            step = root @ rng.standard_normal(len(root))
            drawn = {}
            for item in self.vertebrae:
                bumps = self._floor * _smooth_field(surfaces[item.level], rng)
                points = self._basis.posed(item.stepped(step[self._block(item.level)]))
                drawn[item.level] = points + bumps[:, None] * normals[item.level]
            yield drawn


def _smooth_field(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (V,) a random field of variance 1 at points in mm that varies over ``_FLOOR_LENGTH_MM``.

    A sum of plane waves with normal wave vectors: its covariance tends to a Gaussian of that length.
    """
    waves = rng.standard_normal((_WAVES, 3)) / _FLOOR_LENGTH_MM
    phases = points @ waves.T + rng.uniform(0.0, 2.0 * np.pi, _WAVES)
    # Single precision errs by 1e-5 of the field and takes a fifteenth of the time.
    return np.cos(phases.astype(np.float32)).sum(axis=1, dtype=np.float64) * np.sqrt(2.0 / _WAVES)


def laplace_posterior(model: ShapeModel, terms: Sequence[Term], unknowns: Unknowns) -> Posterior:
    """Return what ``laplace_posterior_slowly`` does, with the same arguments and errors, in one go."""
    return drained(laplace_posterior_slowly(model, terms, unknowns))


def laplace_posterior_slowly(
    model: ShapeModel, terms: Sequence[Term], unknowns: Unknowns, sd_factor: float = 1.0
) -> Generator[None, None, Posterior]:
    """Return the posterior about ``unknowns``, which should be a minimum of the sum of ``terms``.

    Args:
        model: shape model.
        terms: all terms of the objective.
        unknowns: the solution, with gain and background if there are images.
        sd_factor: factor on all standard deviations.

    Yields:
        None between the parts of the work.

    Raises:
        RegistrationError: if the solution is no minimum or not finite, so that it has no covariance.
    """
    modes = len(model.modes_mm)
    nuisance = tuple(len(item) for item in unknowns.nuisance)
    layout = Layout(len(unknowns.vertebrae), modes, nuisance, len(unknowns.corrections))
    hessian = (yield from linearized_slowly(terms, layout, unknowns)).hessian
    size = layout.vertebrae * layout.block
    try:
        root = np.linalg.cholesky(0.5 * (hessian + hessian.T))
    except np.linalg.LinAlgError:
        raise RegistrationError(
            "The reconstruction has no uncertainty: the evidence does not determine every vertebra. Check the "
            "landmarks."
        ) from None
    yield None
    inverse = sd_factor * lower_inverse(root)
    half, shared = inverse[:, :size], inverse[:, layout.corrections]
    yield None
    spread = product(shared.T, shared)
    return Posterior(model, unknowns.vertebrae, product(half.T, half), unknowns.corrections, spread)
