"""What a registration yields after every iteration, and what it ends with."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import Level
from ..geometry import View, transform_points
from ..shape.model import ShapeModel
from .corrections import NO_CORRECTIONS, Corrections
from .evidence import FilmEvidence
from .least_squares import drained
from .poses import VertebraState, coarse_basis

if TYPE_CHECKING:
    from .image_fit import ImageFit
    from .uncertainty import Posterior

SILHOUETTE_POINTS = 240


@dataclass(frozen=True, eq=False)
class RegistrationState:
    """The registration after one iteration.

    Surfaces and silhouettes are computed when first asked for, so that a caller who draws nothing pays nothing.

    Attributes:
        model: shape model.
        evidence: films the state was fitted to.
        stage: "initial", "landmarks", "coarse" or "fine".
        iteration: iteration within the stage; 0 for the initial poses.
        done: True for the last state.
        costs: cost of each term.
        ras_from_vertebra: {level: (4, 4)} similarity from the vertebra frame to RAS mm.
        coefficients: {level: (M,)} mode coefficients in standard deviations.
        landmark_residuals: {view name: {(level, landmark): (mm in the object plane, standard deviations)}}.
        image_residual_mm: {view name: root mean square residual in mm of bone}, empty before the image stages.
        level_image_residual_mm: {view name: {level: root mean square residual where the vertebra projects}}.
        gain: {view name: gain of the film against path length}, empty before the image stages.
        corrections: corrections of the geometry; RAS, in which poses and surfaces are given, is that of the AP film.
        correction_sd: {name: standard deviation} of the corrections in their units (deg, mm); empty before the last
            state.
        warnings: what the user should know.
        find_posterior: finds ``posterior`` in small steps; None but in the last state of a registration.
        image_fit: what a refit goes on with; None but in the last state, and where no images were used.
    """

    model: ShapeModel
    evidence: tuple[FilmEvidence, FilmEvidence]
    stage: str
    iteration: int
    done: bool
    costs: Mapping[str, float]
    ras_from_vertebra: Mapping[Level, np.ndarray]
    coefficients: Mapping[Level, np.ndarray]
    landmark_residuals: Mapping[str, Mapping[tuple[Level, str], tuple[float, float]]]
    image_residual_mm: Mapping[str, float] = field(default_factory=dict)
    level_image_residual_mm: Mapping[str, Mapping[Level, float]] = field(default_factory=dict)
    gain: Mapping[str, float] = field(default_factory=dict)
    corrections: Corrections = NO_CORRECTIONS
    correction_sd: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    find_posterior: Callable[[], Generator[None, None, Posterior]] | None = field(default=None, repr=False)
    image_fit: ImageFit | None = field(default=None, repr=False)

    @cached_property
    def posterior(self) -> Posterior | None:
        """How sure poses and shapes are; found when first asked for, None before the last state.

        Raises:
            RegistrationError: if the evidence does not determine every vertebra.
        """
        return None if self.find_posterior is None else drained(self.find_posterior())

    def posterior_slowly(self) -> Generator[None, None, Posterior | None]:
        """Return ``posterior``, finding it in small steps; None is yielded between them. Errors as there."""
        if "posterior" not in self.__dict__ and self.find_posterior is not None:
            self.__dict__["posterior"] = yield from self.find_posterior()
        return self.posterior

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels that are being reconstructed, cranial first."""
        return tuple(self.ras_from_vertebra)

    @property
    def cost(self) -> float:
        """Sum of the terms."""
        return float(sum(self.costs.values()))

    @property
    def views(self) -> tuple[View, View]:
        """Views of the films."""
        return tuple(item.view for item in self.evidence)

    @property
    def corrected_views(self) -> tuple[View, View]:
        """Views in which the surfaces show as they do on the films, but for the motions of single vertebrae."""
        return tuple(self.corrections.corrected_view(view) for view in self.views)

    @property
    def landmark_residual_mm(self) -> dict[str, float]:
        """{view name: root mean square landmark residual in mm of the object plane}."""
        return {
            name: float(np.sqrt(np.mean([value[0] ** 2 for value in entries.values()])))
            for name, entries in self.landmark_residuals.items()
            if entries
        }

    @cached_property
    def points_ras_mm(self) -> dict[Level, np.ndarray]:
        """{level: (V, 3)} vertices of the full mesh, RAS mm."""
        return {
            level: transform_points(matrix, self.model.instance(level, self.coefficients[level]))
            for level, matrix in self.ras_from_vertebra.items()
        }

    @cached_property
    def coarse_points_ras_mm(self) -> dict[Level, np.ndarray]:
        """{level: (Vc, 3)} vertices of the model's coarse mesh, RAS mm: enough to draw a running registration."""
        return {level: coarse_basis(self.model).posed(vertebra) for level, vertebra in self._vertebrae.items()}

    @property
    def _vertebrae(self) -> dict[Level, VertebraState]:
        return {
            level: VertebraState.from_matrix(level, matrix, self.coefficients[level])
            for level, matrix in self.ras_from_vertebra.items()
        }

    @cached_property
    def silhouettes_px(self) -> dict[str, dict[Level, np.ndarray]]:
        """{view name: {level: (240, 2)}} outline of every vertebra in pixels of the film, where the film shows it."""
        from ..rendering import silhouettes

        stacked = np.stack(list(self.coarse_points_ras_mm.values()))
        faces = np.asarray(self.model.coarse_faces)
        found = {}
        for view in self.views:
            shown = stacked
            if self.corrections.moves(view.name):
                moved = [self.corrections.in_view(view.name, item) for item in self._vertebrae.values()]
                shown = np.stack([coarse_basis(self.model).posed(item) for item in moved])
            corrected = self.corrections.view(view)
            outlines = np.asarray(silhouettes(shown, faces, corrected, count=SILHOUETTE_POINTS))
            found[view.name] = dict(zip(self.levels, outlines, strict=True))
        return found


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Result of a registration.

    Attributes:
        levels: reconstructed levels, cranial first.
        faces: (F, 3) triangles of every surface, outward.
        ras_from_vertebra: {level: (4, 4)} similarity from the vertebra frame to RAS mm.
        coefficients: {level: (M,)} mode coefficients in standard deviations.
        points_ras_mm: {level: (V, 3)} vertices, RAS mm.
        landmarks_ras_mm: {level: (20, 3)} landmarks of the reconstructed surface, in the order of LANDMARK_NAMES.
        landmark_residual_mm: {view name: root mean square landmark residual, mm of the object plane}.
        image_residual_mm: {view name: root mean square image residual, mm of bone}.
        level_image_residual_mm: {view name: {level: the same where the vertebra projects}}.
        gain: {view name: gain of the film}.
        corrections: corrections of the geometry.
        correction_sd: {name: standard deviation} of these, deg or mm.
        costs: cost of each term.
        warnings: what the user should know.
        iterations: {stage: iterations used}.
        seconds: wall time.
        device: device it ran on.
        model_sha256, model_version: the shape model; None where it does not say.
        final_state: the last state; register(start=...) goes on from it.
    """

    levels: tuple[Level, ...]
    faces: np.ndarray
    ras_from_vertebra: Mapping[Level, np.ndarray]
    coefficients: Mapping[Level, np.ndarray]
    points_ras_mm: Mapping[Level, np.ndarray]
    landmarks_ras_mm: Mapping[Level, np.ndarray]
    landmark_residual_mm: Mapping[str, float]
    image_residual_mm: Mapping[str, float]
    level_image_residual_mm: Mapping[str, Mapping[Level, float]]
    gain: Mapping[str, float]
    corrections: Corrections
    correction_sd: Mapping[str, float]
    costs: Mapping[str, float]
    warnings: tuple[str, ...]
    iterations: Mapping[str, int]
    seconds: float
    device: str
    model_sha256: str | None
    model_version: object | None
    final_state: RegistrationState

    @classmethod
    def from_state(
        cls, state: RegistrationState, iterations: Mapping[str, int], seconds: float, device: str
    ) -> Reconstruction:
        """Collect the last state of a registration."""
        points = state.points_ras_mm
        return cls(
            levels=state.levels,
            faces=np.asarray(state.model.faces),
            ras_from_vertebra=state.ras_from_vertebra,
            coefficients=state.coefficients,
            points_ras_mm=points,
            landmarks_ras_mm={level: state.model.landmarks(value) for level, value in points.items()},
            landmark_residual_mm=state.landmark_residual_mm,
            image_residual_mm=state.image_residual_mm,
            level_image_residual_mm=state.level_image_residual_mm,
            gain=state.gain,
            corrections=state.corrections,
            correction_sd=state.correction_sd,
            costs=state.costs,
            warnings=state.warnings,
            iterations=dict(iterations),
            seconds=seconds,
            device=device,
            model_sha256=state.model.sha256,
            model_version=state.model.provenance.get("version"),
            final_state=state,
        )
