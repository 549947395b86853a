"""The leave-one-out benchmark: what it draws, measures and writes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, Level
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.evaluation.registration_benchmark import (
    Condition,
    LeftOutPerson,
    Row,
    benchmark_registration,
    read_left_out,
    summarize,
)
from LumbarBiplanarLib.evaluation.synthetic_evidence import Disturbance, drawn_evidence, smooth_field, true_images
from LumbarBiplanarLib.evaluation.true_surface import TrueSurface
from LumbarBiplanarLib.files import read_table
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.shape.storage import save_shape_model
from LumbarBiplanarLib.shape.surfaces import Surface, write_surface
from registration_phantom import phantom_model, phantom_truth

LEVELS = (Level.L3, Level.L4)


@pytest.fixture(scope="module")
def person():
    model, truth = phantom_model(), phantom_truth(1, levels=LEVELS)
    surfaces = {level: Surface(points, model.faces) for level, points in truth.points_ras_mm.items()}
    return LeftOutPerson("somebody", model, surfaces, truth.landmarks_ras_mm)


@pytest.fixture(scope="module")
def table(person, tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "registration.csv"
    lines = []
    rows = benchmark_registration(
        path, [person], conditions=[Condition("slot 75 degrees", "slot", 75.0)], seeds=[0], progress=lines.append
    )
    return path, rows, lines


def test_the_table_has_a_row_per_vertebra_and_region_and_reads_back(table):
    path, rows, lines = table
    assert len(lines) == 1
    assert {row.level for row in rows} == {"L3", "L4"}
    whole = [row for row in rows if row.region == "all"]
    assert len(whole) == 2
    for row in whole:
        assert 0.0 < row.mean_mm < row.rms_mm < row.p95_mm
        assert row.mean_mm < 0.5
        assert row.alignment == "absolute"
    header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    for name in ("condition", "subject", "level", "region", "alignment", "mean_mm", "rms_mm", "p95_mm", "floor_mm"):
        assert name in header
    again = read_table(path, Row)
    assert [row.mean_mm for row in again] == pytest.approx([row.mean_mm for row in rows], abs=5e-4)
    figures = summarize(rows)["slot 75 degrees"]
    assert figures["vertebrae"] == 2
    assert figures["worst_mm"] == max(row.mean_mm for row in whole)


def test_a_surface_moved_by_a_millimeter_is_measured_so(person):
    level = Level.L3
    truth = person.surfaces[level]
    floor = TrueSurface.of(person.model, level, truth)
    moved = Surface(truth.points_ras_mm + [0.0, 0.0, 1.0], truth.faces)
    found = floor.errors_mm_of(moved, person.model.region_labels)
    assert 0.3 < found["all"]["mean"] < 1.0
    assert floor.errors_mm_of(truth, person.model.region_labels)["all"]["p95"] < 1e-6


def test_the_drawn_errors_have_the_size_asked_for(person):
    pair = standard_pair(size_px=((100, 160), (100, 160)), spacing_mm=2.4)
    images = true_images(person.surfaces, pair)
    clean = drawn_evidence(pair, images, person.landmarks_ras_mm, Disturbance((0.0, 0.0), 0.0, 0.0, 40.0, 1.0), 0)
    np.testing.assert_allclose(clean[0].lumbar_mm, images[0], atol=1e-4)
    errors = []
    for seed in range(12):
        noisy = drawn_evidence(pair, images, person.landmarks_ras_mm, Disturbance(noise_mm=0.0), seed)
        for film, exact in zip(noisy, clean, strict=True):
            for key, item in film.landmarks.items():
                offset = np.subtract(item.position_px, exact.landmarks[key].position_px)
                near = person.landmarks_ras_mm[key[0]][LANDMARK_NAMES.index(key[1])]
                errors.append((film.view.name, *(offset * film.view.pixel_size_at(near))))
    for name, sigma in (("AP", 1.87), ("lateral", 3.2)):
        values = np.array([item[1:] for item in errors if item[0] == name], dtype=float)
        assert values.std() == pytest.approx(sigma, rel=0.1)
    field = smooth_field(pair.ap, np.zeros(3), 40.0, np.random.default_rng(0))
    assert field.std() == pytest.approx(1.0, abs=0.4)
    assert np.abs(np.diff(field, axis=1)).max() < 0.4


def test_people_are_read_from_their_folders(person, tmp_path):
    folder = tmp_path / "somebody"
    (folder / "truth").mkdir(parents=True)
    save_shape_model(person.model, folder / "lumbar.npz")
    for level, surface in person.surfaces.items():
        write_surface(folder / "truth" / f"{level.name}.vtp", surface)
    points = person.landmarks_ras_mm[Level.L3]
    stored = {"L3": {name: list(point) for name, point in zip(LANDMARK_NAMES[:5], points, strict=False)}}
    (folder / "landmarks.json").write_text(json.dumps({"landmarks": stored}))
    (found,) = read_left_out(tmp_path)
    assert found.subject == "somebody"
    assert tuple(found.surfaces) == LEVELS
    np.testing.assert_allclose(found.landmarks_ras_mm[Level.L3][:5], points[:5])
    assert np.all(np.isnan(found.landmarks_ras_mm[Level.L3][5:]))
    with pytest.raises(StudyError, match="nobody-else"):
        list(read_left_out(tmp_path, ["nobody-else"]))
