"""Correspondence, building and judging a model on a small population of known shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level, Region
from LumbarBiplanarLib.errors import ShapeModelError
from LumbarBiplanarLib.geometry.frames import rigid, rotation_from_vector, transform_points
from LumbarBiplanarLib.shape import Surface, load_shape_model, pipeline
from LumbarBiplanarLib.shape.annotation import Annotation
from LumbarBiplanarLib.shape.building import BuildOptions, ResidualKernel, build_model
from LumbarBiplanarLib.shape.correspondence import align, deform
from LumbarBiplanarLib.shape.fitting import correspond, fit_to_surface
from LumbarBiplanarLib.shape.metrics import compactness, generalization, specificity
from LumbarBiplanarLib.shape.pipeline import Collection, model_without
from LumbarBiplanarLib.shape.registering import Registered, register_specimens
from LumbarBiplanarLib.shape.sources import POPULATION_MEAN, Specimen, read_specimens
from LumbarBiplanarLib.shape.surfaces import decimated, is_closed, surface_distances, vertex_normals
from LumbarBiplanarLib.shape.template import Template, symmetric_template


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


@pytest.fixture(scope="module")
def drawn(model):
    """A vertebra that the model can make, turned, shifted and scaled."""
    coefficients = 0.8 * np.random.default_rng(3).standard_normal(model.mode_count)
    pose = rigid(1.06 * rotation_from_vector(np.array([0.25, -0.05, 0.08])), np.array([30.0, -80.0, 400.0]))
    return Surface(transform_points(pose, model.instance(Level.L4, coefficients)), model.faces)


def collection_of(model, *, people=4, fractured_person=None):
    """People whose vertebrae differ in two known modes, in different poses and sizes."""
    rng = np.random.default_rng(5)
    registered = []
    for person in range(people):
        coefficients = np.zeros(model.mode_count)
        coefficients[:2] = rng.standard_normal(2)
        for level in LUMBAR_LEVELS:
            pose = rigid(
                np.exp(rng.normal(0, 0.05)) * rotation_from_vector(rng.normal(0, 0.2, 3)), rng.normal(0, 50, 3)
            )
            points = transform_points(pose, model.instance(level, coefficients))
            name = f"p{person}"
            specimen = Specimen(name, level, Surface(points, model.faces), fractured=name == fractured_person)
            registered.append(Registered(specimen, points, 0.0))
    template = Template(Surface(model.mean(Level.L3), model.faces), model.mirror)
    annotation = Annotation(model.region_labels, model.endplate_labels, model.landmark_vertices)
    coarse = (model.coarse_vertices, model.coarse_faces)
    return Collection(template, annotation, coarse, tuple(registered))


SMALL = BuildOptions(kernels=(ResidualKernel(30.0, 1.0, 0.25, 4),), residual_modes=6)


def test_alignment_finds_a_tilted_shifted_scaled_vertebra(model, drawn):
    pose = align(model.mean(Level.L4), model.faces, drawn)
    assert np.cbrt(np.linalg.det(pose[:3, :3])) == pytest.approx(1.06, abs=0.06)
    moved = transform_points(pose, model.mean(Level.L4))
    assert surface_distances(moved[::10], drawn)[0].mean() < 2.0


def test_deformation_meets_the_surface_and_keeps_correspondence(model, drawn):
    start = transform_points(align(model.mean(Level.L4), model.faces, drawn), model.mean(Level.L4))
    points = deform(start, model.faces, drawn)
    assert surface_distances(points[::10], drawn)[0].mean() < 0.25
    assert np.median(np.linalg.norm(points - drawn.points_ras_mm, axis=1)) < 1.5


def test_fitting_recovers_a_vertebra_of_the_model(model, drawn):
    fit = fit_to_surface(model, Level.L4, drawn, iterations=25)
    assert surface_distances(fit.points_ras_mm[::10], drawn)[0].mean() < 0.25
    rebuilt = transform_points(fit.ras_from_vertebra, model.instance(Level.L4, fit.coefficients))
    assert np.allclose(rebuilt, fit.points_ras_mm)


def test_true_landmarks_come_from_correspondence(model, drawn):
    found = model.landmarks(correspond(model, Level.L4, drawn))
    error = np.linalg.norm(found - model.landmarks(drawn.points_ras_mm), axis=1)
    assert error.mean() < 1.5


def test_processes_that_share_the_people_register_them_as_one_does_and_in_order(model):
    def coarse(level):
        return Surface(model.mean(level)[model.coarse_vertices], model.coarse_faces)

    people = [Specimen("a", level, coarse(level)) for level in (Level.L5, Level.L1)]
    everybody = [*people, Specimen(POPULATION_MEAN, Level.L4, coarse(Level.L4))]
    thin = decimated(coarse(Level.L3), 300)
    template = Template(thin, np.arange(len(thin.points_ras_mm)))
    one, several = (list(register_specimens(template, everybody, jobs=jobs)) for jobs in (1, 2))
    assert one[0].specimen.subject == POPULATION_MEAN
    for alone, shared in zip(one, several, strict=True):
        assert (alone.specimen.subject, alone.specimen.level) == (shared.specimen.subject, shared.specimen.level)
        np.testing.assert_allclose(shared.points_mm, alone.points_mm, atol=1e-6)


def test_pooled_modes_hold_what_the_people_differ_in(model):
    built = collection_of(model).build(options=SMALL)
    assert built.pca_count <= 4  # two modes and their mirror images
    spanned = built.modes_mm[: built.pca_count].reshape(built.pca_count, -1)
    basis = np.linalg.qr(spanned.T)[0]
    wanted = model.modes_mm[0].reshape(-1)
    assert np.linalg.norm(basis.T @ wanted) > 0.9 * np.linalg.norm(wanted)
    assert built.mode_count == built.pca_count + 6
    assert 0.02 < built.log_scale_sd < 0.12


def test_residual_modes_are_shared_by_both_halves_or_opposite_and_those_that_are_shared_are_larger(model):
    residual = model.modes_mm[model.pca_count :]
    other = residual[:, model.mirror] * np.array([-1.0, 1.0, 1.0])
    size = np.abs(residual).max(axis=(1, 2))
    symmetric = np.abs(residual - other).max(axis=(1, 2)) < 1e-3 * size
    opposite = np.abs(residual + other).max(axis=(1, 2)) < 1e-3 * size
    assert np.all(symmetric ^ opposite)
    moved = np.sum(residual**2, axis=(1, 2))
    assert moved[symmetric].sum() > 4.0 * moved[opposite].sum() > 0.0


def test_the_residual_modes_kept_are_those_that_move_the_surface_most(model):
    few = collection_of(model).build(options=SMALL)
    more = collection_of(model).build(options=replace(SMALL, residual_modes=9))
    np.testing.assert_allclose(more.modes_mm[: few.mode_count], few.modes_mm, atol=1e-9)
    normals = vertex_normals(few.mean(Level.L3), few.faces)
    along = np.mean(np.sum(more.modes_mm[more.pca_count :] * normals, axis=2) ** 2, axis=1)
    assert along[:6].min() > 0.5 * along[6:].max()


def test_means_are_symmetric_whatever_the_people(model):
    built = collection_of(model).build(options=SMALL)
    for level in LUMBAR_LEVELS:
        assert np.allclose(built.mean(level)[built.mirror] * [-1, 1, 1], built.mean(level), atol=1e-6)


def test_a_person_left_out_or_fractured_leaves_no_trace(model):
    with_fracture = collection_of(model, fractured_person="p1").build(options=SMALL)
    without = collection_of(model).build(["p1"], options=SMALL)
    assert with_fracture.provenance["people"] == without.provenance["people"] == ["p0", "p2", "p3"]
    assert np.array_equal(with_fracture.mean_points_mm, without.mean_points_mm)


def test_leaving_out_a_stranger_or_too_many_is_refused(model):
    collection = collection_of(model)
    with pytest.raises(ShapeModelError, match="nobody_known"):
        collection.build(["nobody_known"])
    with pytest.raises(ShapeModelError, match="two people"):
        collection.build(["p0", "p1", "p2"])


def test_a_level_nobody_shows_is_named(model):
    collection = collection_of(model)
    kept = [item for item in collection.registered if item.specimen.level is not Level.L2]
    with pytest.raises(ShapeModelError, match="L2"):
        build_model(collection.template, collection.annotation, collection.coarse, kept, SMALL)


def test_compactness_rises_to_one(model):
    share = compactness(model)
    assert np.all(np.diff(share) >= 0)
    assert share[-1] == pytest.approx(1.0)


def test_generalization_judges_each_left_out_vertebra_by_region(model):
    rows = list(generalization(collection_of(model, people=3), subjects=["p1"]))
    assert {row.subject for row in rows} == {"p1"}
    whole = [row for row in rows if row.region == "all"]
    assert len(whole) == 5
    assert len(rows) == 5 * (1 + len(Region))
    assert np.mean([row.mean_mm for row in whole]) < 0.5
    assert all(row.p95_mm >= row.mean_mm for row in whole)


def test_specificity_is_larger_for_a_wilder_model(model):
    collection = collection_of(model)
    calm = specificity(model.truncated(2), collection, samples=10)
    wild = specificity(model, collection, samples=10)
    assert calm.shape == (10,)
    assert wild.mean() > calm.mean() > 0


def test_a_template_made_of_a_lopsided_vertebra_is_symmetric_and_closed(model):
    points = model.mean(Level.L3).copy()
    points[points[:, 0] > 30] += [0.0, 2.0, 3.0]
    template = symmetric_template(Surface(points, model.faces), grid_mm=1.5, face_count=3000)
    vertices = template.surface.points_ras_mm
    assert is_closed(template.surface.faces)
    assert np.allclose(vertices[template.mirror] * [-1, 1, 1], vertices)


def test_people_of_the_open_data_are_read_with_their_fractures(shared_data):
    specimens = read_specimens(shared_data, leave_out=["mean87", "verse009", "verse007", "verse004"])
    found = {item.name: item for item in specimens}
    assert found["verse010 L1"].fractured
    assert not found["verse010 L3"].fractured
    assert found["verse023 L1"].incomplete
    assert not any(name.startswith(("wholebodyct", "mean87")) for name in found)
    assert all(is_closed(item.surface.faces) for item in specimens)
    assert np.ptp(found["vhm L3"].surface.points_ras_mm[:, 0]) == pytest.approx(95, abs=3)


def test_a_model_without_two_people_of_one_level_is_refused(model):
    collection = collection_of(model, people=2)
    means = [
        Registered(Specimen(POPULATION_MEAN, level, Surface(model.mean(level), model.faces)), model.mean(level), 0.0)
        for level in LUMBAR_LEVELS
    ]
    first = next(item for item in collection.registered if item.specimen.name == "p0 L1")
    second = next(item for item in collection.registered if item.specimen.name == "p1 L2")
    with pytest.raises(ShapeModelError, match="at least two people"):
        build_model(collection.template, collection.annotation, collection.coarse, [*means, first, second], SMALL)


def test_a_model_without_people_is_built_once_and_one_that_knows_them_refused(model, tmp_path, monkeypatch):
    built = []

    def collect(data, progress=None, jobs=1):
        built.append(data)
        collection = collection_of(model)
        monkeypatch.setattr(Collection, "build", lambda self, leave_out: build(self, leave_out, SMALL))
        return collection

    build = Collection.build
    monkeypatch.setattr(pipeline, "collect_open_data", collect)
    path = tmp_path / "without.npz"
    first = model_without("data", ["p1"], path)
    assert first.provenance["people"] == ["p0", "p2", "p3"] and built == ["data"]
    assert model_without("data", ["p1"], path).sha256 == first.sha256 and built == ["data"]
    with pytest.raises(ShapeModelError, match=r"without\.npz: p0, p2 must be left out and are in this shape model"):
        model_without("data", ["p0", "p1", "p2"], path)
