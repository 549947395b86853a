"""The stages of a registration: landmarks alone, then images coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from ..anatomy import Level
from ..errors import GeometryError, RegistrationError
from ..geometry import vector_from_rotation
from ..rendering.threads import limited_steps
from ..shape.model import ShapeModel
from .checks import correction_notes, gain_warnings, landmark_warnings, residual_warnings, shape_warnings
from .corrections import NO_CORRECTIONS, Corrections
from .evidence import FilmEvidence
from .free_corrections import free_corrections
from .image_fit import ImageFit
from .image_setup import image_term_slowly, mesh_projector
from .image_term import ImageTerm
from .landmark_term import LandmarkTerm, sightings_of
from .least_squares import Iteration, Layout, Schedule, Unknowns, levenberg_marquardt, total_cost
from .options import Options
from .poses import VertebraState, landmark_basis
from .prior_terms import CorrectionPrior, IntervalPrior, ShapePrior
from .raw_films import NoBoneError
from .state import RegistrationState
from .uncertainty import Posterior, laplace_posterior_slowly

# A vertebra that leaves its start by more than this within one image stage has been lost.
_LOST_MM = 30.0
_LOST_DEG = 35.0


class Stages:
    """One registration under way: the vertebrae now, and the stages that move them."""

    def __init__(
        self, model: ShapeModel, evidence: tuple[FilmEvidence, FilmEvidence], options: Options, device: torch.device
    ) -> None:
        """Prepare; nothing is solved yet."""
        self.model, self.evidence, self.options, self.device = model, evidence, options, device
        self.films = [film for film in evidence if film.has_image] if options.use_images else []
        self.landmark_points = landmark_basis(model)
        self._projector = mesh_projector(model, options, device) if self.films else None
        self._unknowns = Unknowns(())
        self._images: ImageTerm | None = None
        self._before: ImageFit | None = None
        self._costs: dict[str, float] = {}
        self._warnings: list[str] = []
        self._last = ("initial", 0)

    def warn(self, *warnings: str) -> None:
        """Add warnings to all states from now on."""
        self._warnings += [text for text in warnings if text not in self._warnings]

    def begin(
        self,
        vertebrae: Iterable[VertebraState],
        known: Corrections = NO_CORRECTIONS,
        image_fit: ImageFit | None = None,
    ) -> None:
        """Set the vertebrae to start from, cranial first, and what is known already of corrections and images."""
        found, self._before = tuple(vertebrae), image_fit
        views = [film.view for film in self.evidence]
        middle = np.mean([item.translation_mm for item in found], axis=0)
        free = free_corrections(self.options, views, [item.level for item in found], middle)
        self._unknowns = Unknowns(found, corrections=free.going_on_from(known))
        self._costs = total_cost([self._landmark_term(), *self._priors()], self._unknowns)

    @property
    def corrections(self) -> Corrections:
        """Corrections of the geometry now."""
        return self._unknowns.corrections

    # -- terms -----------------------------------------------------------------------------------------------------

    def _landmark_term(
        self, evidence: tuple[FilmEvidence, FilmEvidence] | None = None, weight: float = 1.0
    ) -> LandmarkTerm:
        sightings = {
            item.level: [
                sightings_of(film, item.level, item.translation_mm, self.options) for film in evidence or self.evidence
            ]
            for item in self._unknowns.vertebrae
        }
        return LandmarkTerm(self.landmark_points, sightings, self.options.landmark_cauchy, weight)

    def _priors(self, center: tuple[VertebraState, ...] | None = None) -> list:
        options = self.options
        shape = ShapePrior(
            options.prior_weight,
            self.model.log_scale_sd,
            options.neighbor_correlation,
            options.scale_correlation,
            center,
        )
        interval = [IntervalPrior(self.landmark_points, options.interval_weight)] if options.interval_weight else []
        corrections = [CorrectionPrior()] if len(self._unknowns.corrections) else []
        return [shape, *interval, *corrections]

    def _modes(self, chosen: int | None, usual: int) -> int:
        return min(len(self.model.modes_mm), usual if chosen is None else chosen)

    def _schedule(self, iterations: int, tolerance_mm: float | None = None, **steps) -> Schedule:
        tolerance_mm = self.options.tolerance_mm if tolerance_mm is None else tolerance_mm
        return Schedule(iterations, tolerance_mm, self._movement_mm, **steps)

    def _image_tolerance_mm(self, coarse: bool) -> float:
        options = self.options
        goes_on = coarse and options.fine_iterations and not len(self._unknowns.corrections)
        return options.coarse_tolerance_mm if goes_on else options.tolerance_mm

    def _movement_mm(self, before: Unknowns, after: Unknowns) -> float:
        """Return how far the landmarks of the vertebra that moved most have moved, root mean square, mm."""
        return max(map(self._moved_mm, before.vertebrae, after.vertebrae))

    def _moved_mm(self, before: VertebraState, after: VertebraState) -> float:
        posed = self.landmark_points.posed
        return float(np.sqrt(np.mean(np.sum((posed(after) - posed(before)) ** 2, axis=1))))

    # -- stages ----------------------------------------------------------------------------------------------------

    def landmarks(
        self, levels: Collection[Level] | None = None, evidence: tuple[FilmEvidence, FilmEvidence] | None = None
    ) -> Iterator[RegistrationState | None]:
        """Solve the landmark term alone; None is yielded in between.

        Args:
            levels: vertebrae that may move; None means all.
            evidence: landmarks to use instead of the films' own; the shapes then vary about the present ones.
        """
        everything = self._unknowns.vertebrae
        chosen = [i for i, item in enumerate(everything) if levels is None or item.level in levels]
        center = tuple(everything[i] for i in chosen) if evidence is not None else None
        start = replace(self._unknowns, vertebrae=tuple(everything[i] for i in chosen), nuisance=())
        terms = [self._landmark_term(evidence), *self._priors(center)]
        # A few vertebrae that follow a moved landmark are no reason to move the films.
        shared = len(start.corrections) if levels is None else 0
        layout = Layout(len(chosen), self._modes(self.options.landmark_modes, self.model.pca_count), (), shared)
        schedule = self._schedule(self.options.landmark_iterations)
        for iteration in levenberg_marquardt(terms, layout, start, schedule):
            if iteration is None:
                yield None
                continue
            moved = list(everything)
            for i, item in zip(chosen, iteration.unknowns.vertebrae, strict=True):
                moved[i] = item
            self._unknowns = replace(iteration.unknowns, vertebrae=tuple(moved))
            self._images, self._costs = None, iteration.costs
            yield self.state("landmarks", iteration.number)

    def images(self, stage: str, refit: bool = False, calibrate: bool = False) -> Iterator[RegistrationState | None]:
        """Solve all terms at one resolution, "coarse" or "fine"; ``refit`` after a landmark was moved.

        With ``calibrate`` the corrections of the geometry are free, and images count for no more than they are worth:
        what they get wrong hangs together and would be taken for wrong geometry. Otherwise corrections stay.

        None is yielded between the parts of an iteration, every few hundredths of a second.

        Raises:
            RegistrationError: if the vertebrae project outside a lumbar-only image or lie behind a source.
        """
        options, coarse = self.options, stage == "coarse"
        count = options.coarse_iterations if coarse else options.fine_iterations
        if refit:
            count = min(count, options.refit_iterations)
        if not count:
            return
        start = self._unknowns
        modes = self._modes(options.coarse_modes if coarse else options.fine_modes, len(self.model.modes_mm))
        try:
            images, unknowns = yield from self._image_term(stage, modes, refit)
        except NoBoneError as error:
            self.warn(f"{error}; its landmarks alone are used. Check its polarity and its landmarks.")
            self.films = [film for film in self.films if film.view.name != error.view_name]
            if self.films:
                yield from self.images(stage, refit, calibrate)
            return
        except GeometryError as error:
            raise RegistrationError(
                f"The vertebrae cannot be projected: {error} Check that the geometry belongs to these films."
            ) from error
        nuisance = tuple(len(item) for item in unknowns.nuisance)
        layout = Layout(len(start.vertebrae), modes, nuisance, len(start.corrections) if calibrate else 0)
        if calibrate:
            images = replace(images, options=self._worth_of_images())
        terms = [images, self._landmark_term(weight=options.landmark_weight), *self._priors()]
        tolerance_mm, reuse = (None, options.refit_reuse) if refit else (self._image_tolerance_mm(coarse), 0)
        # Where landmarks or priors have much to say, steps do not fall short.
        relaxation = 1.0 if refit or calibrate else options.image_relaxation
        steps = {"reuse": reuse, "begun": images.has_derivatives, "relaxation": relaxation}
        schedule = self._schedule(count, tolerance_mm, **steps)
        for iteration in self._guarded(terms, layout, unknowns, schedule, stage):
            if iteration is not None:
                self._unknowns, self._images, self._costs = iteration.unknowns, images, iteration.costs
            yield None if iteration is None else self.state(stage, iteration.number)
        if not options.refit_reuse:
            images.forget_derivatives()

    def _image_term(self, stage: str, modes: int, refit: bool) -> Generator[None, None, tuple[ImageTerm, Unknowns]]:
        """Return the image term of a stage; a refit goes on with the one of before, if it still serves."""
        options, vertebrae, coarse = self.options, self._unknowns.vertebrae, stage == "coarse"
        if refit and self._before is not None:
            names = [film.view.name for film in self.films]
            found = self._before.gone_on_with(stage, vertebrae, options, names, self._moved_mm, modes)
            yield None
            if found is not None:
                return found
        pixel = options.coarse_pixel_mm if coarse else options.fine_pixel_mm
        margin = options.coarse_margin_mm if coarse else options.fine_margin_mm
        corrections = self._unknowns.corrections
        arguments = (self.model, self._projector, self.films, vertebrae, options, pixel, margin, corrections)
        return (yield from image_term_slowly(*arguments))

    def _guarded(self, terms, layout, start: Unknowns, schedule: Schedule, stage: str) -> Iterator[Iteration | None]:
        """Iterate, but end with a warning, and without the bad point, once a vertebra is lost."""
        try:
            for iteration in levenberg_marquardt(terms, layout, start, schedule):
                lost = None if iteration is None else _lost(start, iteration.unknowns)
                if lost:
                    self.warn(
                        f"The {stage} image stage pulled {lost} away from its landmarks and was stopped; the last "
                        "plausible state is kept. Check the landmarks of this level and the lumbar-only images."
                    )
                    return
                yield iteration
        except (RegistrationError, np.linalg.LinAlgError) as error:
            self.warn(f"The {stage} image stage failed and the state before it is kept: {error}")

    # -- states ----------------------------------------------------------------------------------------------------

    def state(self, stage: str, iteration: int, done: bool = False, **more) -> RegistrationState:
        """Return the present state."""
        self._last = (stage, iteration)
        term = self._landmark_term()
        return RegistrationState(
            model=self.model,
            evidence=self.evidence,
            stage=stage,
            iteration=iteration,
            done=done,
            costs=dict(self._costs),
            ras_from_vertebra={item.level: item.ras_from_vertebra for item in self._unknowns.vertebrae},
            coefficients={item.level: item.coefficients for item in self._unknowns.vertebrae},
            landmark_residuals=term.residuals_mm(self._unknowns),
            image_residual_mm=self._image_residual_mm(),
            gain=self._gain(),
            corrections=self._unknowns.corrections,
            warnings=tuple(self._warnings),
            **more,
        )

    def _gain(self) -> dict[str, float]:
        return {film.view.name: float(item[0]) for film, item in zip(self.films, self._unknowns.nuisance, strict=False)}

    def _image_residual_mm(self) -> dict[str, float]:
        if self._images is None:
            return {}
        residuals = self._images.residuals(self._unknowns)
        left = torch.stack([item.square().mean().sqrt() for item in residuals]).tolist()
        return {film.view.name: value for film, value in zip(self.films, left, strict=True)}

    def _level_image_residual_mm(self) -> dict[str, dict[Level, float]]:
        found: dict[str, dict[Level, float]] = {}
        if self._images is None:
            return found
        parts = zip(self._images.lengths(self._unknowns), self._images.residuals(self._unknowns), strict=True)
        for film, (lengths, residual) in zip(self.films, parts, strict=True):
            for vertebra, own in zip(self._unknowns.vertebrae, lengths, strict=True):
                inside = own > 0
                if bool(inside.any()):
                    value = float(residual[inside].square().mean().sqrt())
                    found.setdefault(film.view.name, {})[vertebra.level] = value
        return found

    def final_state(self) -> Iterator[RegistrationState | None]:
        """Yield the last state, with the warnings that only the end can give, and None before it."""
        residuals = self._landmark_term().residuals_mm(self._unknowns)
        by_level = self._level_image_residual_mm()
        yield None
        find, sd = self._posterior(), None
        if len(self._unknowns.corrections):
            # No correction without its uncertainty. What takes a second or two here is not looked for again later.
            find, sd = yield from self._found_posterior(find)
        self.warn(
            *correction_notes(self._unknowns.corrections, sd),
            *landmark_warnings(self.evidence, residuals),
            *shape_warnings(self._unknowns.vertebrae, self.model.log_scale_sd),
            *gain_warnings(self._gain()),
            *residual_warnings(by_level),
        )
        fit = None if self._images is None else ImageFit(self._last[0], self._images, self._unknowns)
        more = {"correction_sd": sd or {}, "level_image_residual_mm": by_level}
        more |= {"find_posterior": find, "image_fit": fit}
        yield self.state(*self._last, done=True, **more)

    @staticmethod
    def _found_posterior(find):
        """Return what gives the posterior at once, and the standard deviations of the corrections or None."""
        try:
            posterior = yield from find()
        except RegistrationError:
            return find, None

        def found() -> Generator[None, None, Posterior]:
            return posterior
            yield

        return found, posterior.correction_sd()

    @property
    def _image_worth(self) -> float:
        """What share of the measurements that are counted in the images is independent of the others."""
        area = self.options.image_correlation_mm2
        return area / max(self.options.posterior_correlation_mm2, area)

    @property
    def images_count_for_more(self) -> bool:
        """Whether the solver gives the images more weight than they have measurements that are independent."""
        return self._image_worth < 1.0

    def _worth_of_images(self) -> Options:
        """Return the options with images weighted as ``posterior_correlation_mm2`` says."""
        return replace(self.options, image_weight=self._image_worth * self.options.image_weight)

    def _posterior(self) -> Callable[[], Generator[None, None, Posterior]]:
        """Return what finds the posterior about the present point, in steps; it takes longer than an iteration."""
        unknowns, options, images = self._unknowns, self.options, self._images
        weight = 1.0 if images is None else options.landmark_weight
        terms = [self._landmark_term(weight=weight), *self._priors()]
        if images is not None:
            terms.append(replace(images, options=self._worth_of_images()))

        def find() -> Generator[None, None, Posterior]:
            steps = laplace_posterior_slowly(self.model, terms, unknowns, options.posterior_sd_factor)
            return limited_steps(steps, options.threads)

        return find


def _lost(start: Unknowns, now: Unknowns) -> str | None:
    """Return the name of a level that has moved or turned implausibly far, or None."""
    for before, after in zip(start.vertebrae, now.vertebrae, strict=True):
        shift = float(np.linalg.norm(after.translation_mm - before.translation_mm))
        turn = np.rad2deg(np.linalg.norm(vector_from_rotation(before.rotation.T @ after.rotation)))
        if shift > _LOST_MM or turn > _LOST_DEG:
            return after.level.name
    return None
