"""The table of landmarks lists, sorts, filters and finds them, and says which should be checked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6", reason="PySide6 is not installed")

from correct_desk import CONFIDENCE, FILM, LANDMARK, LEVEL, RESIDUAL, STATE, matrix_of


def test_every_landmark_of_both_films_has_a_row(desk):
    assert desk.table.rowCount == 200
    row = desk.row("AP", "L3", "pedicle_left")
    item = desk.given["AP"][desk.lists.key_of(50)]
    assert desk.texts(row) == ["L3", "Pedicle, left", "AP", f"{item.confidence:.2f}", "–", "detected"]


def test_a_refresh_looks_up_each_text_once_and_not_for_every_row(desk, monkeypatch):
    from LumbarBiplanarLib.ui import correct_section, landmark_rows

    asked = []
    for module in (landmark_rows, correct_section):
        monkeypatch.setattr(module, "_", lambda text: asked.append(text) or text)
    desk.section.refresh()
    assert "Pedicle, left" in asked and len(asked) < 100


def test_enter_takes_doubtful_landmarks_as_right_one_after_the_other(desk):
    node = desk.node("AP")
    for index in (0, 4, 5):
        unsure = replace(desk.lists.read_record(node, index).observation, confidence=0.3)
        desk.lists.write_records(node, {index: desk.lists.PointRecord(unsure, unsure)})
    desk.app.process_events()
    desk.filter(show=2)
    assert desk.section._table.keys == [("AP", 0), ("AP", 4), ("AP", 5)]
    desk.table.setCurrentCell(0, LANDMARK)
    assert desk.section._scene.chosen == ("AP", 0)
    desk.press_key("Return")
    assert desk.section._table.keys == [("AP", 4), ("AP", 5)] and desk.table.currentRow() == 0
    desk.press_key("Return")
    assert desk.section._table.keys == [("AP", 5)] and desk.section._scene.chosen == ("AP", 5)
    confirmed = desk.lists.read_record(node, 0).observation
    assert confirmed.corrected and confirmed.confidence == 1.0
    assert confirmed.position_px == desk.given["AP"][desk.lists.key_of(0)].position_px
    desk.press_key("Ctrl+Z")
    assert desk.section._table.keys == [("AP", 4), ("AP", 5)]


def test_a_row_of_the_table_jumps_in_its_own_film_only(desk):
    slices = {name: desk.app.view(name).node for name in desk.given}
    before = {name: matrix_of(node) for name, node in slices.items()}
    desk.choose("AP", "L5", "transverse_tip_left")
    point = desk.lists.point_ras_mm(desk.node("AP"), desk.section._scene.chosen[1])
    after = matrix_of(slices["AP"])
    assert after[:3, 3] == pytest.approx(point, abs=0.6)
    assert (matrix_of(slices["lateral"]) == before["lateral"]).all()
    assert (after[:3, :3] == before["AP"][:3, :3]).all()


def test_choosing_in_the_view_does_not_move_the_view(desk):
    node = desk.app.view("AP").node
    before = matrix_of(node)
    desk.drag("AP", desk.loner("AP"), (9.0, 4.0))
    assert (matrix_of(node) == before).all()


@pytest.mark.parametrize(("film", "level", "rows"), [(0, 0, 200), (1, 0, 100), (2, 0, 100), (0, 3, 40), (2, 5, 20)])
def test_the_table_lists_one_film_or_one_level(desk, film, level, rows):
    desk.filter(film, level)
    assert desk.table.rowCount == rows
    films = {desk.texts(row)[FILM] for row in range(rows)}
    levels = {desk.texts(row)[LEVEL] for row in range(rows)}
    assert films == [{"AP", "Lat."}, {"AP"}, {"Lat."}][film]
    assert levels == ({"L1", "L2", "L3", "L4", "L5"} if level == 0 else {f"L{level}"})


def test_the_table_lists_what_is_shown_or_what_should_be_checked(desk):
    hidden = sum(not record.shown for name in desk.given for record in desk.section._scene.records(name))
    desk.filter(show=1)
    assert desk.table.rowCount == 200 - hidden
    node, view = desk.node("AP"), desk.lists.view_of_list(desk.node("AP"))
    record = desk.lists.read_record(node, 0)
    unsure = replace(record.observation, confidence=0.3)
    outside = view.detector_points_ras_mm(np.array([-30.0, 40.0]))
    desk.lists.write_records(node, {0: desk.lists.PointRecord(unsure, unsure)})
    node.SetNthControlPointPositionWorld(1, *outside)
    desk.app.process_events()
    desk.filter(show=2)
    assert desk.table.rowCount == 2
    assert [desk.texts(row)[STATE] for row in (0, 1)] == ["check", "check"]
    assert "not sure" in desk.table.item(0, 0).toolTip() and "outside" in desk.table.item(1, 0).toolTip()


def test_a_landmark_that_may_be_far_off_should_be_checked_however_confident_the_detection_is(desk):
    node = desk.node("AP")
    for index, sigma_mm in ((0, 1.2), (4, 4.0)):
        item = replace(desk.lists.read_record(node, index).observation, confidence=0.99, sigma_mm=sigma_mm)
        desk.lists.write_records(node, {index: desk.lists.PointRecord(item, item)})
    desk.app.process_events()
    desk.filter(show=2)
    assert desk.section._table.keys == [("AP", 4)]
    assert "within 9 mm" in desk.table.item(0, 0).toolTip()
    desk.filter(show=0)
    assert "in nine of ten cases within 2.6 mm" in desk.table.item(0, 0).toolTip()


def test_a_landmark_taken_in_the_view_is_listed_even_if_the_table_lists_others(desk):
    item = desk.loner("AP")
    desk.filter(film=2, level=1)
    desk.drag("AP", item, (9.0, 4.0))
    assert desk.table.currentRow() == desk.row("AP", item.level.name, item.name)
    assert desk.texts(desk.table.currentRow())[STATE] == "corrected"


def test_a_click_on_a_column_sorts_by_its_numbers_and_keeps_the_choice(desk):
    number = desk.choose("AP", "L3", "pedicle_left")
    key = desk.section._table.keys[number]
    header = desk.table._living().horizontalHeader()
    for descending in (False, True):
        header.sectionClicked.emit(CONFIDENCE)
        values = [row.order[CONFIDENCE] for row in desk.section._table._rows]
        assert values == sorted(values, reverse=descending)
        assert desk.section._table.keys[desk.table.currentRow()] == key
    assert desk.texts(0)[CONFIDENCE] >= desk.texts(10)[CONFIDENCE]


def test_residuals_come_from_the_reconstruction_and_vanish_for_what_was_moved_since(desk, monkeypatch):
    from LumbarBiplanarLib.anatomy import Level

    key = (Level.L3, "pedicle_left")
    state = SimpleNamespace(
        landmark_residuals={"AP": {key: (2.34, 0.5), (Level.L1, "pedicle_left"): (11.0, 4.0)}},
        evidence=tuple(
            SimpleNamespace(view=film.view, landmarks=desk.given[film.view.name]) for film in desk.logic.case().films
        ),
    )
    result = SimpleNamespace(reconstruction=SimpleNamespace(final_state=state))
    monkeypatch.setattr(desk.logic, "result", lambda: result)
    desk.section.refresh()
    assert desk.texts(desk.row("AP", "L3", "pedicle_left"))[RESIDUAL] == "2.3"
    far = desk.row("AP", "L1", "pedicle_left")
    assert desk.texts(far)[RESIDUAL:] == ["11.0", "check"] and "11.0 mm" in desk.table.item(far, 0).toolTip()
    assert desk.texts(desk.row("lateral", "L3", "pedicle_left"))[RESIDUAL] == "–"
    desk.logic.moveLandmark("AP", "L3", "pedicle_left", (80.0, 90.0))
    desk.section.refresh()
    assert desk.texts(desk.row("AP", "L3", "pedicle_left"))[RESIDUAL] == "–"


def test_refreshing_two_hundred_unchanged_rows_is_cheap(desk):
    import time

    desk.section.refresh()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        desk.section.refresh()
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.1
