"""What a person does to landmarks in the film views is seen, written down and can be taken back."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from landmark_films import film_nodes, landmarks_on, pair_of, show

MISSING_ONES = (3, 50, 99)


class Ears:
    """Two films with landmarks, watched; keeps what the watch tells."""

    def __init__(self, app, kind="oblique"):
        from LumbarBiplanarLib.mrml import landmarks
        from LumbarBiplanarLib.mrml.landmark_history import LandmarkHistory
        from LumbarBiplanarLib.mrml.landmark_watch import LandmarkWatch

        self.app, self.lists, self.pair = app, landmarks, pair_of(kind)
        self.films = film_nodes(app.scene, self.pair)
        self.given = {view.name: landmarks_on(view, missing=MISSING_ONES) for view in self.pair.views}
        self.nodes = {
            name: landmarks.add_landmark_list(app.scene, film, self.given[name]) for name, film in self.films.items()
        }
        self.views = {name: show(app, film) for name, film in self.films.items()}
        self.told = []
        self.history = LandmarkHistory()
        self.watch = LandmarkWatch(
            {name: (self.films[name], self.nodes[name]) for name in self.films},
            pressed=lambda name, index: self.told.append(("pressed", name, index)),
            moving=lambda name, index, pixel: self.told.append(("moving", name, index)),
            changed=self._changed,
        )

    def _changed(self, name, before, after):
        changed = [index for index in range(100) if before[index] != after[index]]
        self.told.append(("changed", name, *changed))
        self.history.note(self.nodes[name], before, after)

    def drag(self, name, index, by_px, steps=5):
        """Drag a landmark by so many pixels of the film."""
        start = self.lists.point_ras_mm(self.nodes[name], index)
        pixel = np.array(self.lists.pixel_of_point(self.nodes[name], index)) + by_px
        view = self.lists.view_of_list(self.nodes[name])
        self.app.drag(name, start, view.detector_points_ras_mm(pixel), steps)
        return pixel

    def landmarks(self, name):
        return self.lists.landmarks_of_node(self.nodes[name])


@pytest.fixture
def ears(app):
    ears = Ears(app)
    yield ears
    ears.watch.close()


def lonely_point(ears, name, nearest_px=14.0):
    """Return a landmark with no other near it, so that the mouse takes hold of it and no other."""
    pixels = {
        index: np.array(ears.lists.pixel_of_point(ears.nodes[name], index))
        for index in range(100)
        if index not in MISSING_ONES
    }
    size = np.array(ears.lists.view_of_list(ears.nodes[name]).size_px)
    for index, pixel in pixels.items():
        others = [np.linalg.norm(pixel - other) for at, other in pixels.items() if at != index]
        if min(others) > nearest_px and (pixel > 60).all() and (pixel < size - 60).all():
            return index
    raise LookupError("no landmark stands alone")


@pytest.mark.parametrize("name", ["AP", "lateral"])
def test_a_drag_is_told_from_press_to_release_and_marks_the_landmark_corrected(ears, name):
    index = lonely_point(ears, name)
    target = ears.drag(name, index, (22.0, -13.0))
    kinds = [item[0] for item in ears.told]
    assert kinds[0] == "pressed" and kinds[-1] == "changed" and kinds.count("changed") == 1
    assert kinds.count("moving") >= 5
    assert all(item[1:] == (name, index) for item in ears.told)
    moved = ears.landmarks(name)[ears.lists.key_of(index)]
    assert moved.corrected and moved.confidence == 1.0 and moved.sigma_mm is None
    # The mouse moves by whole pixels of the screen.
    assert moved.position_px == pytest.approx(target, abs=1.5)
    assert ears.nodes[name].GetNthControlPointSelected(index)
    other = {"AP": "lateral", "lateral": "AP"}[name]
    assert dict(ears.landmarks(other)) == dict(ears.given[other])


def test_a_whole_drag_is_one_step_to_take_back(ears):
    index = lonely_point(ears, "AP")
    assert ears.history.title is None
    ears.drag("AP", index, (22.0, -13.0), steps=9)
    assert ears.history.title == f"{ears.lists.label_of(index)} on the AP film"
    assert ears.history.undo() == {ears.nodes["AP"]: (index,)}
    assert dict(ears.landmarks("AP")) == dict(ears.given["AP"])
    assert ears.history.undo() == {} and ears.history.title is None


def test_steps_are_taken_back_in_turn_on_both_films(ears):
    lists = ears.lists
    lists.set_landmark(ears.nodes["AP"], *lists.key_of(1), (50.0, 60.0))
    lists.set_landmark(ears.nodes["AP"], *lists.key_of(1), (55.0, 65.0))
    lists.unset_landmark(ears.nodes["lateral"], *lists.key_of(9))
    ears.history.undo()
    assert dict(ears.landmarks("lateral")) == dict(ears.given["lateral"])
    assert ears.landmarks("AP")[lists.key_of(1)].position_px == (55.0, 65.0)
    ears.history.undo()
    assert ears.landmarks("AP")[lists.key_of(1)].position_px == (50.0, 60.0)
    ears.history.undo()
    assert dict(ears.landmarks("AP")) == dict(ears.given["AP"])


def test_several_changes_can_be_one_step(ears):
    lists = ears.lists
    for node in ears.nodes.values():
        lists.set_landmark(node, *lists.key_of(1), (50.0, 60.0))
    with ears.history.one_step():
        for node in ears.nodes.values():
            lists.reset_landmarks(node)
    assert ears.history.title == "2 landmarks"
    ears.history.undo()
    assert all(ears.landmarks(name)[lists.key_of(1)].position_px == (50.0, 60.0) for name in ears.nodes)


def test_a_step_can_be_taken_back_after_the_geometry_has_changed(ears):
    from dataclasses import replace

    from LumbarBiplanarLib.mrml.films import set_film_view

    lists, index = ears.lists, lonely_point(ears, "AP")
    ears.drag("AP", index, (22.0, -13.0))
    set_film_view(ears.films["AP"], replace(ears.pair.ap, spacing_mm=(0.5, 0.5)))
    assert lists.view_of_list(ears.nodes["AP"]).spacing_mm == (0.5, 0.5)
    ears.history.undo()
    assert dict(ears.landmarks("AP")) == dict(ears.given["AP"])
    view = lists.view_of_list(ears.nodes["AP"])
    expected = view.detector_points_ras_mm(np.array(ears.given["AP"][lists.key_of(index)].position_px))
    assert lists.point_ras_mm(ears.nodes["AP"], index) == pytest.approx(expected)


def test_a_new_detection_ends_the_history_of_its_film_only(ears):
    lists = ears.lists
    for name in ears.nodes:
        lists.set_landmark(ears.nodes[name], *lists.key_of(1), (50.0, 60.0))
    lists.write_landmarks_to_node(ears.nodes["lateral"], ears.films["lateral"], landmarks_on(ears.pair.lateral, 7))
    ears.history.undo()
    assert dict(ears.landmarks("AP")) == dict(ears.given["AP"])
    assert ears.history.undo() == {}


def test_a_point_cleared_in_another_module_of_slicer_becomes_not_shown_and_can_be_brought_back(ears):
    ears.nodes["AP"].UnsetNthControlPointPosition(10)
    assert ears.told == [("changed", "AP", 10)]
    assert ears.nodes["AP"].GetNthControlPointPositionStatus(10) == ears.lists.MISSING
    assert not ears.landmarks("AP")[ears.lists.key_of(10)].visible
    ears.history.undo()
    assert dict(ears.landmarks("AP")) == dict(ears.given["AP"])


def test_coordinates_typed_in_another_module_of_slicer_count_as_a_correction_in_the_film(ears):
    point = ears.lists.point_ras_mm(ears.nodes["AP"], 10) + [3.0, 40.0, -5.0]
    ears.nodes["AP"].SetNthControlPointPosition(10, *point)
    assert ears.told == [("changed", "AP", 10)]
    view = ears.pair.ap
    assert view.depth_mm(ears.lists.point_ras_mm(ears.nodes["AP"], 10)) == pytest.approx(view.focal_mm, abs=1e-6)


def test_what_the_program_writes_is_told_but_is_no_correction(ears):
    again = landmarks_on(ears.pair.ap, seed=5)
    ears.lists.write_landmarks_to_node(ears.nodes["AP"], ears.films["AP"], again)
    assert ears.told == [("changed", "AP", *range(100))]
    assert not any(item.corrected for item in ears.landmarks("AP").values())


def test_a_locked_list_and_a_locked_point_do_not_move(ears):
    index = lonely_point(ears, "AP")
    for lock in (lambda on: ears.lists.set_locked(ears.nodes["AP"], on), ears_lock_point(ears, index)):
        lock(True)
        ears.drag("AP", index, (22.0, -13.0))
        assert dict(ears.landmarks("AP")) == dict(ears.given["AP"])
        lock(False)
    ears.drag("AP", index, (22.0, -13.0))
    assert ears.landmarks("AP")[ears.lists.key_of(index)].corrected


def ears_lock_point(ears, index):
    return lambda on: ears.lists.set_locked(ears.nodes["AP"], on, [ears.lists.key_of(index)])


def test_nothing_is_told_after_the_watch_is_closed_and_no_observer_stays(ears):
    ears.watch.close()
    index = lonely_point(ears, "AP")
    ears.drag("AP", index, (22.0, -13.0))
    assert ears.told == []
    assert ears.landmarks("AP")[ears.lists.key_of(index)].corrected
    Node = slicer.vtkMRMLMarkupsNode
    for node in ears.nodes.values():
        with_listener = node.HasObserver(Node.PointStartInteractionEvent)
        assert not with_listener and not node.HasObserver(Node.PointEndInteractionEvent)


def test_a_list_that_the_user_deletes_and_a_closed_scene_do_no_harm(ears, app, capfd):
    ears.lists.set_landmark(ears.nodes["AP"], *ears.lists.key_of(1), (50.0, 60.0))
    app.scene.RemoveNode(ears.nodes["AP"])
    app.process_events()
    assert ears.history.undo() == {}
    ears.lists.set_landmark(ears.nodes["lateral"], *ears.lists.key_of(1), (50.0, 60.0))
    app.clear()
    assert ears.history.undo() == {}
    ears.watch.close()
    assert "Traceback" not in capfd.readouterr().err
