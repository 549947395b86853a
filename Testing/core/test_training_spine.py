"""Random spines: one vertebra above the other, from a sixth lumbar one to T6, with ribs and curves."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, Level
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.shape.surfaces import Surface, surface_distances
from LumbarBiplanarLib.training.fractures import fractured
from LumbarBiplanarLib.training.posture import PostureRanges, chain_angles_deg
from LumbarBiplanarLib.training.spine import random_spine
from LumbarBiplanarLib.training.thorax import chest_ribs, random_ribs, stacked_above


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


def test_a_random_spine_stands_upright_with_levels_one_above_the_other(model):
    for seed in range(5):
        spine = random_spine(model, np.random.default_rng(seed))
        heights = spine.landmarks.mean(axis=1)[:, 2]
        assert len(spine.points) - spine.above in (5, 6) and 2 <= spine.above <= 7
        assert (np.diff(heights) < -10).all()
        assert spine.lumbar_landmarks.mean(axis=1)[4, 2] > spine.ras_from_sacrum[2, 3] - 5
        tips = spine.lumbar_landmarks[
            :, [LANDMARK_NAMES.index(f"transverse_tip_{side}") for side in ("left", "right")], 0
        ]
        assert (tips[:, 1] - tips[:, 0] > 40).all()  # the patient's right is at larger x


def test_a_seed_gives_the_same_spine_and_another_gives_another(model):
    first, again, other = (random_spine(model, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.points, again.points)
    assert np.abs(first.lumbar_points - other.lumbar_points).max() > 1.0


def test_now_and_then_a_spine_has_a_sixth_lumbar_vertebra_between_l5_and_the_sacrum(model):
    spines = [random_spine(model, np.random.default_rng(seed)) for seed in range(120)]
    more = [spine for spine in spines if len(spine.points) - spine.above == 6]
    assert 0 < len(more) < 25
    for spine in more:
        heights = spine.landmarks.mean(axis=1)[:, 2]
        assert (np.diff(heights) < -10).all() and heights[-1] > spine.ras_from_sacrum[2, 3] - 5
        np.testing.assert_array_equal(spine.lumbar_points, spine.points[-6:-1])
        assert len(spine.other_points) == spine.above + 1


def test_most_spines_go_on_to_t6_and_the_others_end_anywhere_down_to_t11(model):
    counts = [random_spine(model, np.random.default_rng(seed)).above for seed in range(150)]
    assert set(counts) == set(range(2, 8))
    assert 0.5 < np.mean(np.array(counts) == 7) < 0.8


def test_thoracic_vertebrae_become_smaller_and_lean_forward_going_up(model):
    spine = random_spine(model, np.random.default_rng(3))
    first = Surface(spine.lumbar_points[0], model.faces)
    surfaces, marks = stacked_above(first, spine.lumbar_landmarks)
    assert len(surfaces) == len(marks) == 7
    ends = [LANDMARK_NAMES.index(f"{side}_endplate_centre") for side in ("superior", "inferior")]
    heights = np.linalg.norm(np.diff(marks[:, ends], axis=1)[:, 0], axis=1)
    assert (np.diff(heights) > 0).all() and heights[-1] < _height(spine.lumbar_landmarks[0], ends)
    bodies = marks[:, ends].mean(axis=1)
    steps = np.diff(np.concatenate([bodies, spine.lumbar_landmarks[:1, ends].mean(axis=1)]), axis=0)
    ahead_deg = np.degrees(np.arctan2(-steps[:, 1], -steps[:, 2]))  # each of the one below it
    assert ahead_deg[0] - ahead_deg[-1] == pytest.approx(16.0, abs=2.0)
    for surface, mark in zip(surfaces, marks, strict=True):
        off = surface_distances(mark, surface)[0]
        np.testing.assert_array_less(off, surface_distances(spine.lumbar_landmarks[0], first)[0] + 0.01)


def test_a_spine_stacked_up_to_the_neck_bends_back_there(model):
    spine = random_spine(model, np.random.default_rng(3))
    _, marks = stacked_above(Surface(spine.lumbar_points[0], model.faces), spine.lumbar_landmarks, 16)
    assert len(marks) == 16
    bodies = marks[:, [LANDMARK_NAMES.index(f"{end}_endplate_centre") for end in ("superior", "inferior")]].mean(axis=1)
    steps = -np.diff(bodies, axis=0)  # upwards
    ahead_deg = np.degrees(np.arctan2(steps[:, 1], steps[:, 2]))
    turning = int(np.argmax(ahead_deg))
    assert turning in (2, 3, 4) and ahead_deg[0] < ahead_deg[turning] - 8  # the neck stands straighter than T1
    assert ahead_deg[turning] - ahead_deg[-1] > 25


def test_ribs_go_around_the_chest_from_t10_up_and_end_beside_the_body_below(model):
    spine = next(s for s in (random_spine(model, np.random.default_rng(k)) for k in range(9)) if s.above == 7)
    marks = spine.thoracic_landmarks
    long, all_of_them = (random_ribs(some, np.random.default_rng(5)) for some in (marks[:0], marks))
    assert not long
    chest = [rib.points_ras_mm for rib in all_of_them[-10:]]
    for ribs, mark in zip(zip(chest[::2], chest[1::2], strict=True), marks[4::-1], strict=True):
        for rib, sign in zip(ribs, (-1.0, 1.0), strict=True):
            middle = mark.mean(axis=0)
            assert 90 < (sign * (rib - middle)[:, 0]).max() < 180  # out to the side of the chest
            assert (rib - middle)[:, 1].max() > 60 and (rib - middle)[:, 2].min() < -30  # forward, and down
    for rib, mark in ((chest[0], marks[4]), (chest[-1], marks[0])):
        assert np.linalg.norm(rib[:, None] - mark, axis=-1).min() < 15.0  # it begins at its vertebra


def test_a_whole_spine_goes_on_to_the_neck_whose_chest_narrows_towards_the_first_rib(model):
    spine = random_spine(model, np.random.default_rng(3), whole=True)
    assert spine.above == 16 and len(spine.thoracic_landmarks) == 12
    np.testing.assert_array_equal(spine.lumbar_points, spine.points[16:21])
    heights = spine.landmarks.mean(axis=1)[:, 2]
    assert (np.diff(heights) < -8).all() and 380 < heights[0] - heights[20] < 620  # C4 to L5
    t12 = spine.thoracic_landmarks[-1].mean(axis=0)
    np.testing.assert_array_equal(t12, spine.landmarks[15].mean(axis=0))
    ribs = chest_ribs(spine.thoracic_landmarks[:-2], np.random.default_rng(5))
    assert len(ribs) == 20
    pairs = zip(ribs[::2], ribs[1::2], strict=True)
    wide = [np.ptp(np.concatenate([rib.points_ras_mm for rib in pair])[:, 0]) for pair in pairs]
    assert wide[-1] < 0.65 * wide[0] and (np.diff(wide[4:]) < 0).all()  # T1 against T10; T6 and up


def test_severe_curves_tilt_the_vertebrae_against_each_other_as_those_of_severe_scoliosis_do():
    def median_cobb_deg(severe_share):
        ranges = PostureRanges(scoliosis_share=1.0, severe_share=severe_share)
        spines = [chain_angles_deg(np.random.default_rng(seed), 7, ranges) for seed in range(60)]
        return np.median([np.ptp(angles[1:, 1]) for angles in spines])

    assert median_cobb_deg(0.0) < 25.0
    assert 40.0 < median_cobb_deg(1.0) < 80.0


def test_spines_that_end_at_t11_have_no_ribs_around_the_chest_and_draw_no_chance_for_them(model):
    spine = random_spine(model, np.random.default_rng(3))
    rng, same = np.random.default_rng(5), np.random.default_rng(5)
    assert chest_ribs(spine.thoracic_landmarks[:0], rng) == []
    assert rng.random() == same.random()
    assert len(random_ribs(spine.thoracic_landmarks[-2:], np.random.default_rng(2))) <= 4


def _height(landmarks, ends):
    return np.linalg.norm(landmarks[ends[0]] - landmarks[ends[1]])


def body_heights(model, points):
    """Return the height of the body in front, in the middle and behind, mm."""
    marks = dict(zip(LANDMARK_NAMES, model.landmarks(points), strict=True))
    places = ("anterior", "centre", "posterior")
    return np.array([marks[f"superior_endplate_{at}"][2] - marks[f"inferior_endplate_{at}"][2] for at in places])


def test_a_fractured_body_has_lost_height_in_front_in_the_middle_or_everywhere_and_its_arch_is_whole(model):
    sound = model.mean(Level.L2)
    behind = sound[:, 1] < -28.0
    lost = []
    for seed in range(60):
        broken, met = fractured(sound, np.random.default_rng(seed))
        np.testing.assert_array_equal(broken[behind], sound[behind])
        # The disc fills a dent: neighbors meet a biconcave body as if it were whole.
        assert met is broken or met is sound
        lost.append(1.0 - body_heights(model, broken) / body_heights(model, sound))
    lost = np.array(lost)
    assert lost.min() > -0.01 and 0.1 < lost.max() < 0.9
    assert (lost.max(axis=1) > 0.1).mean() > 0.8
    front, middle, back = lost.T
    wedges, biconcave = (front > 2 * back) & (front >= middle), (middle > 1.5 * front) & (middle > 1.5 * back)
    assert wedges.sum() > 15 and biconcave.sum() > 8 and (back > 0.1).sum() > 2


def test_fractures_come_several_to_a_person_and_most_people_have_few(model, monkeypatch):
    counts = []

    def counted(points, rng):
        counts[-1] += 1
        return fractured(points, rng)

    monkeypatch.setattr("LumbarBiplanarLib.training.spine.fractured", counted)
    for seed in range(80):
        counts.append(0)
        random_spine(model, np.random.default_rng(seed))
    counts = np.array(counts)
    assert (counts == 0).mean() > 0.3 and (counts >= 3).mean() > 0.1
