"""The benchmark of accuracy: what it draws, measures, writes, keeps and sums up."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, Level, Region
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.evaluation import accuracy_benchmark
from LumbarBiplanarLib.evaluation.accuracy_benchmark import PARTIAL_FILE, benchmark_accuracy, cases_of
from LumbarBiplanarLib.evaluation.accuracy_conditions import FILMS, SUBJECTS, Condition, conditions
from LumbarBiplanarLib.evaluation.accuracy_evidence import EvidenceSource, film_pair
from LumbarBiplanarLib.evaluation.accuracy_figures import Tables, ratio
from LumbarBiplanarLib.evaluation.accuracy_measures import Truth, case_rows, pose_error
from LumbarBiplanarLib.evaluation.accuracy_rows import CASES_FILE, REGIONS_FILE, CaseRow, RegionRow
from LumbarBiplanarLib.evaluation.accuracy_summary import summary_tables
from LumbarBiplanarLib.evaluation.landmark_errors import object_plane_mm
from LumbarBiplanarLib.evaluation.left_out import left_out_person, read_left_out, write_person
from LumbarBiplanarLib.evaluation.metrics import rigid_alignment
from LumbarBiplanarLib.evaluation.speed_benchmark import SPEED_FILE, SpeedRow
from LumbarBiplanarLib.evaluation.synthetic_evidence import Disturbance, drawn_evidence, smooth_field, true_image
from LumbarBiplanarLib.evaluation.true_surface import TrueSurface
from LumbarBiplanarLib.files import read_table, write_table
from LumbarBiplanarLib.geometry import rotation_from_vector, standard_pair
from LumbarBiplanarLib.geometry.frames import rigid, transform_points
from LumbarBiplanarLib.registration import Options
from LumbarBiplanarLib.shape.surfaces import Surface, vertex_areas
from registration_phantom import phantom_model, phantom_truth

LEVELS = (Level.L3, Level.L4)
EXACT = Disturbance((0.0, 0.0), 0.0, 0.0, 40.0, 1.0)
QUICK = (("use_images", False),)


@pytest.fixture(scope="module")
def person():
    plain, truth = phantom_model(), phantom_truth(1, levels=LEVELS)
    up = plain.mean(Level.L3)[:, 2] / np.linalg.norm(plain.mean(Level.L3), axis=1)
    body = plain.region_labels == Region.BODY
    model = replace(plain, endplate_labels=((up > 0.85) * body + 2 * (up < -0.85) * body).astype(np.uint8))
    registered = {level: (Surface(points, model.faces), points) for level, points in truth.points_ras_mm.items()}
    return left_out_person("somebody", model, registered)


@pytest.fixture(scope="module")
def folder(person, tmp_path_factory):
    path = tmp_path_factory.mktemp("left_out")
    write_person(person, path)
    return path


@pytest.fixture
def quick(monkeypatch):
    """Compute the cases in this process, and count them."""
    done = []

    def computed(cases, models, data, jobs, device, weights):
        worker = accuracy_benchmark._Worker(models, data, device, weights)
        for case in cases:
            done.append(case)
            yield case, worker.rows(case)

    monkeypatch.setattr(accuracy_benchmark, "_computed", computed)
    return done


def condition(name: str, **values) -> Condition:
    return Condition(name, subjects=("somebody",), **{"options": QUICK, **values})


# -- conditions --------------------------------------------------------------------------------------------------------


def test_nobody_whose_spine_trained_the_network_is_in_a_row_of_whole_films():
    every = conditions()
    assert len({item.name for item in every}) == len(every)
    for item in every:
        assert set(item.subjects) <= set(SUBJECTS)
        if item.films == FILMS:
            assert set(item.subjects) <= {"vhm", "verse010", "wholebodyct"}
            assert ("CT" in item.name) == (item.subjects == ("wholebodyct",))
    assert not {"verse006", "verse007"} & set(SUBJECTS)


def test_conditions_are_picked_by_name_or_group():
    assert [item.angle_deg for item in conditions(["view angle"])] == [60.0, 105.0, 120.0]
    assert len(conditions(["lumbar-only: slot 75", "modes"])) == 4
    with pytest.raises(StudyError, match="no such thing"):
        conditions(["no such thing"])


# -- evidence ----------------------------------------------------------------------------------------------------------


def test_the_drawn_errors_have_the_size_asked_for(person):
    pair = standard_pair(size_px=((100, 160), (100, 160)), spacing_mm=2.4)
    errors = []
    for view in pair.views:
        image = true_image(person.surfaces, view)
        clean = drawn_evidence(view, image, person.landmarks_ras_mm, EXACT, np.random.default_rng(0))
        np.testing.assert_allclose(clean.lumbar_mm, image, atol=1e-4)
        for seed in range(12):
            rng = np.random.default_rng(seed)
            noisy = drawn_evidence(view, image, person.landmarks_ras_mm, Disturbance(noise_mm=0.0), rng)
            for key, item in noisy.landmarks.items():
                offset = np.subtract(item.position_px, clean.landmarks[key].position_px)
                near = person.landmarks_ras_mm[key[0]][LANDMARK_NAMES.index(key[1])]
                errors.append((view.name, *(offset * view.pixel_size_at(near))))
    for name, sigma in (("AP", 1.87), ("lateral", 3.2)):
        values = np.array([item[1:] for item in errors if item[0] == name], dtype=float)
        assert values.std() == pytest.approx(sigma, rel=0.1)
    field = smooth_field(pair.ap, np.zeros(3), 40.0, np.random.default_rng(0))
    assert field.std() == pytest.approx(1.0, abs=0.4)
    assert np.abs(np.diff(field, axis=1)).max() < 0.4


def test_a_process_that_a_decomposition_misses_is_thin_at_its_tip_and_the_body_is_whole(person):
    view = standard_pair(size_px=((100, 160), (100, 160)), spacing_mm=2.4).ap
    image = np.full(view.shape, 10.0)
    rng = np.random.default_rng(0)
    drawn = drawn_evidence(view, image, person.landmarks_ras_mm, replace(EXACT, missing_share=1.0), rng).lumbar_mm

    def at(name: str) -> float:
        column, row = np.round(view.project(person.landmarks_ras_mm[Level.L3][LANDMARK_NAMES.index(name)])).astype(int)
        return float(drawn[row, column])

    assert at("transverse_tip_left") < 0.5
    assert at("superior_endplate_anterior") > 5.0
    assert drawn[0, 0] == pytest.approx(10.0, abs=0.01)


def test_a_wrong_angle_is_believed_and_the_film_is_as_it_was(person):
    source = EvidenceSource()
    right = source.drawn(person, condition("a: b", disturbance=EXACT), 0).evidence
    wrong = source.drawn(person, condition("a: b", disturbance=EXACT, wrong_angle_deg=5.0), 0).evidence
    for before, after in zip(right, wrong, strict=True):
        np.testing.assert_array_equal(before.lumbar_mm, after.lumbar_mm)
        assert {k: v.position_px for k, v in before.landmarks.items()} == {
            k: v.position_px for k, v in after.landmarks.items()
        }
    believed = film_pair(person.surfaces, condition("", wrong_angle_deg=5.0), believed=True)
    assert believed.angle_deg == pytest.approx(95.0)
    np.testing.assert_allclose(wrong[1].view.camera_from_ras, believed.lateral.camera_from_ras)
    np.testing.assert_allclose(wrong[0].view.camera_from_ras, right[0].view.camera_from_ras)
    far = source.drawn(person, condition("a: b", wrong_distance_mm=(0.0, 20.0)), 0).evidence
    assert [film.view.focal_mm for film in far] == [1100.0, 1120.0]


def test_motion_moves_the_lateral_film_alone_and_by_what_was_asked(person):
    source = EvidenceSource()
    still = source.drawn(person, condition("a: b", disturbance=EXACT), 0).evidence
    moved = source.drawn(person, condition("a: b", disturbance=EXACT, motion_mm=4.0), 0).evidence
    np.testing.assert_array_equal(still[0].lumbar_mm, moved[0].lumbar_mm)
    offsets = []
    for key, item in moved[1].landmarks.items():
        near = person.landmarks_ras_mm[key[0]][LANDMARK_NAMES.index(key[1])]
        offset = np.subtract(item.position_px, still[1].landmarks[key].position_px)
        offsets.append(offset * moved[1].view.pixel_size_at(near))
    assert 0.3 < np.linalg.norm(offsets, axis=1).mean() < 4.1  # what of 4 mm is not along the beam
    assert np.std(offsets, axis=0).max() < 0.2


def test_settings_and_hidden_images_reach_the_registration(person):
    source = EvidenceSource()
    drawn = source.drawn(person, condition("a: b", hidden="lateral", region_weight=8.0, shell=(1.0, 0.4)), 0)
    assert drawn.evidence[0].lumbar_mm is not None
    assert drawn.evidence[1].lumbar_mm is None
    assert drawn.options.use_images is False
    assert sorted(set(drawn.options.region_weights.values())) == [1.0, 8.0]
    assert drawn.options.shell.thickness_mm == 1.0
    with pytest.raises(StudyError, match="--data"):
        source.drawn(person, condition("a: b", films=FILMS), 0)


# -- measures ----------------------------------------------------------------------------------------------------------


def test_a_surface_moved_by_a_millimeter_is_measured_so(person):
    truth = person.surfaces[Level.L3]
    true = TrueSurface.of(person.model, truth, person.fitted_ras_mm[Level.L3])
    moved = Surface(truth.points_ras_mm + [0.0, 0.0, 1.0], truth.faces)
    found = true.errors_mm_of(moved, person.model.region_labels)
    assert 0.3 < found["all"]["mean"] < 1.0
    assert true.errors_mm_of(truth, person.model.region_labels)["all"]["p95"] < 1e-6


def test_a_pose_error_is_that_of_the_reconstruction_against_the_truth(person):
    truth = person.surfaces[Level.L3]
    area = vertex_areas(truth.points_ras_mm, truth.faces)
    center = area @ truth.points_ras_mm / area.sum()
    turn = rotation_from_vector(np.deg2rad([2.0, 0.0, -1.0]))
    moved = Surface(
        transform_points(rigid(turn, center - turn @ center + [0.5, -0.4, 0.3]), truth.points_ras_mm), truth.faces
    )
    shift, degrees = pose_error(rigid_alignment({Level.L3: moved}, {Level.L3: truth}), moved)
    np.testing.assert_allclose(degrees, [2.0, 0.0, -1.0], atol=0.05)
    np.testing.assert_allclose(shift, [0.5, -0.4, 0.3], atol=0.03)


def test_a_distance_in_the_object_plane_is_that_of_a_point_moved_across_the_ray(person):
    points = person.landmarks_ras_mm[Level.L3]
    for view in standard_pair(spacing_mm=0.4).views:
        across = np.array([0.0, 0.0, 2.0])  # both films stand upright
        found = object_plane_mm(view, view.project(points + across), points)
        np.testing.assert_allclose(found, 2.0, rtol=0.02)
    assert len(object_plane_mm(view, np.zeros((0, 2)), points[:0])) == 0


def test_a_case_has_rows_per_vertebra_region_and_alignment(person):
    regions, cases, measured = case_rows(
        Truth.of(person), Condition("one: two", model="slot", angle_deg=75.0, intervals=True), 0, EvidenceSource()
    )
    assert {row.level for row in regions} == {"L3", "L4"}
    whole = [row for row in regions if row.region == "all"]
    assert [row.alignment for row in whole] == ["absolute", "rigid"] * 2
    for row in whole:
        assert 0.0 < row.mean_mm < row.rms_mm < row.p95_mm
        assert row.mean_mm < 0.5
    for absolute, aligned in zip(whole[::2], whole[1::2], strict=True):
        assert aligned.mean_mm < absolute.mean_mm + 0.02
    for row in cases:
        assert row.outcome == "done" and row.named_right
        assert abs(row.right_mm) < 1.0 and abs(row.about_right_deg) < 3.0
        assert 0.5 < row.inside <= 1.0
        assert 0.4 * row.intervals < row.intervals_inside <= row.intervals
        assert row.gain_ap == pytest.approx(0.92, abs=0.1)
        assert row.seconds > 0.0 and row.wall_s > 0.0
        # Landmarks were given with errors of 1.87 and 3.2 mm per axis; images and shape model put most of that right.
        assert 1.5 < row.evidence_ap_mm < row.evidence_lateral_mm < 6.0
        assert row.landmarks_ap_mm < 1.0 and row.landmarks_lateral_mm < 1.0
        assert row.within_2_mm_ap > 0.8 and row.within_2_mm_lateral > 0.8
    assert cases[0].intervals > 10
    assert cases[0].intervals == sum(row.inside is not None for row in measured)
    assert {(row.condition, row.subject, row.seed) for row in measured} == {("one: two", "somebody", 0)}
    errors = {(row.key, row.level): row.value - row.true_value for row in measured}
    assert abs(errors["slip", "L3-L4"]) < 3.0 and abs(errors["segmental_cobb", "L3-L4"]) < 5.0
    assert ("coronal_cobb", "L3-L4") in errors


def test_a_case_that_the_product_refuses_says_so(person):
    impossible = condition("one: two", disturbance=Disturbance((60.0, 60.0)))
    regions, cases, measured = case_rows(Truth.of(person), impossible, 0, EvidenceSource())
    assert not regions and not measured
    assert [row.outcome for row in cases] == ["RegistrationError"] * 2


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_person_left_out_is_read_as_written(person, folder):
    again = read_left_out(folder, "somebody")
    for level in LEVELS:
        np.testing.assert_array_equal(again.surfaces[level].points_ras_mm, person.surfaces[level].points_ras_mm)
        np.testing.assert_allclose(again.landmarks_ras_mm[level], person.landmarks_ras_mm[level])
    with pytest.raises(StudyError, match="nobody-else"):
        read_left_out(folder, "nobody-else")


def test_what_was_interrupted_goes_on_and_other_conditions_stay(person, folder, tmp_path, quick):
    cases = cases_of([condition("lumbar-only: pinhole 90", seeds=2), condition("noise: x 4")])
    steps = benchmark_accuracy(cases, folder, tmp_path)
    next(steps)
    steps.close()
    assert not (tmp_path / REGIONS_FILE).exists()
    with open(tmp_path / PARTIAL_FILE, "a") as stream:
        stream.write('{"key": "cut sho')  # as a crash leaves it
    assert len(list(benchmark_accuracy(cases, folder, tmp_path))) == 3
    assert len(quick) == 3
    assert not (tmp_path / PARTIAL_FILE).exists()
    rows = read_table(tmp_path / REGIONS_FILE, RegionRow)
    assert len(rows) == 3 * 2 * 2 * len({row.region for row in rows})
    assert len(read_table(tmp_path / CASES_FILE, CaseRow)) == 6
    fewer = cases_of([condition("noise: x 4", disturbance=EXACT)])
    list(benchmark_accuracy(fewer, folder, tmp_path))
    assert len(quick) == 4
    after = read_table(tmp_path / REGIONS_FILE, RegionRow)
    kept = [row for row in after if row.condition.startswith("lumbar-only")]
    assert kept == [row for row in rows if row.condition.startswith("lumbar-only")]
    assert [row for row in after if row.condition == "noise: x 4"] != rows[-len(after) + len(kept) :]


def test_processes_find_what_one_process_finds(person, folder, tmp_path):
    cases = cases_of([condition("lumbar-only: pinhole 90", seeds=2)])
    (tmp_path / "two").mkdir()
    list(benchmark_accuracy(cases, folder, tmp_path / "two", jobs=2))
    here = accuracy_benchmark._Worker(folder, None, "cpu", None)
    expected = [round(row.mean_mm, 3) for case in cases for row in here.rows(case)[0]]
    found = [row.mean_mm for row in read_table(tmp_path / "two" / REGIONS_FILE, RegionRow)]
    assert found == pytest.approx(expected, abs=2e-3)
    with pytest.raises(StudyError, match="no model without nobody"):
        list(benchmark_accuracy([replace(cases[0], subject="nobody")], folder, tmp_path / "two"))


def region_row(name: str, mean: float, region: str = "all", alignment: str = "absolute", **other) -> RegionRow:
    row = RegionRow(name, "a", 0, "L1", region, alignment, mean, 2 * mean, 3 * mean, 0.1, 1.0, "cpu")
    return replace(row, **other)


def test_figures_are_those_of_the_rows(tmp_path):
    base, worse = "lumbar-only: pinhole 90", "motion, modelled: 2 mm 1 deg"
    regions = [
        region_row(base, 0.4),
        region_row(base, 0.6, level="L2"),
        region_row(base, 0.3, alignment="rigid"),
        region_row(base, 0.9, region="spinous"),
        region_row(base, 7.0, region="body"),
        region_row(f"fractured: {base}", 5.0, level="L3"),
        region_row(worse, 0.5),
        region_row(worse, 9.0, level="L4"),
    ]
    cases = [
        CaseRow(base, "a", 0, "L1", "done", True, 0.1, -0.3, 0.2, inside=0.9, intervals=10, intervals_inside=8),
        CaseRow(base, "a", 0, "L2", "done", True, 0.3, 0.1, 0.2, inside=0.7, intervals=10, intervals_inside=8),
        CaseRow(worse, "a", 0, "L1", "done", True),
    ]
    cases = [replace(row, seconds=3.0, wall_s=4.0, peak_mb=900.0) for row in cases]
    tables = Tables(regions, cases)
    found = tables.of("lumbar-only").errors()
    assert (found.vertebrae, found.mean, found.worst, found.worst_of) == (2, pytest.approx(0.5), 0.6, "a L2")
    assert found.posterior == pytest.approx(0.9)
    assert found.rigid == pytest.approx(0.3)
    assert tables.of("lumbar-only").covered() == (pytest.approx(0.8), pytest.approx(0.8), 10)
    assert tables.of("lumbar-only").mean_absolute("anterior_mm") == pytest.approx(0.2)
    assert ratio(tables.of("motion, modelled"), tables.base()) == pytest.approx(0.5 / 0.4)  # L1 alone is in both
    write_table(tmp_path / REGIONS_FILE, RegionRow, regions)
    write_table(tmp_path / CASES_FILE, CaseRow, cases)
    summary = summary_tables(tmp_path)
    goals = {row[0]: row[1:] for row in summary["goals"].rows}
    assert goals["true lumbar-only images with noise: mean ≤ 0.60 mm"] == ["0.50 mm", "yes"]
    assert not any("bundled study" in goal for goal in goals)
    assert goals["motion of 2 mm and 1° between the films, modelled: error × base ≤ 1.20"] == ["1.25", "no"]
    assert summary["motion"].rows[1][0] == worse
    assert "network" not in summary
    assert summary["lumbar-only"].markdown().splitlines()[0].startswith("| mm | vertebrae |")
    given = "registration, images and landmarks given"
    speed = [SpeedRow(given, "cpu", 2, k, seconds, 9.0, peak_mb=1200.0) for k, seconds in enumerate((1.0, 1.5, 8.0))]
    speed += [SpeedRow(given, "NVIDIA", 2, 1, 0.1, 0.1), SpeedRow("a landmark moved, refit", "cpu", 2, 1, 0.6, 0.7)]
    write_table(tmp_path / SPEED_FILE, SpeedRow, speed)
    goals = {row[0]: row[1:] for row in summary_tables(tmp_path)["goals"].rows}
    assert goals[f"bundled study: {given} ≤ 2.00 s"] == ["1.50 s", "yes"]
    assert goals[f"bundled study: {given}, peak memory of the process ≤ 1.00 GB"] == ["1.20 GB", "no"]
    assert goals["bundled study: a landmark moved, refit ≤ 0.50 s"] == ["0.60 s", "no"]


def test_a_curve_is_compared_with_the_true_angle_of_its_own_end_vertebrae(person):
    true = Truth.of(person).measured
    assert ("coronal_cobb", "L3-L4") in true and ("coronal_cobb", "L3-L3") not in true


def test_options_of_a_condition_are_options_of_the_registration():
    known = set(Options.__dataclass_fields__)
    for item in conditions():
        assert {name for name, _ in item.options} <= known
        json.dumps(dict(item.options))


def test_the_pages_have_the_figures_of_their_tables(repository):
    spec = importlib.util.spec_from_file_location("benchmark_tables", repository / "docs" / "benchmark_tables.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    pages = [page.read_text(encoding="utf-8") for page in script.PAGES]
    for text in pages:
        assert script.filled(text, script.DOCS / "benchmarks") == text
        assert text.count("<!-- table: ") == text.count("<!-- end -->")
    assert sum(text.count("<!-- table: ") for text in pages) > 21
