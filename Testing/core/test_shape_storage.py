"""Shape model files: what is written comes back, what is damaged is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.errors import ShapeModelError
from LumbarBiplanarLib.resources import resource_path
from LumbarBiplanarLib.shape import load_shape_model, save_shape_model


@pytest.fixture(scope="module")
def small():
    return load_shape_model().truncated(4)


def test_a_saved_model_comes_back(small, tmp_path):
    path = tmp_path / "small.npz"
    save_shape_model(small, path)
    again = load_shape_model(path)
    assert again.levels == small.levels
    assert again.pca_count == small.pca_count
    assert again.provenance == small.provenance
    assert np.array_equal(again.faces, small.faces)
    assert np.array_equal(again.modes_mm, small.modes_mm)
    assert np.allclose(again.mean_points_mm, small.mean_points_mm, atol=1e-4)
    assert len(again.sha256) == 64


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ShapeModelError, match=r"nowhere\.npz"):
        load_shape_model(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "foreign.npz"
    path.write_bytes(content)
    with pytest.raises(ShapeModelError, match=r"foreign\.npz"):
        load_shape_model(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "cut.npz"
    whole = resource_path("ShapeModel", "lumbar.npz").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ShapeModelError, match=r"cut\.npz"):
        load_shape_model(path)


def test_a_damaged_file_is_refused(small, tmp_path):
    path = tmp_path / "damaged.npz"
    save_shape_model(small, path)
    whole = path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for start in rng.integers(200, len(whole) - 2000, 12):
        path.write_bytes(whole[:start] + bytes(4) + whole[start + 4 :])
        try:
            load_shape_model(path)
        except ShapeModelError as error:
            assert "damaged.npz" in str(error)
            refused += 1
    assert refused >= 10


def test_another_version_is_refused(small, tmp_path):
    path = tmp_path / "future.npz"
    save_shape_model(small, path)
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(str(arrays["header"]))
    arrays["header"] = np.array(json.dumps({**header, "version": 99}))
    np.savez(path, **arrays)
    with pytest.raises(ShapeModelError, match="version 99"):
        load_shape_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: {"modes_mm": np.full_like(m.modes_mm, np.nan)}, "not finite"),
        (lambda m: {"faces": m.faces[:-1]}, "not closed"),
        (lambda m: {"landmark_vertices": m.landmark_vertices + m.vertex_count}, "index"),
        (lambda m: {"region_labels": m.region_labels[:-1]}, "labels"),
        (lambda m: {"log_scale_sd": -1.0}, "scale"),
    ],
)
def test_inconsistent_content_is_refused(small, tmp_path, change, message):
    path = tmp_path / "damaged.npz"
    save_shape_model(replace(small, **change(small)), path)
    with pytest.raises(ShapeModelError, match=message):
        load_shape_model(path)
