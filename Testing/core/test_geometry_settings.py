"""The geometry number by number: reading, typing, origins, and the usual geometry of films that come without one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.errors import GeometryError
from LumbarBiplanarLib.geometry import (
    FilmFacts,
    FilmPair,
    GeometrySettings,
    standard_pair,
    standard_settings,
    standard_view,
)
from LumbarBiplanarLib.geometry.settings import KEYS, PAIR_KEYS, VIEW_KEYS
from LumbarBiplanarLib.geometry.sides import SIDES, SOURCES, left_side, source_side
from LumbarBiplanarLib.geometry.standard import direction_note

SIZE = ((400, 374), (360, 300))
PAIR = standard_pair((-4.0, 135.0, 348.0), angle_deg=85.0, size_px=SIZE, spacing_mm=0.7, offset_px=((3, -50), (0, 9)))
SETTINGS = GeometrySettings.from_pair(PAIR, "geometry.json")
ALL = [(key, view) for key in VIEW_KEYS for view in ("AP", "lateral")] + [(key, None) for key in PAIR_KEYS]


def tilted_pair() -> FilmPair:
    """A pair whose beams neither meet nor lie level."""
    turn = np.eye(4)
    turn[:3, :3] = np.array([[0.96, 0.28, 0], [-0.28, 0.96, 0], [0, 0, 1.0]]) @ np.array(
        [[1, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]]
    )
    turn[:3, 3] = 3.0, -7.0, 11.0
    return replace(PAIR, lateral=replace(PAIR.lateral, camera_from_ras=turn @ PAIR.lateral.camera_from_ras))


def test_a_pair_goes_through_the_settings_unchanged():
    pair = tilted_pair()
    assert GeometrySettings.from_pair(pair).to_pair() is pair


def test_every_number_is_read_with_its_meaning():
    values = {item: SETTINGS.value(*item) for item in ALL}
    assert values["model", "AP"] == "pinhole"
    assert (values["left_side", "AP"], values["left_side", "lateral"]) == ("right", "front")
    assert values["focal_mm", "lateral"] == 1100
    assert values["isocenter_mm", "AP"] == pytest.approx(900)
    assert (values["spacing_x_mm", "AP"], values["spacing_y_mm", "AP"]) == (0.7, 0.7)
    assert (values["principal_x_px", "AP"], values["principal_y_px", "AP"]) == (202.5, 136.5)
    assert values["size_px", "lateral"] == (360, 300)
    assert values["angle_deg", None] == pytest.approx(85)
    assert values["calibrated", None] is values["simultaneous", None] is True
    assert [SETTINGS.text(*item) for item in (("angle_deg", None), ("size_px", "AP"), ("calibrated", None))] == [
        *("85", "400 x 374", "yes")
    ]


@pytest.mark.parametrize(
    ("key", "view", "text", "value"),
    [
        ("focal_mm", "AP", "1250", 1250.0),
        ("focal_mm", "AP", " 1250.5 mm ", 1250.5),
        ("isocenter_mm", "lateral", "955,5", 955.5),
        ("spacing_x_mm", "AP", "0.143mm", 0.143),
        ("spacing_y_mm", "lateral", "1.4e-1", 0.14),
        ("principal_x_px", "AP", "-12.5 px", -12.5),
        ("principal_y_px", "AP", "0", 0.0),
        ("angle_deg", None, "92.5°", 92.5),
        ("angle_deg", None, "60 deg", 60.0),
        ("model", "lateral", "Slot", "slot"),
        ("left_side", "AP", "Left", "left"),
        ("left_side", "AP", "R", "right"),
        ("left_side", "lateral", "posterior", "back"),
        ("source_side", "AP", "posterior", "back"),
        ("source_side", "AP", "Front", "front"),
        ("source_side", "lateral", "R", "right"),
        ("calibrated", None, "no", False),
        ("simultaneous", None, "False", False),
    ],
)
def test_a_typed_number_changes_that_number_only_and_its_origin(key, view, text, value):
    edited = SETTINGS.edited(key, view, text)
    found = edited.value(key, view)
    assert found == (pytest.approx(value) if isinstance(value, float) else value)
    for item in ALL:
        if item == (key, view):
            assert edited.where_from(*item) == "typed by the user"
            continue
        before, after = SETTINGS.value(*item), edited.value(*item)
        if key == "left_side" and item == ("principal_x_px", view) and SETTINGS.value(key, view) != value:
            before = SETTINGS.view(view).size_px[0] - 1 - before  # the film is stored turned over
        assert after == (pytest.approx(before) if isinstance(before, float) else before), item
        assert edited.where_from(*item) == SETTINGS.where_from(*item), item


@pytest.mark.parametrize("pair", (PAIR, tilted_pair()), ids=("level", "tilted"))
def test_the_isocenter_stays_where_it_is_whatever_is_typed(pair):
    settings = GeometrySettings.from_pair(pair)
    center = settings.isocenter_ras_mm
    for key, view, text in (("isocenter_mm", "AP", "800"), ("angle_deg", None, "70"), ("focal_mm", "lateral", "1400")):
        settings = settings.edited(key, view, text)
    assert np.allclose(settings.isocenter_ras_mm, center, atol=1e-6)
    assert settings.value("isocenter_mm", "AP") == pytest.approx(800)
    assert settings.pair.angle_deg == pytest.approx(70)


def test_a_farther_source_moves_back_along_its_own_beam():
    moved = SETTINGS.edited("isocenter_mm", "AP", "1000").pair.ap
    assert np.allclose(moved.source_ras_mm - PAIR.ap.source_ras_mm, -100 * PAIR.ap.beam_ras)
    assert np.allclose(moved.beam_ras, PAIR.ap.beam_ras)


def test_another_angle_turns_the_lateral_film_in_the_plane_of_the_beams():
    turned = SETTINGS.edited("angle_deg", None, "90").pair
    expected = standard_pair((-4.0, 135.0, 348.0), angle_deg=90.0, size_px=SIZE, spacing_mm=0.7)
    assert np.allclose(turned.lateral.camera_from_ras, expected.lateral.camera_from_ras, atol=1e-9)
    assert turned.ap == PAIR.ap


def assumed_sources(pair: FilmPair) -> GeometrySettings:
    """Return the settings of a pair of which nobody stated at which side the sources are."""
    assumed = "standard pair; source_side: assumed: stored as seen from the source"
    views = [replace(view, provenance={**view.provenance, "camera_from_ras": assumed}) for view in pair.views]
    return GeometrySettings.from_pair(FilmPair(*views))


def test_a_film_that_shows_the_other_side_was_taken_from_there_if_nobody_knows_from_where():
    settings = assumed_sources(standard_pair((-4.0, 135.0, 348.0), size_px=SIZE, spacing_mm=0.7))
    behind = standard_pair((-4.0, 135.0, 348.0), size_px=SIZE, spacing_mm=0.7, posteroanterior=True)
    edited = settings.edited("left_side", "AP", "left")
    assert np.allclose(edited.pair.ap.camera_from_ras, behind.ap.camera_from_ras, atol=1e-9)
    assert edited.pair.lateral == settings.pair.lateral
    back = edited.edited("left_side", "AP", "right").pair.ap
    assert np.allclose(back.camera_from_ras, settings.pair.ap.camera_from_ras, atol=1e-9)
    facing_right = settings.edited("left_side", "lateral", "back").pair.lateral
    assert np.allclose(facing_right.source_ras_mm, (896.0, 135.0, 348.0))
    front, middle = facing_right.project(np.array([[-4.0, 175.0, 348.0], [-4.0, 135.0, 348.0]]))
    assert front[0] > middle[0]
    assert not any(view.mirrored for view in (edited.pair.ap, back, facing_right))


@pytest.mark.parametrize(("name", "side"), [("AP", "left"), ("lateral", "back")])
def test_a_film_that_shows_the_other_side_of_where_its_source_is_known_to_be_is_stored_turned_over(name, side):
    edited = SETTINGS.edited("left_side", name, side)
    before, after = SETTINGS.view(name), edited.view(name)
    assert after.mirrored and edited.value("source_side", name) == SETTINGS.value("source_side", name)
    points = edited.isocenter_ras_mm + np.random.default_rng(0).normal(0.0, 50.0, (20, 3))
    assert np.allclose(after.project(points), before.project(points) * [-1, 1] + [before.size_px[0] - 1, 0], atol=1e-6)
    assert edited.pair.angle_deg == pytest.approx(85.0)
    assert not edited.edited("left_side", name, SETTINGS.value("left_side", name)).view(name).mirrored


@pytest.mark.parametrize(("name", "side"), [("AP", "back"), ("lateral", "right")])
def test_a_source_at_the_other_side_leaves_the_patient_as_the_film_shows_him(name, side):
    edited = SETTINGS.edited("source_side", name, side)
    before, after = SETTINGS.view(name), edited.view(name)
    center, shift = edited.isocenter_ras_mm, np.array([0.0, 30.0, 0.0] if name == "AP" else [30.0, 0.0, 0.0])
    assert after.mirrored and edited.value("left_side", name) == SETTINGS.value("left_side", name)
    assert edited.value("isocenter_mm", name) == pytest.approx(SETTINGS.value("isocenter_mm", name))
    assert np.allclose(after.project(center), before.project(center))
    # What was magnified more is so less: towards the source and away from it change places.
    across = np.array([20.0, 0.0, 15.0] if name == "AP" else [0.0, 20.0, 15.0])
    assert np.allclose(after.project(center + across + shift), before.project(center + across - shift), atol=0.05)
    assert edited.pair.angle_deg == pytest.approx(85.0)


@pytest.mark.parametrize(
    ("key", "view", "text", "message"),
    [
        ("focal_mm", "AP", "", "'' is not a number; type one in mm"),
        ("focal_mm", "AP", "nan", "not a number"),
        ("focal_mm", "AP", "1.1.0", "not a number"),
        ("focal_mm", "AP", "1.1", "1.1 is impossible; it must lie between 300 and 5000 mm"),
        ("focal_mm", "AP", "850", "source-isocenter distance .900 mm. must be below"),
        ("isocenter_mm", "lateral", "1100", "lateral film: .*must be below the source-detector distance .1100 mm"),
        ("spacing_x_mm", "AP", "0", "between 0.02 and 5 mm per column"),
        ("angle_deg", None, "180", "between 20 and 160 degrees"),
        ("model", "AP", "fan", "type pinhole"),
        ("left_side", "AP", "front", "Left of the AP film: 'front' .* type right or left"),
        ("left_side", "lateral", "", "type front or back"),
        ("source_side", "lateral", "front", "Source of the lateral film: 'front' .* type left or right"),
        ("calibrated", None, "maybe", "type yes or no"),
        ("size_px", "AP", "10 x 10", "cannot be changed"),
        ("zoom", "AP", "2", "no 'zoom'"),
        ("focal_mm", "oblique", "1200", "use 'AP' or 'lateral'"),
    ],
)
def test_an_impossible_number_is_refused_with_what_was_typed_and_what_to_type(key, view, text, message):
    with pytest.raises(GeometryError, match=message):
        SETTINGS.edited(key, view, text)


def test_origins_of_typed_numbers_survive_the_geometry_file():
    edited = SETTINGS.edited("spacing_x_mm", "AP", "0.5").edited("angle_deg", None, "88")
    back = GeometrySettings.from_pair(FilmPair.from_dict(json.loads(json.dumps(edited.pair.to_dict()))), "other.json")
    assert back.where_from("spacing_x_mm", "AP") == "typed by the user"
    assert back.where_from("angle_deg") == "typed by the user"
    assert back.where_from("spacing_y_mm", "AP") == "other.json: standard pair"
    assert back.where_from("isocenter_mm", "lateral") == "other.json: standard pair"


def test_what_nobody_said_comes_from_the_file_itself():
    plain = replace(PAIR, ap=replace(PAIR.ap, provenance={}))
    assert GeometrySettings.from_pair(plain, "geometry.json").where_from("focal_mm", "AP") == "geometry.json"
    assert GeometrySettings.from_pair(plain).where_from("focal_mm", "AP") == "unknown"


def test_given_geometries_are_told_from_assumed_ones():
    usual = standard_settings(FilmFacts(SIZE[0]), FilmFacts(SIZE[1]))
    assert SETTINGS.is_given and not usual.is_given
    assert usual.edited("angle_deg", None, "88").is_given
    assert SETTINGS.assumed() == ()
    assert set(usual.assumed()) == set(ALL) - {("size_px", "AP"), ("size_px", "lateral")}


def test_warnings_say_what_a_number_means_for_the_result():
    assert SETTINGS.warnings() == ()
    edited = SETTINGS.edited("calibrated", None, "no").edited("angle_deg", None, "50")
    assert "not calibrated" in edited.warnings()[0]
    assert "50 degrees apart" in edited.warnings()[1]


def test_a_geometry_that_calls_itself_calibrated_with_assumed_lengths_is_told():
    usual = standard_settings(FilmFacts(SIZE[0]), FilmFacts(SIZE[1], (0.4, 0.4), "detector", "tag"))
    believed = usual.edited("calibrated", None, "yes")
    (warning,) = believed.warnings()
    assert "source-detector distance, source-isocenter distance, detector pitch across, detector pitch along" in warning
    measured = believed.edited("spacing_x_mm", "AP", "0.4").edited("spacing_y_mm", "AP", "0.4")
    for name in ("AP", "lateral"):
        measured = measured.edited("focal_mm", name, "1100")
    (warning,) = GeometrySettings.from_pair(measured.to_pair(), "geometry.json").warnings()
    assert "assumed are: source-isocenter distance." in warning
    assert SETTINGS.pair.calibrated and SETTINGS.contradictions() == ()
    for name in ("AP", "lateral"):
        measured = measured.edited("isocenter_mm", name, "900")
    assert measured.warnings() == ()


def test_the_usual_geometry_is_the_standard_pair_and_never_calibrated():
    settings = standard_settings(
        FilmFacts(SIZE[0], (0.4, 0.4), "detector", "tag"), FilmFacts(SIZE[1], (0.4, 0.4), "detector", "tag")
    )
    expected = standard_pair(size_px=SIZE, spacing_mm=0.4)
    for found, wanted in zip(settings.pair.views, expected.views, strict=True):
        assert np.allclose(found.camera_from_ras, wanted.camera_from_ras)
        assert (found.focal_mm, found.principal_px, found.spacing_mm) == (1100, wanted.principal_px, (0.4, 0.4))
    assert not settings.pair.calibrated and not settings.pair.simultaneous


def test_what_a_header_states_is_used_and_named():
    facts = FilmFacts(
        *(SIZE[0], (0.2, 0.3), "detector", "Imager Pixel Spacing (0018,1164)", 1500.0, "SID tag", 1200.0, "SOD tag"),
        model="slot",
        model_source="maker",
        file="ap.dcm",
    )
    settings = standard_settings(facts, FilmFacts(SIZE[1]))
    assert settings.value("focal_mm", "AP") == 1500 and settings.where_from("focal_mm", "AP") == "SID tag"
    assert settings.value("isocenter_mm", "AP") == pytest.approx(1200)
    assert settings.where_from("isocenter_mm", "AP") == "SOD tag"
    assert (settings.value("spacing_x_mm", "AP"), settings.value("spacing_y_mm", "AP")) == (0.2, 0.3)
    assert settings.where_from("spacing_y_mm", "AP") == "Imager Pixel Spacing (0018,1164)"
    assert settings.value("model", "AP") == "slot" and settings.where_from("model", "AP") == "maker"
    assert settings.where_from("size_px", "AP") == "ap.dcm"


def test_a_size_calibrated_in_the_patient_is_magnified_to_the_detector():
    facts = FilmFacts(SIZE[0], (0.2, 0.2), "object", "Pixel Spacing", 1200.0, "tag", 1000.0, "tag")
    view = standard_view("AP", facts)
    assert view.spacing_mm == pytest.approx((0.24, 0.24))
    assert view.pixel_size_at(np.zeros(3)) == pytest.approx((0.2, 0.2)), "at the isocenter it is the stated size again"
    assert "times the magnification 1.200" in view.provenance["spacing_mm"]
    assert standard_view("AP", replace(facts, model="slot")).spacing_mm == pytest.approx((0.24, 0.2))
    assumed = standard_view("AP", replace(facts, isocenter_mm=None))
    assert assumed.provenance["spacing_mm"].startswith("assumed")


def test_a_size_of_an_unknown_plane_or_none_is_marked_as_assumed():
    unknown = standard_view("AP", FilmFacts(SIZE[0], (0.2, 0.2), "unknown", "resolution of the PNG file"))
    assert unknown.spacing_mm == (0.2, 0.2)
    assert unknown.provenance["spacing_mm"] == "assumed: resolution of the PNG file holds at the detector"
    nothing = standard_view("AP", FilmFacts((1000, 2150)))
    assert nothing.spacing_mm == (0.2, 0.2) and nothing.provenance["spacing_mm"].startswith("assumed: film of 43 cm")


def test_a_patient_beyond_the_detector_is_not_believed():
    view = standard_view("AP", FilmFacts(SIZE[0], focal_mm=1100.0, focal_source="t", isocenter_mm=1200.0))
    assert view.depth_mm(np.zeros(3)) == pytest.approx(900)
    assert "1200 mm, beyond the detector" in view.provenance["camera_from_ras"]


@pytest.mark.parametrize(
    ("name", "direction", "beam", "left"),
    [
        ("AP", None, (0, -1, 0), (1, 0, 0)),
        ("AP", ("L", "F"), (0, -1, 0), (1, 0, 0)),
        ("AP", ("R", "F"), (0, 1, 0), (-1, 0, 0)),
        ("lateral", ("P", "F"), (1, 0, 0), (0, 1, 0)),
        ("lateral", ("A", "F"), (-1, 0, 0), (0, -1, 0)),
    ],
)
def test_the_columns_of_the_film_say_from_which_side_the_beam_came(name, direction, beam, left):
    view = standard_view(name, FilmFacts(SIZE[0], direction=direction))
    assert np.allclose(view.beam_ras, beam)
    assert view.project(10.0 * np.array(left))[0] < view.principal_px[0], "what lies on the left of the film"
    assert view.project(np.array([0, 0, 10.0]))[1] < view.principal_px[1], "the head is up"


@pytest.mark.parametrize(
    ("name", "projection", "direction", "mirrored"),
    [
        ("AP", "AP", ("L", "F"), False),
        ("AP", "PA", ("R", "F"), False),
        ("AP", "PA", ("L", "F"), True),
        ("AP", "PA", None, True),
        ("lateral", "RL", ("P", "F"), False),
        ("lateral", "LL", ("P", "F"), True),
        ("AP", None, ("R", "F"), False),
        ("AP", "LL", None, False),
    ],
)
def test_a_film_stored_turned_over_against_its_beam_is_read_so_and_reported(name, projection, direction, mirrored):
    facts = FilmFacts(SIZE[0], projection=projection, direction=direction, file="film.dcm")
    view = standard_view(name, facts)
    note = direction_note(view, facts)
    assert bool(note) is mirrored
    assert view.mirrored is mirrored
    towards_the_right = direction in (("R", "F"), ("A", "F"))
    assert left_side(view) == SIDES[name][towards_the_right]
    beams = {"PA": "back", "AP": "front", "LL": "right", "RL": "left"}
    if projection in beams and beams[projection] in SOURCES[name]:
        assert source_side(view) == beams[projection]
        assert f"source_side: View Position {projection}" in view.provenance["camera_from_ras"]
    else:
        assert "source_side: assumed" in view.provenance["camera_from_ras"]
    assert not mirrored or ("film.dcm" in note and projection in note)


def test_films_count_as_simultaneous_only_if_both_say_the_same_time():
    facts = [FilmFacts(size, acquired="20260102 101500") for size in SIZE]
    assert standard_settings(*facts).pair.simultaneous
    assert not standard_settings(facts[0], replace(facts[1], acquired="20260102 101530")).pair.simultaneous
    assert not standard_settings(FilmFacts(SIZE[0]), FilmFacts(SIZE[1])).pair.simultaneous


def test_only_the_two_films_of_a_pair_have_a_usual_view():
    with pytest.raises(GeometryError, match="'oblique'"):
        standard_view("oblique", FilmFacts(SIZE[0]))


def test_the_keys_are_those_that_the_documentation_lists():
    assert set(KEYS) == {*VIEW_KEYS, *PAIR_KEYS} and len(KEYS) == 13
