"""What takes a device computes all of it there, and a GPU is seldom waited for; shown without one (``pretend_gpu``)."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.network import inference, reading, together
from LumbarBiplanarLib.registration import Options, register, solver
from LumbarBiplanarLib.registration.evidence import FilmEvidence
from LumbarBiplanarLib.rendering import Shell
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training import TrainingOptions
from LumbarBiplanarLib.training.anatomy import Context
from LumbarBiplanarLib.training.films import form_film
from LumbarBiplanarLib.training.ingredients import load_ingredients
from LumbarBiplanarLib.training.options import FINE_PITCH_MM, FilmOptions
from LumbarBiplanarLib.training.pool import build_pool
from LumbarBiplanarLib.training.tasks import RefineTask, SpineTask
from pretend_gpu import GPU, PretendTensor, pretended
from registration_phantom import drawn_evidence, phantom_model, phantom_truth
from study_sample import sample_case
from test_registration_continue import moved_by

# What one iteration of the image stages waits for, whatever the number of vertebrae: it draws all of them on both films
# twice, with derivatives and at the point tried.
WAITS = {
    "screens_from_points": 2,  # does a vertex lie behind a source?
    "_topologies": 2,  # does a triangle name a vertex that is not there?
    "_parts": 4,  # how many triangle strips, then fragments, are there?
    "points": 2,  # vertices, which the processor poses
    "jacobians": 2,  # how they move with pose and modes
    "_coverage": 1,  # how many pixels are touched
    "_torch_csr": 1,  # how many entries remain after those of one place are added up
    "_unit_edges": 1,  # where the pixels of each vertebra and film begin
    "_derivatives": 1,  # are all of them used?
    "_residual": 4,  # gain and background of each film, twice
    "to_numpy": 2,  # the equations of each film
    "_total": 2,  # the cost, twice
    "_image_residual_mm": 1,  # told with the state
}


def registered(evidence, options=None, start=None, model=None):
    """Return the states of a registration on the CPU, those on the pretended GPU, and what each of these waited for."""
    model = model or phantom_model()
    here = list(register(model, evidence, options, "cpu", start))
    there, waited, before = [], [], Counter()
    with pretended() as waits:
        for state in register(model, evidence, options, "cuda", start):
            there.append(state)
            waited.append(Counter(waits) - before)
            before = Counter(waits)
        if there[-1].done:
            there[-1].posterior  # noqa: B018
    return here, there, waited


@pytest.fixture(autouse=True)
def resolved(monkeypatch):
    """Let ``cuda`` be a device that can be used, and forget networks that were put there."""
    known = solver.resolve_device
    for module in (solver, reading):
        monkeypatch.setattr(module, "resolve_device", lambda name: GPU if str(name) == "cuda" else known(name))
    yield
    reading._networks.cache_clear()


def test_the_pretence_refuses_and_counts_what_a_gpu_would():
    with pretended() as waits:
        there = torch.as_tensor(np.arange(6.0).reshape(2, 3), device="cuda")
        assert there.device.type == "cuda" and there.is_cuda and waits.total == 1
        assert (there @ torch.ones(3, dtype=torch.float64, device="cuda")).device.type == "cuda"
        assert waits.total == 1
        for mixed in (lambda: there + torch.ones(2, 3), lambda: torch.cat([there, torch.ones(1, 3).double()])):
            with pytest.raises(RuntimeError, match="same device"):
                mixed()
        with pytest.raises((RuntimeError, TypeError)):
            there.numpy()
        assert float(2.0 * there[1, 2]) == 10.0 and bool(there.any()) and there[0].tolist() == [0.0, 1.0, 2.0]
        assert waits.total == 4
        assert len(there[there > 2.0]) == 3 and len(torch.nonzero(there)) == 5
        assert waits.total == 6
        assert there.cpu().numpy().sum() == 15.0 and there[:, [0, 2]].shape == (2, 2)
        assert waits.total == 8
    assert {what for _, what in waits} == {"copy to the GPU", "copy from the GPU", "number", "size of a result"}


@pytest.mark.parametrize("levels", [LUMBAR_LEVELS[1:3], LUMBAR_LEVELS])
def test_an_iteration_on_a_gpu_waits_for_little_and_ends_where_one_on_the_cpu_does(levels):
    truth = phantom_truth(0, levels=levels)
    here, there, waited = registered(drawn_evidence(truth, phantom_model().faces, 0))
    assert [(state.stage, state.iteration) for state in here] == [(state.stage, state.iteration) for state in there]
    for level in levels:
        off = here[-1].ras_from_vertebra[level] - there[-1].ras_from_vertebra[level]
        assert np.abs(off).max() < 2e-3  # the Jacobian is multiplied out in another order
    # An iteration after which images are not set up anew, and whose first trial is taken.
    usual = [
        count
        for count, before, state in zip(waited[1:], there, there[1:], strict=False)
        if state.stage == before.stage == "fine" and not state.done
    ]
    least = min(usual, key=Counter.total)
    found = Counter()
    for (where, _), count in least.items():
        found[where.split()[-1]] += count
    assert not found - Counter(WAITS), f"new waits: {found - Counter(WAITS)}"


@pytest.mark.parametrize(
    "options",
    [
        Options(calibrate_angle_sd_deg=3.0, density_sd=0.1, calibrate_distance_sd_mm=10.0),
        Options(shell=Shell(1.0, 0.4), coarse_iterations=1, fine_iterations=1),
    ],
)
def test_corrections_of_the_geometry_and_shells_are_found_on_a_gpu(options):
    evidence = drawn_evidence(phantom_truth(0, levels=(Level.L2, Level.L3)), phantom_model().faces, 0)
    here, there, _ = registered(evidence, options)
    for level, matrix in here[-1].ras_from_vertebra.items():
        assert np.abs(matrix - there[-1].ras_from_vertebra[level]).max() < 0.02


def test_a_refit_after_a_moved_landmark_goes_on_on_a_gpu():
    evidence = drawn_evidence(phantom_truth(0, levels=(Level.L2, Level.L3)), phantom_model().faces, 0)
    options = Options(refit_reuse=1)
    with pretended():
        *_, ended = register(phantom_model(), evidence, options, "cuda")
        moved = moved_by(evidence, Level.L3, "spinous_tip", (4.0, 0.0))
        *_, again = register(phantom_model(), moved, options, "cuda", ended)
    assert again.done and not any("failed" in text for text in again.warnings)
    assert not np.array_equal(again.ras_from_vertebra[Level.L3], ended.ras_from_vertebra[Level.L3])


def test_films_themselves_are_registered_on_a_gpu():
    drawn = drawn_evidence(phantom_truth(0, levels=(Level.L2, Level.L3)), phantom_model().faces, 0)
    films = tuple(FilmEvidence(film.view, film.landmarks, raw=0.1 * film.lumbar_mm) for film in drawn)
    here, there, _ = registered(films)
    assert there[-1].image_residual_mm.keys() == {"AP", "lateral"}
    for level, matrix in here[-1].ras_from_vertebra.items():
        assert np.abs(matrix - there[-1].ras_from_vertebra[level]).max() < 0.02


class Serial(Executor):
    """Does at once what it is given: what is pretended is known to one thread only."""

    def submit(self, function, /, *args, **kwargs):
        done = Future()
        done.set_result(function(*args, **kwargs))
        return done


def test_both_films_are_read_on_a_gpu_as_on_the_cpu(monkeypatch):
    @contextmanager
    def serially(count):
        yield Serial()

    for module in (inference, together):
        monkeypatch.setattr(module, "side_by_side", serially)
    films = sample_case().films
    here = inference.detect_pair(films, "cpu")
    with pretended() as waits:
        there = inference.detect_pair(films, "cuda")
    assert any(where.startswith("network/") for where, _ in waits)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_allclose(other.lumbar_mm, one.lumbar_mm, atol=1e-3)
        known = one.landmarks.visible()
        assert known.keys() == other.landmarks.visible().keys()
        for key, item in other.landmarks.visible().items():
            np.testing.assert_allclose(item.position_px, known[key].position_px, atol=1e-3)


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    found = {}
    for name, pitch in (("spine", {}), ("refine", {"pitch_mm": FINE_PITCH_MM})):
        found[name] = tmp_path_factory.mktemp(name)
        list(build_pool(found[name], load_shape_model(), Context(), 1, 1, whole_share=0.0, **pitch))
    return found


@pytest.mark.parametrize("name", ["spine", "refine"])
def test_losses_and_their_gradients_are_found_on_a_gpu(pools, name):
    small = {"workers": 0, "widths": (4, 4, 8, 8), "batch": 2}
    refine = replace(TrainingOptions.refine(), consistency_weight=0.1, **small)
    options = TrainingOptions(**small) if name == "spine" else refine
    task = SpineTask() if name == "spine" else RefineTask(load_shape_model())
    batch = next(iter(task.loader(pools[name], 1, options, torch.device("cpu"))))
    torch.manual_seed(0)
    network = task.network(options)
    here = task.losses(network, list(batch), options)
    with pretended():
        there = task.losses(network.to(GPU), [part.to(GPU) for part in batch], options)
        there.total.backward()
        assert all(isinstance(item.grad, PretendTensor) for item in network.parameters() if item.grad is not None)
        assert float(there.total.detach()) == pytest.approx(float(here.total.detach()), rel=1e-5)


@pytest.mark.parametrize("view", ["AP", "lateral"])
def test_films_of_every_ingredient_are_formed_on_a_gpu(pools, view):
    shares = {key: 1.0 for key in vars(FilmOptions()) if key not in ("empty", "scale_sd", "turn_sd_deg", "bending")}
    ingredients = load_ingredients(pools["spine"] / "00000.npz", view)
    for options in (FilmOptions(), FilmOptions.hard(), FilmOptions(**shares)):
        with pretended():
            film = form_film(ingredients, np.random.default_rng(1), options=options, device="cuda")
        assert film.image.is_cuda and film.level_mm.is_cuda and not film.landmarks_px.is_cuda
        assert film.image.held.isfinite().all()


def test_a_film_formed_on_a_gpu_waits_for_little_beside_its_ingredients(pools):
    ingredients = load_ingredients(pools["spine"] / "00000.npz", "AP")
    with pretended() as waits:
        form_film(ingredients, np.random.default_rng(1), options=FilmOptions.clean(), device="cuda")
    # Bones, body, how they are placed and bent, to the GPU; where landmarks and the exposed part are, from it.
    assert waits.total <= 12
