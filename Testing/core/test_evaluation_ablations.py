"""Ablations: every variant is trained alike but for one part, and all are judged on the same films of other people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.evaluation import ablation_benchmark
from LumbarBiplanarLib.evaluation.ablation_benchmark import (
    COLUMNS,
    COMPLETE,
    VARIANTS,
    AblationSettings,
    benchmark_ablations,
    summarize,
)
from LumbarBiplanarLib.evaluation.network_films import Person
from LumbarBiplanarLib.files import read_table
from LumbarBiplanarLib.network.weights import load_refiner, load_weights
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training.ablation_rows import AblationRow
from LumbarBiplanarLib.training.ablation_scores import VariantNetwork, scores
from LumbarBiplanarLib.training.anatomy import Context
from LumbarBiplanarLib.training.options import CROP_PX, FINE_PITCH_MM, PITCH_MM, TrainingOptions, window_px
from LumbarBiplanarLib.training.tasks import RefineTask, SpineTask
from network_phantom import drawn_person

pytest.importorskip("lightning")
pytest.importorskip("pytorch_optimizer")
TINY = AblationSettings(spines=2, steps={"spine": 1, "refine": 1}, width_share=0.125, batch=2, test_batches=12)


@pytest.fixture(scope="module")
def person() -> Person:
    return drawn_person()


@pytest.fixture(scope="module")
def done(person, request, tmp_path_factory):
    """Rows of tiny trainings, their folder and their table."""
    folder = tmp_path_factory.mktemp("ablations")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("LumbarBiplanarLib.training.loop._VALIDATION_BATCHES", 1)
    monkeypatch.setattr(ablation_benchmark, "_PAIRS_PER_GEOMETRY", 1)
    request.addfinalizer(monkeypatch.undo)
    table = folder / "table.csv"
    rows = benchmark_ablations(table, folder, load_shape_model(), [person], Context(), TINY, device="cpu")
    return rows, folder, table


def test_there_is_a_row_for_every_variant_kind_of_films_person_and_view(done):
    rows, _, table = done
    assert read_table(table, AblationRow) == [
        replace(row, **{key: round(value, 4) for key, value in vars(row).items() if isinstance(value, float)})
        for row in rows
    ]
    cases = {(row.stage, row.variant, row.films, row.view) for row in rows}
    assert len(cases) == len(rows) == 2 * 2 * sum(len(variants) for variants in VARIANTS.values())
    assert {row.subject for row in rows} == {"somebody"}


def test_networks_are_judged_by_what_they_were_trained_for_and_on_the_same_films(done):
    rows, _, _ = done
    for row in rows:
        assert (row.mean_mm is None) == (row.variant == "images only")
        assert (row.image_mae_mm is None) == (row.variant == "landmarks only")
    for stage in VARIANTS:
        for films in ("clean", "randomised"):
            seen = {(row.view, row.landmarks) for row in rows if (row.stage, row.films) == (stage, films)}
            assert len(seen) == 2  # as many landmarks for every variant


def test_variants_differ_in_what_their_names_say(done):
    _, folder, _ = done
    assert not load_weights(folder / "seed_1" / "spine" / "no_feature_fusion" / "spine.pt")[0].config.fusion
    record = load_refiner(folder / "seed_1" / "refine" / "no_randomisation" / "refine.pt")[1].record["options"]
    complete = load_refiner(folder / "seed_1" / "refine" / COMPLETE / "refine.pt")[1].record["options"]
    assert {key for key in record if record[key] != complete[key]} == {"plain_films"}


def test_finished_trainings_are_kept_and_those_of_other_settings_refused(done, person, tmp_path, monkeypatch):
    rows, folder, _ = done
    monkeypatch.setattr("LumbarBiplanarLib.training.loop.train", lambda *args, **more: pytest.fail("trained again"))
    arguments = (load_shape_model(), [person], Context())
    again = benchmark_ablations(tmp_path / "again.csv", folder, *arguments, TINY, device="cpu")
    assert again == rows
    with pytest.raises(StudyError, match=r"spine\.pt: trained with other settings \(widths"):
        benchmark_ablations(
            tmp_path / "no.csv", folder, *arguments, replace(TINY, width_share=0.25, steps={"spine": 1}), device="cpu"
        )
    assert not (tmp_path / "no.csv").exists()


def test_the_module_s_own_network_does_better_than_one_of_a_single_step(done):
    rows, folder, _ = done
    options = replace(TrainingOptions.refine(), workers=0, batch=8)
    own = VariantNetwork("own", RefineTask(load_shape_model()), options, load_refiner(None)[0], FINE_PITCH_MM)
    pool = folder / "refine_people" / "somebody"
    for score in scores([own], pool, "somebody", "clean", 1, "cpu"):
        assert score.mean_mm < 4.0 and score.within_4_mm > 0.6
        worst = [row for row in rows if (row.stage, row.variant, row.films) == ("refine", COMPLETE, "clean")]
        assert score.mean_mm < min(row.mean_mm for row in worst)
        assert score.image_mae_mm < min(row.image_mae_mm for row in worst)


def test_the_summary_is_a_mean_over_people_and_views(done):
    rows, _, _ = done
    two = [row for row in rows if (row.stage, row.variant, row.films) == ("spine", COMPLETE, "clean")]
    table = {tuple(row[:2]): dict(zip(COLUMNS, row, strict=True)) for row in summarize(rows)}
    assert len(table) == sum(len(variants) for variants in VARIANTS.values())
    assert table["spine", COMPLETE]["clean: landmarks"] == f"{(two[0].mean_mm + two[1].mean_mm) / 2:.2f} mm"
    assert table["refine", "images only"]["randomised: landmarks"] == ""
    assert table["refine", "images only"]["randomised: image"].endswith(" mm")


def test_several_seeds_show_how_far_apart_they_are(done):
    rows, _, _ = done
    two = [*rows, *(replace(row, seed=2, mean_mm=row.mean_mm and 2.0 * row.mean_mm) for row in rows)]
    table = {tuple(row[:2]): dict(zip(COLUMNS, row, strict=True)) for row in summarize(two)}
    one = {tuple(row[:2]): dict(zip(COLUMNS, row, strict=True)) for row in summarize(rows)}
    lowest = one["spine", COMPLETE]["clean: landmarks"].removesuffix(" mm")
    mean, low, _, high = table["spine", COMPLETE]["clean: landmarks"].replace(" mm (", " ").rstrip(")").split(" ")
    assert low == lowest
    assert float(high) == pytest.approx(2.0 * float(low), abs=0.02)
    assert float(mean) == pytest.approx(1.5 * float(low), abs=0.02)
    assert table["spine", "images only"]["clean: landmarks"] == ""


WRONG = (
    {"seeds": ()},
    {"seeds": (1, 1)},
    {"steps": {"spine": 0}},
    {"width_share": 0.0},
    {"spines": 0},
    {"workers": -1},
    {"pixel_mm": 40.0},
    {"pixel_mm": 0.0},
)


@pytest.mark.parametrize("wrong", WRONG)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValueError, match=r"1 or more|at least (1|one)|above 0|negative|do not suit|larger than 0"):
        AblationSettings(**wrong)


def test_windows_of_larger_pixels_show_as_much(done):
    assert window_px(PITCH_MM) == CROP_PX
    for side, usual in zip(window_px(3.0), CROP_PX, strict=True):
        assert side % 16 == 0 and 3.0 * side == pytest.approx(PITCH_MM * usual, rel=0.1)
    rows, folder, _ = done
    assert {(row.stage, row.pixel_mm) for row in rows} == {("spine", 3.0), ("refine", FINE_PITCH_MM)}
    pool = folder / "seed_1" / "spine_ingredients"
    batch = next(iter(SpineTask().loader(pool, 1, TINY.options("spine", COMPLETE, 1), "cpu")))
    assert tuple(batch[0].shape[2:]) == window_px(3.0)[::-1]


def test_films_of_a_person_are_drawn_once(done, person, monkeypatch):
    _, folder, _ = done
    monkeypatch.setattr(ablation_benchmark, "drawn_ingredients", lambda *args, **more: pytest.fail("drawn again"))
    ablation_benchmark._draw_tests(folder / "spine_people" / "somebody", TINY.pixel_mm, person, Context())
