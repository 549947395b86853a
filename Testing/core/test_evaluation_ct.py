"""The error study of known vertebrae: what is displaced comes back, and what is wrong shows in the errors."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.evaluation import ct_benchmark
from LumbarBiplanarLib.evaluation.ct_benchmark import CtCondition, benchmark_register_ct, summarize
from LumbarBiplanarLib.evaluation.left_out import LeftOutPerson
from LumbarBiplanarLib.geometry import transform_points
from LumbarBiplanarLib.shape.subject import SubjectModel
from LumbarBiplanarLib.shape.surfaces import Surface
from registration_phantom import phantom_model, phantom_truth

LEVELS = (Level.L3, Level.L4)
CONDITIONS = (
    CtCondition("plain"),
    CtCondition("displaced", start_mm=3.0, start_deg=2.0),
    CtCondition("too large", offset_mm=1.0),
    CtCondition("turned", angle_error_deg=4.0),
    CtCondition("far", start_mm=13.0, start_deg=13.0),
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The study on two phantom vertebrae, whose correspondence is known."""
    model, truth = phantom_model(), phantom_truth(1, levels=LEVELS)
    surfaces = {level: Surface(points, model.faces) for level, points in truth.points_ras_mm.items()}
    rigid, own = {}, []
    for level in LEVELS:
        rigid[level] = truth.ras_from_vertebra[level].copy()
        rigid[level][:3, :3] /= np.cbrt(np.linalg.det(rigid[level][:3, :3]))
        own.append(transform_points(np.linalg.inv(rigid[level]), truth.points_ras_mm[level]))
    known = replace(
        model, levels=LEVELS, mean_points_mm=np.stack(own), modes_mm=np.zeros((1, model.vertex_count, 3)),
        pca_count=1, log_scale_sd=1e-4,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("ct") / "register_ct.csv"
    with pytest.MonkeyPatch.context() as patch:
        subject = SubjectModel(known, rigid, dict.fromkeys(LEVELS, 0.0))
        patch.setattr(ct_benchmark, "subject_model", lambda *_: subject)
        person = LeftOutPerson("phantom", model, surfaces, truth.points_ras_mm, {})
        found = benchmark_register_ct(path, [person], conditions=CONDITIONS, seeds=(0,))
    return path, found


def of(rows, condition):
    return [row for row in rows[1] if row.condition == condition]


def test_there_is_a_row_per_condition_and_vertebra_and_the_table_reads_back(rows):
    path, found = rows
    assert [(row.condition, row.level) for row in found] == [
        (condition.name, level.name) for condition in CONDITIONS for level in LEVELS
    ]
    with open(path, newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == len(found)
    assert float(table[0]["tre_mm"]) == pytest.approx(found[0].tre_mm, abs=1e-4)
    assert table[0]["start_mm"] == "" and float(table[2]["start_deg"]) == pytest.approx(2.0, abs=1e-3)


def test_known_vertebrae_are_found_from_landmarks_and_from_a_displaced_start(rows):
    for condition in ("plain", "displaced", "far"):
        for row in of(rows, condition):
            shift = np.linalg.norm([row.right_mm, row.anterior_mm, row.cranial_mm])
            assert row.tre_mm < 0.4 and shift <= row.tre_mm + 1e-9
            assert row.tre_relative_mm < 0.4


def test_a_wrong_segmentation_and_a_wrong_angle_cost_accuracy(rows):
    plain = np.mean([row.tre_mm for row in of(rows, "plain")])
    for condition in ("too large", "turned"):
        assert np.mean([row.tre_mm for row in of(rows, condition)]) > plain


def test_the_summary_has_a_line_per_condition(rows):
    lines = summarize(rows[1])
    assert [line[0] for line in lines] == [condition.name for condition in CONDITIONS]
    assert all(line[1] == 2 and line[2] <= line[3] for line in lines)
    assert lines[0][2] == pytest.approx(np.mean([row.tre_mm for row in of(rows, "plain")]))
