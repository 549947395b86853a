"""What cannot be used is refused with exit code 3, the file named, and nothing written."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.imaging import write_film
from study_sample import edited_json, given_arguments, sample


@pytest.fixture
def refused(tmp_path, capsys):
    """Run ``reconstruct`` on the bundled study with something replaced; return what is said on standard error."""

    def run(code=3, **replaced):
        output = tmp_path / "result"
        assert main([*given_arguments(**replaced), "--output", str(output)]) == code
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert not output.exists()
        assert [path.name for path in tmp_path.iterdir() if "result" in path.name] == []
        return said

    return run


def size():
    return json.loads(sample("geometry.json").read_text())["views"][0]["size_px"]


def test_a_film_that_is_not_there(refused, tmp_path):
    assert "absent.png" in refused(ap=tmp_path / "absent.png")


def test_a_film_that_is_no_image(refused, tmp_path):
    (tmp_path / "text.png").write_text("this is no image")
    assert "text.png" in refused(ap=tmp_path / "text.png")


def test_a_film_that_is_cut_off(refused, tmp_path):
    (tmp_path / "half.png").write_bytes(sample("ap.png").read_bytes()[:50000])
    assert "half.png" in refused(ap=tmp_path / "half.png")


def test_an_empty_file(refused, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    assert "empty.png" in refused(lateral=tmp_path / "empty.png")


def test_a_pipe_is_no_film_and_is_not_waited_for(refused, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "pipe")
    assert "pipe: this is a pipe or a device" in refused(ap=tmp_path / "pipe")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--photons", "nan"), "--photons is nan; give a number from 0"),
        (("--photons", "inf"), "--photons is inf"),
        (("--blur", "nan"), "--blur is nan"),
        (("--blur", "-1"), "--blur is -1"),
        (("--seed", "-1"), "--seed is -1; give a whole number of at least 0"),
        (("--faces", "3"), "--faces is 3"),
        ((), "this is a folder"),
    ],
)
def test_what_no_film_can_be_drawn_with(tmp_path, words, said, capsys):
    given = ["--ct", str(tmp_path), "--mask", str(tmp_path), "--geometry", str(sample("geometry.json"))]
    assert main(["synthesize", *given, "--output", str(tmp_path / "case"), *words]) == 3
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_constant_film(refused, tmp_path):
    Image.fromarray(np.full(size()[::-1], 1000, np.uint16)).save(tmp_path / "gray.png")
    assert "every pixel is 1000" in refused(ap=tmp_path / "gray.png")


def test_a_film_with_nan(refused, tmp_path):
    import SimpleITK

    pixels = np.random.default_rng(0).random(size()[::-1]).astype(np.float32)
    pixels[5, 5] = np.nan
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(tmp_path / "nan.nrrd"))
    assert "NaN" in refused(ap=tmp_path / "nan.nrrd")


def test_swapped_films_of_different_size(refused):
    said = refused(ap=sample("lateral.png"), lateral=sample("ap.png"))
    assert "pixels" in said
    assert "lateral.png" in said


def test_the_same_film_twice(refused, tmp_path):
    first = size()
    geometry = edited_json(sample("geometry.json"), tmp_path / "g.json", lambda c: c["views"][1].update(size_px=first))
    assert "same image" in refused(lateral=sample("ap.png"), geometry=geometry, landmarks=None, lumbar_lateral=None)


def test_a_film_smaller_than_the_geometry_says(refused, tmp_path):
    pixels = np.asarray(Image.open(sample("ap.png")))[:-10]
    write_film(tmp_path / "cropped.png", pixels)
    assert "cropped.png" in refused(ap=tmp_path / "cropped.png")


@pytest.mark.parametrize("key", ["spacing_mm", "focal_mm", "camera_from_ras", "size_px"])
def test_a_geometry_without_a_number_it_needs(refused, tmp_path, key):
    geometry = edited_json(sample("geometry.json"), tmp_path / "g.json", lambda c: c["views"][0].pop(key))
    said = refused(geometry=geometry)
    assert key in said
    assert "g.json" in said


@pytest.mark.parametrize("value", [0, -0.7, float("nan"), "small"])
def test_an_impossible_pixel_spacing(refused, tmp_path, value):
    geometry = edited_json(
        sample("geometry.json"), tmp_path / "g.json", lambda c: c["views"][0].update(spacing_mm=[value, 0.7])
    )
    assert "g.json" in refused(geometry=geometry)


def test_a_geometry_that_is_no_json(refused, tmp_path):
    (tmp_path / "g.json").write_text("{")
    assert "not valid JSON" in refused(geometry=tmp_path / "g.json")


def test_landmarks_that_are_not_numbers(refused, tmp_path):
    def change(content):
        content["films"]["AP"]["landmarks"][3]["position_px"] = [float("nan"), 1.0]

    landmarks = edited_json(sample("truth", "landmarks.json"), tmp_path / "l.json", change)
    assert "NaN" in refused(landmarks=landmarks)


def test_landmarks_behind_the_source(refused, tmp_path):
    # With the AP source moved to the patient's back, past the spine, every landmark lies behind it.
    def change(content):
        content["views"][0]["camera_from_ras"][2][3] -= 1500.0

    geometry = edited_json(sample("geometry.json"), tmp_path / "g.json", change)
    said = refused(geometry=geometry)
    assert "behind" in said or "do not fit" in said


def test_no_landmarks_at_all(refused, tmp_path):
    def change(content):
        for film in content["films"].values():
            film["landmarks"] = []

    landmarks = edited_json(sample("truth", "landmarks.json"), tmp_path / "l.json", change)
    assert "landmarks" in refused(landmarks=landmarks)


def test_a_lumbar_only_image_without_bone(refused, tmp_path):
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.zeros(size()[::-1], np.float32))
    SimpleITK.WriteImage(image, str(tmp_path / "none.nrrd"))
    assert "no bone" in refused(lumbar_ap=tmp_path / "none.nrrd")


def test_a_film_with_no_spine(refused, tmp_path):
    noise = np.random.default_rng(1).normal(30000, 5000, size()[::-1])
    write_film(tmp_path / "noise.png", np.clip(noise, 0, 65535))
    said = refused(ap=tmp_path / "noise.png", landmarks=None, lumbar_ap=None, lumbar_lateral=None)
    assert "no lumbar spine" in said
    assert "noise.png" in said


def test_weights_that_are_none(refused, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"no weights")
    said = refused(landmarks=None, lumbar_ap=None, lumbar_lateral=None, weights=tmp_path / "weights.pt")
    assert "weights.pt" in said


def test_an_output_folder_that_holds_something_is_exit_code_4(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main([*given_arguments(), "--output", str(tmp_path)]) == 4
    assert "--force" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_output_below_a_file_is_exit_code_4(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main([*given_arguments(), "--output", str(tmp_path / "file" / "result")]) == 4
    assert "choose another output folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "benchmark network", "benchmark accuracy"])
def test_an_output_that_is_a_file_is_exit_code_4(tmp_path, command, capsys):
    (tmp_path / "file").write_text("mine")
    words = ["--data", str(tmp_path), "--output", str(tmp_path / "file")]
    assert main([*command.split(), *words]) == 4
    said = capsys.readouterr().err
    assert "file cannot be made" in said and "choose another output folder" in said
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["lumbar-mean-87/mean_L2-L5.npz", "visible-human-male/L1_Schrumpfverpacken.obj.gz"])
def test_open_data_that_are_damaged_are_named(tmp_path, name):
    from LumbarBiplanarLib.errors import ShapeModelError
    from LumbarBiplanarLib.shape import sources

    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(b"damaged")
    read = sources._population_mean if name.endswith("npz") else sources._visible_human
    with pytest.raises(ShapeModelError, match=r"the file is damaged .*; get it again") as caught:
        read(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_given_landmarks_are_not_renamed(tmp_path, capsys):
    arguments = [*given_arguments(), "--shift-levels", "-1", "--output", str(tmp_path / "result")]
    assert main(arguments) == 3
    assert "rename the levels in their file" in capsys.readouterr().err
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--calibrate", "none", "angle"), "--calibrate none angle"),
        (("--weights", "spine.pt", "--no-network"), "--weights is about the network"),
        (("--weights", "absent.pt"), "absent.pt: there is no such weights file"),
    ],
)
def test_arguments_that_would_be_ignored_are_refused(tmp_path, words, said, capsys):
    assert main([*given_arguments(), *words, "--output", str(tmp_path / "result")]) == 3
    assert said in capsys.readouterr().err
    assert not (tmp_path / "result").exists()


def test_a_foreign_shape_model_is_refused_in_plain_words(tmp_path, capsys):
    (tmp_path / "mine.npz").write_text("no model")
    words = ["--shape-model", str(tmp_path / "mine.npz"), "--output", str(tmp_path / "result")]
    assert main([*given_arguments(), *words]) == 3
    said = capsys.readouterr().err
    assert "mine.npz: not a shape model" in said and "pickle" not in said


def test_levels_are_not_renamed_by_more_than_two(tmp_path, capsys):
    assert main([*given_arguments(), "--shift-levels", "3", "--output", str(tmp_path / "result")]) == 2
    assert "--shift-levels" in capsys.readouterr().err
