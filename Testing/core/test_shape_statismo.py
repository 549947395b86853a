"""Shape models of statismo and scalismo."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.errors import ShapeModelError
from LumbarBiplanarLib.shape.own_people import _MESH_NAME
from LumbarBiplanarLib.shape.statismo import read_statismo, write_shapes
from LumbarBiplanarLib.shape.surfaces import read_surface

h5py = pytest.importorskip("h5py")

MEAN = np.array([[0.0, 0, 0], [40, 0, 0], [0, 40, 0], [0, 0, 40]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
BASIS = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 2)))[0]
VARIANCE = np.array([9.0, 4.0])


def write(path, *, minor=9, basis=BASIS, **change):
    with h5py.File(path, "w") as file:
        file["model/mean"] = change.get("mean", MEAN.ravel())
        file["model/pcaBasis"] = basis
        file["model/pcaVariance"] = VARIANCE
        file["model/noiseVariance"] = np.array([0.25])
        file["representer/cells"] = change.get("faces", FACES).T
        file["representer/points"] = MEAN.T
        file["representer"].attrs["datasetType"] = change.get("kind", "POLYGON_MESH")
        file["version/majorVersion"], file["version/minorVersion"] = np.array([0]), np.array([minor])
    return path


def test_modes_and_variances_are_read_and_turned_into_ras(tmp_path):
    model = read_statismo(write(tmp_path / "a.h5"))
    assert np.allclose(model.mean_points_mm, MEAN * [-1, -1, 1])
    assert np.allclose(model.variances_mm2, VARIANCE)
    assert model.noise_variance_mm2 == 0.25
    moved = model.instance(np.array([0.0, 2.0])).points_ras_mm - model.mean_points_mm
    assert np.allclose(moved, 2.0 * 2.0 * BASIS[:, 1].reshape(4, 3) * [-1, -1, 1])
    with pytest.raises(ShapeModelError, match="2 modes"):
        model.instance(np.zeros(3))


def test_the_scaled_basis_of_old_files_gives_the_same_model(tmp_path):
    new = read_statismo(write(tmp_path / "new.h5"))
    old = read_statismo(write(tmp_path / "old.h5", minor=8, basis=BASIS * np.sqrt(VARIANCE)))
    assert np.allclose(new.modes_mm, old.modes_mm)


def test_unit_and_frame_are_the_callers_to_say(tmp_path):
    path = write(tmp_path / "a.h5")
    metres = read_statismo(path, lps=False, unit_mm=1000.0)
    assert np.allclose(metres.mean_points_mm, 1000.0 * MEAN)
    assert metres.noise_variance_mm2 == pytest.approx(0.25e6)
    with pytest.raises(ShapeModelError, match="positive"):
        read_statismo(path, unit_mm=0.0)


def test_the_posterior_follows_what_was_seen(tmp_path):
    model = read_statismo(write(tmp_path / "a.h5"))
    wanted = np.array([1.0, -0.5])
    points = model.instance(wanted).points_ras_mm
    blurred = model.posterior(np.arange(4), points, 0.001)
    # The model's own noise, 0.5 mm, stays: each mode shrinks by variance / (variance + noise).
    assert np.allclose(blurred.mean, wanted * VARIANCE / (VARIANCE + 0.25 + 1e-6))
    with pytest.raises(ShapeModelError, match="sigma"):
        model.posterior(np.arange(4), points, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros(13)}, "3 per point"),
        ({"faces": FACES + 1}, "beyond"),
        ({"kind": "VOLUME"}, "VOLUME"),
        ({"basis": BASIS[:6]}, "basis"),
    ],
)
def test_inconsistent_files_are_refused_by_name(tmp_path, change, message):
    path = write(tmp_path / "bad.h5", **change)
    with pytest.raises(ShapeModelError, match=message) as error:
        read_statismo(path)
    assert "bad.h5" in str(error.value)


def test_foreign_and_missing_files_and_a_missing_package_are_told(tmp_path, monkeypatch):
    foreign = tmp_path / "foreign.h5"
    foreign.write_text("no model")
    with pytest.raises(ShapeModelError, match="not a shape model"):
        read_statismo(foreign)
    with pytest.raises(ShapeModelError, match="no such"):
        read_statismo(tmp_path / "absent.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ShapeModelError, match=r"with pip install h5py\."):
        read_statismo(foreign)


def test_drawn_shapes_are_named_as_people_of_a_level(tmp_path):
    model = read_statismo(write(tmp_path / "a.h5"))
    written = write_shapes(model, tmp_path, "spine", modes=1, samples=2, level=Level.L3, seed=4)
    names = [path.name for path in written]
    assert names == ["mean.vtp", "mode_01_minus.vtp", "mode_01_plus.vtp", "spine-01_L3.vtp", "spine-02_L3.vtp"]
    assert _MESH_NAME.fullmatch(written[-1].stem)["person"] == "spine-02"
    middle = 0.5 * (read_surface(written[1]).points_ras_mm + read_surface(written[2]).points_ras_mm)
    assert np.allclose(middle, model.mean_points_mm, atol=1e-4)
    with pytest.raises(ShapeModelError, match="--level"):
        write_shapes(model, tmp_path, "spine", samples=1)


def test_the_command_imports_the_model_of_the_sacrum(shared_data, tmp_path, capsys):
    path = shared_data / "sacra-40" / "Sacrum.h5"
    assert main(["shape-model", "import", str(path), "--output", str(tmp_path / "out"), "--modes", "2"]) == 0
    said = capsys.readouterr()
    assert "5000 points, 39 modes" in said.out
    assert "Sacrum.h5 is 2.88 mm long: give the length of its unit with --unit-mm" in said.err
    assert len(list((tmp_path / "out").glob("*.vtp"))) == 5
    sized = ["--unit-mm", "40", "--modes", "99"]
    assert main(["shape-model", "import", str(path), "--output", str(tmp_path / "all"), *sized]) == 0
    said = capsys.readouterr()
    assert "the first 39 hold 100 %" in said.out and said.err == ""
    with h5py.File(path) as file:
        variance = np.asarray(file["model/pcaVariance"], dtype=float)
    assert np.allclose(read_statismo(path).variances_mm2, variance, rtol=1e-4)
