"""Landmarks are moved, set, unset, reset, locked and taken back, by mouse, buttons and keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6", reason="PySide6 is not installed")

from correct_desk import STATE, shown


def test_a_drag_in_the_view_chooses_the_row_and_changes_it_when_it_ends(desk):
    item = desk.loner("AP")
    number = desk.row("AP", item.level.name, item.name)
    seen = []
    desk.drag("AP", item, (15.0, 6.0), between=lambda: seen.append(desk.texts(number)[STATE]))
    assert set(seen) == {"detected"}
    assert desk.table.currentRow() == number
    assert desk.texts(number)[STATE] == "corrected"
    assert desk.moved == [("AP", item.level, item.name)]
    assert desk.logic.landmarks("AP")[item.level, item.name].corrected
    assert desk.ui.undoLandmarkButton.enabled


def test_the_undo_button_takes_back_a_whole_drag(desk):
    item = desk.loner("lateral")
    desk.drag("lateral", item, (15.0, 6.0), steps=8)
    assert item.name.split("_")[0][:3] in desk.ui.undoLandmarkButton.toolTip
    desk.app.click(desk.ui.undoLandmarkButton)
    assert desk.unchanged() and not desk.ui.undoLandmarkButton.enabled
    assert desk.moved == [("lateral", item.level, item.name)] * 2


def test_delete_unsets_the_chosen_landmark_and_control_z_brings_it_back(desk):
    number = desk.choose("AP", "L3", "pedicle_left")
    desk.press_key("Delete")
    assert desk.texts(number)[STATE] == "not shown"
    assert (desk.given["AP"][desk.lists.key_of(50)].level, "pedicle_left") not in desk.logic.landmarks("AP").visible()
    desk.press_key("Ctrl+Z")
    assert desk.unchanged() and desk.texts(number)[STATE] == "detected"


def test_rings_follow_the_film_to_another_geometry(desk):
    import slicer

    def ring():
        nodes = [node for node in shown(desk, "landmark-rings") if node.GetAttribute("LumbarBiplanar.View") == "AP"]
        return slicer.util.arrayFromModelPoints(nodes[0])[:21].mean(axis=0)

    from LumbarBiplanarLib.mrml.films import set_film_view, view_of_node

    film = desk.logic.filmNode("AP")
    view = view_of_node(film)
    try:
        set_film_view(film, replace(view, focal_mm=view.focal_mm + 100.0))
        desk.app.process_events()
        moved = ring()
    finally:
        set_film_view(film, view)
        desk.app.process_events()
    assert moved - ring() == pytest.approx(100.0 * view.beam_ras, abs=1e-2)
    assert desk.moved == [] and desk.unchanged()


def test_reset_puts_one_landmark_back_and_reset_all_all_of_them(desk):
    for name in desk.given:
        desk.logic.moveLandmark(name, "L2", "spinous_tip", (100.0, 100.0))
        desk.logic.moveLandmark(name, "L4", "spinous_tip", (100.0, 150.0))
    desk.app.process_events()
    number = desk.choose("AP", "L2", "spinous_tip")
    assert desk.texts(number)[STATE] == "corrected"
    desk.app.click(desk.ui.resetLandmarkButton)
    assert desk.texts(number)[STATE] == "detected" and not desk.ui.resetLandmarkButton.enabled
    desk.app.click(desk.ui.resetAllLandmarksButton)
    assert desk.unchanged() and not desk.ui.resetAllLandmarksButton.enabled
    desk.app.click(desk.ui.undoLandmarkButton)
    for name, corrected in (("AP", 1), ("lateral", 2)):
        assert sum(item.corrected for item in desk.logic.landmarks(name).values()) == corrected


def test_set_places_the_chosen_landmark_with_the_next_click(desk):
    from headless_slicer import mouse

    desk.logic.unsetLandmark("AP", "L3", "pedicle_left")
    number = desk.choose("AP", "L3", "pedicle_left")
    desk.moved.clear()
    desk.app.click(desk.ui.setLandmarkButton)
    assert "Click" in desk.ui.statusLabel.text and desk.texts(number)[STATE] == "not shown"
    view = desk.app.view("AP")
    view.render()
    pixel = np.array(
        view.pixel_of(desk.lists.view_of_list(desk.node("AP")).detector_points_ras_mm(np.array([60.0, 70.0])))
    )
    mouse.move(view, pixel - 4)
    mouse.click(view, pixel)
    desk.app.process_events()
    assert desk.texts(number)[STATE] == "corrected" and desk.ui.setLandmarkButton.text == "Set"
    assert desk.logic.landmarks("AP")[desk.lists.key_of(50)].position_px == pytest.approx((60, 70), abs=1.5)
    assert len(desk.moved) == 1
    desk.app.click(desk.ui.undoLandmarkButton)
    assert desk.texts(number)[STATE] == "not shown"


def test_setting_can_be_given_up_by_the_button_or_by_choosing_another(desk):
    desk.choose("AP", "L3", "pedicle_left")
    for give_up in (lambda: desk.app.click(desk.ui.setLandmarkButton), lambda: desk.choose("AP", "L4", "spinous_tip")):
        desk.choose("AP", "L3", "pedicle_left")
        desk.app.click(desk.ui.setLandmarkButton)
        assert desk.ui.setLandmarkButton.text == "Stop setting"
        give_up()
        assert desk.ui.setLandmarkButton.text == "Set"
        assert desk.unchanged() and desk.moved == []
        assert "as it was" in desk.ui.statusLabel.text


def test_the_lock_protects_against_mouse_buttons_and_keys(desk):
    desk.choose("AP", "L3", "pedicle_left")
    desk.app.click(desk.ui.lockLandmarksCheckBox)
    for button in ("set", "unset", "reset", "undo"):
        widget = getattr(desk.ui, f"{button}LandmarkButton")
        assert not widget.enabled and "locked" in widget.toolTip
    desk.drag("AP", desk.loner("AP"), (15.0, 6.0))
    desk.press_key("Delete")
    assert desk.unchanged() and desk.node("AP").GetLocked() and desk.node("lateral").GetLocked()
    desk.app.click(desk.ui.lockLandmarksCheckBox)
    assert not desk.node("AP").GetLocked() and desk.ui.unsetLandmarkButton.enabled


def test_names_and_epipolar_line_follow_their_boxes(desk):
    display = desk.node("AP").GetDisplayNode()
    assert not display.GetPointLabelsVisibility()
    desk.app.click(desk.ui.showLandmarkLabelsCheckBox)
    assert display.GetPointLabelsVisibility()
    desk.choose("AP", "L3", "pedicle_left")
    assert [node.GetAttribute("LumbarBiplanar.View") for node in shown(desk, "epipolar-line")] == ["lateral"]
    desk.app.click(desk.ui.showEpipolarCheckBox)
    assert shown(desk, "epipolar-line") == []
    desk.app.click(desk.ui.showEpipolarCheckBox)
    desk.choose("lateral", "L3", "pedicle_left")
    assert [node.GetAttribute("LumbarBiplanar.View") for node in shown(desk, "epipolar-line")] == ["AP"]
    desk.logic.unsetLandmark("lateral", "L3", "pedicle_left")
    desk.app.process_events()
    assert shown(desk, "epipolar-line") == []


def test_the_epipolar_line_moves_with_the_drag(desk):
    import slicer

    item, ends = desk.loner("AP"), []

    def look():
        (node,) = shown(desk, "epipolar-line")
        ends.append(tuple(slicer.util.arrayFromModelPoints(node)[0]))

    desk.drag("AP", item, (8.0, 25.0), between=look)
    assert len(set(ends)) >= 4
