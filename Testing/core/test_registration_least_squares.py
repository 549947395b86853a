"""Levenberg-Marquardt on its own: steps that are prolonged, and what happens where that goes too far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from LumbarBiplanarLib.errors import RegistrationError
from LumbarBiplanarLib.registration import Options
from LumbarBiplanarLib.registration.least_squares import (
    Layout,
    NormalEquations,
    Schedule,
    Unknowns,
    levenberg_marquardt,
)


@dataclass(frozen=True)
class Bowl:
    """Half the sum of squares of the background of one film, with a Hessian that is too large by known factors."""

    factors: np.ndarray
    name: str = "bowl"

    def cost(self, unknowns):
        return 0.5 * float(np.sum(unknowns.nuisance[0] ** 2))

    def add(self, equations: NormalEquations, unknowns: Unknowns) -> None:
        equations.gradient += unknowns.nuisance[0]
        equations.hessian += np.diag(self.factors)
        equations.costs[self.name] = self.cost(unknowns)


def points(factors, relaxation, iterations):
    schedule = Schedule(iterations, 0.0, lambda before, after: 1.0, damping=0.0, relaxation=relaxation)
    start = Unknowns((), (np.ones(len(factors)),))
    steps = levenberg_marquardt([Bowl(np.array(factors))], Layout(0, 0, (len(factors),)), start, schedule)
    return [step.unknowns.nuisance[0] for step in steps if step is not None]


def test_steps_that_fall_short_converge_fastest_with_the_relaxation_between_both_curvatures():
    # Curvatures 1 and 0.4 times those of the Hessian: 2 / (1 + 0.4), by which both errors shrink to 3 / 7.
    relaxed = points([1.0, 2.5], 2 / 1.4, 4)
    np.testing.assert_allclose(np.abs(relaxed[-1]), (3 / 7) ** 4, rtol=1e-4)
    plain = points([1.0, 2.5], 1.0, 4)
    np.testing.assert_allclose(plain[-1], [0.0, 0.6**4], atol=1e-4)


def test_a_prolonged_step_that_raises_the_cost_is_taken_as_it_is():
    # With two thirds of the true curvature the step ends at -0.5 of the start, 1.9 times as long at -1.85 of it.
    (found,) = points([1 / 1.5], 1.9, 1)
    np.testing.assert_allclose(found, 1.0 - 1.5, rtol=1e-4)


@pytest.mark.parametrize("relaxation", [0.9, 2.0])
def test_a_relaxation_that_shortens_steps_or_never_converges_is_refused(relaxation):
    with pytest.raises(RegistrationError, match="image_relaxation"):
        Options(image_relaxation=relaxation)


@pytest.mark.parametrize("relaxation", [1.0, 1.25])
def test_a_prolonged_step_ends_where_the_step_itself_would(relaxation):
    # The first step is half the start, prolonged 0.625 of it: only the former is below the tolerance.
    schedule = Schedule(
        20,
        0.55,
        lambda before, after: float(np.abs(after.nuisance[0] - before.nuisance[0]).max()),
        damping=0.0,
        relaxation=relaxation,
    )
    start = Unknowns((), (np.ones(1),))
    steps = levenberg_marquardt([Bowl(np.array([2.0]))], Layout(0, 0, (1,)), start, schedule)
    assert [step.number for step in steps if step is not None] == [1]
