"""What a case's geometry, or its user, sets free in the registration."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest

from LumbarBiplanarLib.errors import GeometryError
from LumbarBiplanarLib.geometry import FilmPair, load_geometry, save_geometry, standard_pair
from LumbarBiplanarLib.registration import Options
from LumbarBiplanarLib.study.geometry_settings import geometry_settings


def test_a_calibrated_pair_of_simultaneous_films_is_believed():
    assert geometry_settings(standard_pair()) == {}


def test_an_uncalibrated_geometry_frees_angle_and_distance_and_two_exposures_free_the_motion():
    free = geometry_settings(replace(standard_pair(), calibrated=False))
    assert set(free) == {"calibrate_angle_sd_deg", "calibrate_distance_sd_mm"}
    moving = geometry_settings(replace(standard_pair(), simultaneous=False))
    assert set(moving) == {"motion_sd_deg", "motion_sd_mm", "level_motion_sd_deg", "level_motion_sd_mm"}
    both = Options(**free, **moving)
    assert both.motion_sd_mm == 2.0
    assert both.calibrate_angle_sd_deg == 3.0


def test_a_stated_uncertainty_counts_more_than_what_is_usual():
    pair = FilmPair(*standard_pair().views, calibrated=False, uncertainty={"angle_deg": 0.5, "distance_mm": 0})
    assert geometry_settings(pair) == {"calibrate_angle_sd_deg": 0.5}
    assert geometry_settings(replace(pair, calibrated=True)) == {"calibrate_angle_sd_deg": 0.5}


def test_the_user_has_the_last_word():
    pair = FilmPair(*standard_pair().views, calibrated=False, simultaneous=False, uncertainty={"angle_deg": 0.5})
    assert geometry_settings(pair, calibrate=(), motion=False) == {}
    assert geometry_settings(pair, calibrate=("angle",), motion=False) == {"calibrate_angle_sd_deg": 0.5}
    asked = geometry_settings(standard_pair(), calibrate=("pose",), motion=True)
    assert asked["calibrate_pose_sd_deg"] == 1.0
    assert asked["motion_sd_deg"] == 1.0
    assert "calibrate_angle_sd_deg" not in asked


def test_the_uncertainty_is_kept_in_the_geometry_file(tmp_path):
    pair = FilmPair(*standard_pair().views, uncertainty={"angle_deg": 2, "motion_mm": 1.5})
    save_geometry(pair, tmp_path / "geometry.json")
    assert load_geometry(tmp_path / "geometry.json") == pair
    assert pickle.loads(pickle.dumps(pair)) == pair
    assert isinstance(hash(pair), int)
    save_geometry(standard_pair(), tmp_path / "plain.json")
    assert "uncertainty" not in json.loads((tmp_path / "plain.json").read_text())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"angle": 2.0}, "unknown key angle"),
        ({"angle_deg": -1.0}, "angle_deg"),
        ({"angle_deg": 90.0}, "0 to 15"),
        ({"angle_deg": True}, "angle_deg"),
        ({"distance_mm": 1000.0}, "distance_mm"),
        ([1.0], "must be an object"),
    ],
)
def test_an_impossible_uncertainty_is_refused_with_its_key(tmp_path, given, named):
    values = {**standard_pair().to_dict(), "uncertainty": given}
    (tmp_path / "geometry.json").write_text(json.dumps(values))
    with pytest.raises(GeometryError, match=named) as caught:
        load_geometry(tmp_path / "geometry.json")
    assert "geometry.json" in str(caught.value)
