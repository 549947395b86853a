"""Levenberg-Marquardt on a sum of robust least-squares terms."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..errors import RegistrationError
from .algebra import product, solution
from .corrections import NO_CORRECTIONS, Corrections
from .poses import POSE_UNKNOWNS, VertebraState


@dataclass(frozen=True)
class Layout:
    """Where each block of unknowns lies: the vertebrae, then gain and background of each view, then what they share.

    Attributes:
        vertebrae: number of vertebrae.
        modes: free mode coefficients per vertebra.
        nuisance: unknowns of each view.
        shared: free corrections of the geometry.
    """

    vertebrae: int
    modes: int
    nuisance: tuple[int, ...] = ()
    shared: int = 0

    @property
    def block(self) -> int:
        """Unknowns per vertebra."""
        return POSE_UNKNOWNS + self.modes

    @property
    def size(self) -> int:
        """Number of all unknowns."""
        return self.vertebrae * self.block + sum(self.nuisance) + self.shared

    def vertebra(self, index: int) -> slice:
        """Unknowns of one vertebra."""
        return slice(index * self.block, (index + 1) * self.block)

    def view(self, index: int) -> slice:
        """Nuisance unknowns of one view."""
        start = self.vertebrae * self.block + sum(self.nuisance[:index])
        return slice(start, start + self.nuisance[index])

    @property
    def corrections(self) -> slice:
        """Corrections of the geometry; empty where they are not free."""
        return slice(self.size - self.shared, self.size)


@dataclass(frozen=True, eq=False)
class Unknowns:
    """A point in the space of unknowns.

    Attributes:
        vertebrae: the vertebrae, cranial first.
        nuisance: (1 + K,) gain and background per view.
        corrections: corrections of the geometry.
    """

    vertebrae: tuple[VertebraState, ...]
    nuisance: tuple[np.ndarray, ...] = ()
    corrections: Corrections = NO_CORRECTIONS

    def stepped(self, layout: Layout, step: np.ndarray) -> Unknowns:
        """Return the unknowns after a step (layout.size,)."""
        return Unknowns(
            tuple(item.stepped(step[layout.vertebra(i)]) for i, item in enumerate(self.vertebrae)),
            tuple(item + step[layout.view(i)] for i, item in enumerate(self.nuisance)),
            self.corrections.stepped(step[layout.corrections]) if layout.shared else self.corrections,
        )


@dataclass(eq=False)
class NormalEquations:
    """Gauss-Newton approximation of the objective about a point: cost, gradient and Hessian in float64."""

    layout: Layout
    costs: dict[str, float] = field(default_factory=dict)
    gradient: np.ndarray = field(init=False)
    hessian: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Start from zero."""
        self.gradient = np.zeros(self.layout.size)
        self.hessian = np.zeros((self.layout.size, self.layout.size))

    @property
    def cost(self) -> float:
        """Sum of the terms."""
        return float(sum(self.costs.values()))

    def add_through(self, chain: np.ndarray, other: NormalEquations) -> None:
        """Add equations in other unknowns, whose derivative by the own ones is ``chain`` (other.size, size)."""
        self.gradient += product(chain.T, other.gradient)
        self.hessian += product(chain.T, product(other.hessian, chain))


class Term(Protocol):
    """One term of the objective.

    A term whose ``add`` takes long also has ``add_slowly(equations, unknowns, again)``, a generator that does the same
    in parts and yields None between them; with ``again`` it keeps the derivatives of the last time.
    """

    name: str

    def cost(self, unknowns: Unknowns) -> float:
        """Return the cost at a point."""

    def add(self, equations: NormalEquations, unknowns: Unknowns) -> None:
        """Add cost, gradient and Hessian at a point to the normal equations."""


@dataclass(frozen=True, eq=False)
class Iteration:
    """Outcome of one iteration."""

    number: int
    unknowns: Unknowns
    costs: dict[str, float]


@dataclass(frozen=True)
class Schedule:
    """When to stop, and how the damping moves.

    Attributes:
        iterations: at most so many.
        tolerance_mm: ends once ``movement_mm`` of an iteration, had its step not been prolonged, is below it.
        movement_mm: how far an iteration has moved the vertebrae.
        damping, raise_by, lower_by: first damping, and its factors after a refused and a taken step.
        attempts: steps tried per iteration.
        reuse: so many iterations go on with the derivatives of the one before (chord steps; Kelley 1995, Iterative
            Methods for Linear and Nonlinear Equations, section 5.4.2): the derivatives take most of the time.
        begun: the first iteration, too, goes on with derivatives, those that the terms have from before.
        relaxation: factor on a step, at least 1 and below 2; where the step so prolonged does not lower the cost, it is
            tried as it is. If the curvatures of the cost are between a and b times those of the Gauss-Newton Hessian,
            2 / (a + b) converges fastest (Richardson's iteration; Saad 2003, Iterative Methods for Sparse Linear
            Systems, example 4.1).
    """

    iterations: int
    tolerance_mm: float
    movement_mm: Callable[[Unknowns, Unknowns], float]
    damping: float = 1e-3
    raise_by: float = 6.0
    lower_by: float = 0.2
    attempts: int = 6
    reuse: int = 0
    begun: bool = False
    relaxation: float = 1.0


def total_cost(terms: Sequence[Term], unknowns: Unknowns) -> dict[str, float]:
    """Return the cost of each term at a point."""
    return {term.name: term.cost(unknowns) for term in terms}


def linearized(terms: Sequence[Term], layout: Layout, unknowns: Unknowns) -> NormalEquations:
    """Return the normal equations of all terms at a point."""
    return drained(linearized_slowly(terms, layout, unknowns))


def drained(steps: Generator[None, None, Any]) -> Any:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def linearized_slowly(
    terms: Sequence[Term], layout: Layout, unknowns: Unknowns, again: bool = False
) -> Generator[None, None, NormalEquations]:
    """Return the normal equations, yielding None where the caller may do something else.

    With ``again`` terms whose derivatives take long keep those of the last time.
    """
    equations = NormalEquations(layout)
    for term in terms:
        if hasattr(term, "add_slowly"):
            yield from term.add_slowly(equations, unknowns, again)
        else:
            term.add(equations, unknowns)
    return equations


def damped_step(equations: NormalEquations, damping: float) -> np.ndarray:
    """Return the step (unknowns,) that minimizes the quadratic model with Marquardt's scaled damping.

    Raises:
        RegistrationError: if the equations hold numbers that are not finite.
    """
    hessian = equations.hessian.copy()
    if not (np.all(np.isfinite(hessian)) and np.all(np.isfinite(equations.gradient))):
        raise RegistrationError(
            "The registration has diverged: its equations are no longer finite. Check geometry and landmarks."
        )
    diagonal = np.diag(hessian).copy()
    floor = 1e-9 * max(diagonal.max(), 1e-12)
    hessian[np.diag_indices_from(hessian)] += damping * diagonal + floor
    return -solution(hessian, equations.gradient)


def levenberg_marquardt(
    terms: Sequence[Term], layout: Layout, start: Unknowns, schedule: Schedule
) -> Iterator[Iteration | None]:
    """Minimize the sum of ``terms`` from ``start``; yields the point after every iteration, and None in between.

    A step is taken only if it lowers the robust cost itself, so the cost never rises. Convergence is believed only of
    an iteration with derivatives of its own.

    Args:
        terms: terms of the objective.
        layout: unknowns that are free.
        start: first point.
        schedule: when to stop, and the damping.

    Raises:
        RegistrationError: if the cost at the start is not finite.
    """
    current, damping, number = start, schedule.damping, 1
    age = 0 if schedule.begun else None  # iterations that the derivatives have served already
    while number <= schedule.iterations:
        again = age is not None and age < schedule.reuse
        equations = yield from linearized_slowly(terms, layout, current, again)
        if not np.isfinite(equations.cost):
            raise RegistrationError(
                f"The registration cannot go on: its cost is {equations.costs}. Check geometry and landmarks."
            )
        yield None
        attempts = 1 if again else schedule.attempts
        outcome = yield from _one_iteration(terms, layout, current, equations, damping, schedule, attempts)
        if outcome is None and again:
            age = None
            continue
        if outcome is None:
            yield Iteration(number, current, equations.costs)
            return
        before, (current, costs, damping, factor) = current, outcome
        # A prolonged step moves further, but says no more about how far there is to go.
        still = schedule.movement_mm(before, current) < factor * schedule.tolerance_mm
        yield Iteration(number, current, costs)
        if still and not again:
            return
        age = None if still else age + 1 if again else 0
        number += 1


def _one_iteration(
    terms: Sequence[Term],
    layout: Layout,
    current: Unknowns,
    equations: NormalEquations,
    damping: float,
    schedule: Schedule,
    attempts: int,
) -> Generator[None, None, tuple[Unknowns, dict[str, float], float, float] | None]:
    """Return (point, costs, next damping, factor on the step) of the first trial that lowers the cost, or None."""
    for _ in range(attempts):
        step = damped_step(equations, damping)
        for factor in dict.fromkeys((schedule.relaxation, 1.0)):
            trial = current.stepped(layout, factor * step)
            yield None
            costs = total_cost(terms, trial)
            value = sum(costs.values())
            if np.isfinite(value) and value < equations.cost:
                return trial, costs, max(damping * schedule.lower_by, 1e-7), factor
            yield None
        damping *= schedule.raise_by
    return None
