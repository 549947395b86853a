"""What is given and what comes out: missing parts are absent, impossible ones are errors."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import MeasurementError
from LumbarBiplanarLib.measurement import (
    COLUMNS,
    PatientFrame,
    Vertebra,
    measure,
    rows,
    vertebrae_from_reconstruction,
)
from measurement_phantom import RAS_FROM_SRS, Shape, phantom, rotation


def spine(**kwargs) -> list[Vertebra]:
    return [
        phantom(level, turned=rotation(-16 + 8 * i), at=(0, 0, -38.0 * i), **kwargs)
        for i, level in enumerate(LUMBAR_LEVELS)
    ]


def test_all_quantities_of_a_whole_spine_are_there_once_and_finite():
    found = measure(spine())
    names = [(item.key, item.level) for item in found]
    assert len(names) == len(set(names))
    assert {item.key for item in found} == {
        *(f"lordosis_l1_l5{end}" for end in ("", "_3d", "_superior", "_superior_3d")),
        *("segmental_cobb", "segmental_cobb_3d", "disc_angle", "disc_angle_3d", "coronal_cobb"),
        *("axial_rotation", "intervertebral_axial_rotation", "slip", "slip_percent", "meyerding_grade"),
        *("lateral_listhesis", "lateral_listhesis_centres", "wedge_sagittal", "wedge_coronal"),
        *(f"disc_height_{variant}" for variant in ("anterior", "posterior", "dabbs", "hurxthal", "fyllos")),
        *(f"body_height_{where}" for where in ("anterior", "middle", "posterior")),
        *(f"endplate_{what}_{side}" for what in ("depth", "width") for side in ("superior", "inferior")),
    }
    assert all(np.isfinite(item.value) and item.definition and item.title and item.unit for item in found)


def test_a_missing_level_takes_its_quantities_with_it():
    found = measure([v for v in spine() if v.level is not Level.L3])
    assert {item.level for item in found if item.key == "disc_height_dabbs"} == {"L1-L2", "L4-L5"}
    assert {item.level for item in found if item.key == "slip"} == {"L1-L2", "L4-L5"}
    assert found.find("lordosis_l1_l5") is not None


@pytest.mark.parametrize("level", [Level.L1, Level.L5])
def test_lordosis_needs_both_its_ends(level: Level):
    found = measure([v for v in spine() if v.level is not level])
    assert not [item for item in found if item.key.startswith("lordosis")]


def test_a_single_vertebra_gives_its_own_quantities_only():
    found = measure([phantom(Level.L4)])
    assert {item.level for item in found} == {"L4"}
    assert found.find("coronal_cobb") is None


def test_without_pedicles_there_is_no_frame_but_endplates_and_discs_are_measured():
    found = measure(spine(without=("pedicle_left",)))
    for key in ("axial_rotation", "wedge_sagittal", "body_height_anterior", "lateral_listhesis_centres"):
        assert found.find(key) is None
    for key in ("lordosis_l1_l5", "disc_height_fyllos", "slip", "endplate_width_superior", "lateral_listhesis"):
        assert found.find(key) is not None


def test_without_a_rim_landmark_slip_and_disc_height_are_absent_and_angles_are_not():
    found = measure(spine(without=("superior_endplate_posterior",)))
    assert found.find("slip") is None
    assert found.find("disc_height_dabbs") is None
    assert found.find("endplate_depth_superior") is None
    assert found.find("segmental_cobb", "L2-L3") is not None


def test_the_order_of_the_vertebrae_does_not_matter():
    forward, backward = measure(spine()), measure(spine()[::-1])
    assert [(i.key, i.level, i.value) for i in forward] == [(i.key, i.level, i.value) for i in backward]


def _nan_points() -> list[Vertebra]:
    good = phantom(Level.L2)
    points = good.points_ras_mm.copy()
    points[5, 1] = np.nan
    return [replace(good, points_ras_mm=points)]


def _line() -> list[Vertebra]:
    good = phantom(Level.L2)
    points = good.points_ras_mm.copy()
    points[good.superior_endplate] = np.linspace([0, 0, 14], [30, 0, 14], len(good.superior_endplate))
    return [replace(good, points_ras_mm=points)]


def _marks(level: Level = Level.L2, **moved: np.ndarray) -> list[Vertebra]:
    good = phantom(level)
    return [replace(good, landmarks={**good.landmarks, **moved})]


def _mirrored() -> list[Vertebra]:
    good = phantom(Level.L2)
    flip = np.array([-1.0, 1, 1])
    marks = {name: p * flip for name, p in good.landmarks.items()}
    return [replace(good, points_ras_mm=good.points_ras_mm * flip, landmarks=marks)]


BAD = {
    "no vertebra": (list, "no vertebra"),
    "twice": (lambda: [phantom(Level.L2), phantom(Level.L2)], "L2 is given twice"),
    "nan points": (_nan_points, "L2: 1 of .* not finite"),
    "line": (_line, "L2 superior endplate.*line"),
    "two vertices": (lambda: [replace(phantom(Level.L2), superior_endplate=np.array([0, 1]))], "L2 superior endplate"),
    "index": (lambda: [replace(phantom(Level.L2), inferior_endplate=np.array([0, 99999]))], "inferior endplate index"),
    "regions": (
        lambda: [replace(phantom(Level.L2), region_labels=np.zeros(7, dtype=np.uint8))],
        "L2: 7 region labels",
    ),
    "face": (lambda: [replace(phantom(Level.L2), faces=np.array([[0, 1, -1]]))], "triangle index"),
    "shape": (lambda: [replace(phantom(Level.L2), points_ras_mm=np.zeros((9, 2)))], r"\(9, 2\)"),
    "nan landmark": (lambda: _marks(pedicle_left=np.array([np.inf, 0, 0])), "pedicle_left"),
    "pedicles in one spot": (
        lambda: _marks(pedicle_left=np.zeros(3), pedicle_right=np.array([0, 0, 0.3])),
        "pedicle landmarks",
    ),
    "rim in one spot": (
        lambda: _marks(superior_endplate_anterior=phantom(Level.L2).landmarks["superior_endplate_posterior"]),
        "0.00 mm apart",
    ),
    "mirrored": (_mirrored, "left and right"),
    "order": (lambda: [phantom(Level.L1), phantom(Level.L2, at=(0, 0, 38))], "L1 lies below L2"),
    "order of a lordotic spine": (
        lambda: [replace(v, level=level) for v, level in zip(spine(), LUMBAR_LEVELS[::-1], strict=True)],
        "L1 lies below L2",
    ),
    "lps": (
        lambda: [
            replace(
                v,
                points_ras_mm=v.points_ras_mm * [-1, -1, 1],
                landmarks={name: p * [-1, -1, 1] for name, p in v.landmarks.items()},
            )
            for v in spine()
        ],
        "LPS",
    ),
    "endplates exchanged": (
        lambda: [
            replace(v, superior_endplate=v.inferior_endplate, inferior_endplate=v.superior_endplate)
            for v in [phantom(Level.L3)]
        ],
        "endplates exchanged",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_degenerate_input_is_an_error_that_names_the_vertebra(case: str):
    make, message = BAD[case]
    with pytest.raises(MeasurementError, match=message):
        measure(make())


@pytest.mark.parametrize("axes", [((0, 0, 1), (0, 0, 2)), ((0, 0, 0), (0, 0, 1)), ((np.nan, 1, 0), (0, 0, 1))])
def test_a_patient_frame_of_parallel_axes_is_an_error(axes: tuple):
    with pytest.raises(MeasurementError, match="different"):
        PatientFrame.from_axes(*map(np.array, axes), "bad")


def test_the_patient_frame_is_right_handed_and_the_default_is_ras():
    world = PatientFrame.world()
    assert np.array_equal(np.stack([world.forward, world.left, world.up], axis=1), RAS_FROM_SRS)
    frame = PatientFrame.from_axes(np.array([0.1, 1.0, 0.3]), np.array([0.0, 0.2, 1.0]), "tilted")
    axes = np.stack([frame.forward, frame.left, frame.up])
    assert np.allclose(axes @ axes.T, np.eye(3))
    assert np.linalg.det(axes) == pytest.approx(1)


def test_rows_are_a_csv_table_that_states_the_frame():
    found = measure(spine())
    table = rows(found)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(table)
    read = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert len(read) == len(found)
    lordosis = next(row for row in read if row["key"] == "lordosis_l1_l5")
    assert float(lordosis["value"]) == pytest.approx(32, abs=0.2)
    assert (lordosis["level"], lordosis["unit"]) == ("L1-L5", "deg")
    assert "world RAS" in lordosis["definition"]
    cobb = next(row for row in read if row["key"] == "coronal_cobb")
    assert cobb["title"] == "Coronal Cobb angle: the curve may go on above L1"


def test_the_table_has_one_line_per_quantity_and_names_the_frame():
    found = measure(spine())
    lines = found.table().splitlines()
    assert len(lines) == len(found) + 2
    assert any(line.startswith("L1-L5") and "Lordosis L1-L5" in line and "32.0" in line for line in lines)
    assert "world RAS" in lines[-1]


def test_the_table_marks_what_rests_on_doubtful_vertebrae():
    found = replace(measure(spine()), flags={Level.L1: "ok", Level.L2: "check", Level.L3: "refuse"})
    lines = found.table().splitlines()

    def line(level: str, title: str) -> str:
        return next(text for text in lines if text.split()[0] == level and title in text)

    assert line("L1", "Anterior body height").endswith("mm")
    assert line("L1-L2", "Anterior disc height").endswith("mm (?)")
    assert line("L2-L3", "Anterior disc height").endswith("mm (!)")
    assert line("L4", "Anterior body height").endswith("mm")
    assert "do not use it" in lines[-2] and "world RAS" in lines[-1]
    stated = {(item["key"], "-".join(item["levels"])): item["quality"] for item in found.to_dict()["measurements"]}
    assert [stated["slip", level] for level in ("L1-L2", "L2-L3", "L4-L5")] == ["check", "refuse", ""]


def test_measurements_go_into_json_with_the_place_they_were_taken():
    found = measure(spine())
    data = json.loads(json.dumps(found.to_dict()))
    assert len(data["measurements"]) == len(found)
    slip = next(item for item in data["measurements"] if item["key"] == "slip" and item["levels"] == ["L4", "L5"])
    assert len(slip["geometry"]["points_ras_mm"]["upper"]) == 3
    for item in found:
        assert item.geometry.points_ras_mm or item.geometry.planes
        for line in item.geometry.lines:
            assert set(line) <= set(item.geometry.points_ras_mm)


def test_the_drawn_points_are_those_of_the_value():
    found = measure(spine(shape=Shape(wedge_sagittal=5)))
    height = found.find("body_height_anterior", "L2")
    ends = height.geometry.points_ras_mm
    assert np.linalg.norm(ends["superior"] - ends["inferior"]) == pytest.approx(height.value, abs=0.05)


class _Model:
    """A shape model as the contract of the shape package has it, over the phantom's mesh."""

    def __init__(self) -> None:
        base = phantom(Level.L3)
        names = {
            name: int(np.argmin(np.linalg.norm(base.points_ras_mm - p, axis=1))) for name, p in base.landmarks.items()
        }
        self.vertices = [names.get(name, 0) for name in LANDMARK_NAMES]
        self.endplate_labels = np.zeros(len(base.points_ras_mm), dtype=np.uint8)
        self.endplate_labels[base.superior_endplate] = 1
        self.endplate_labels[base.inferior_endplate] = 2
        self.region_labels = np.zeros(len(base.points_ras_mm), dtype=np.uint8)

    def landmarks(self, points: np.ndarray) -> np.ndarray:
        return points[self.vertices]


def test_vertebrae_come_out_of_a_reconstruction_with_labels_and_landmarks():
    model, bodies = _Model(), spine()
    reconstruction = SimpleNamespace(
        levels=tuple(v.level for v in bodies[::-1]),
        faces=bodies[0].faces,
        points_ras_mm={v.level: v.points_ras_mm for v in bodies},
    )
    vertebrae = vertebrae_from_reconstruction(model, reconstruction)
    assert [v.level for v in vertebrae] == list(LUMBAR_LEVELS)
    assert set(vertebrae[0].landmarks) == set(LANDMARK_NAMES)
    for got, given in zip(vertebrae, bodies):
        assert np.array_equal(got.superior_endplate, given.superior_endplate)
        assert np.allclose(got.landmarks["superior_endplate_left"], given.landmarks["superior_endplate_left"])
    assert measure(vertebrae).find("lordosis_l1_l5").value == pytest.approx(32, abs=0.2)


def test_a_reconstruction_of_another_model_is_an_error():
    reconstruction = SimpleNamespace(
        levels=(Level.L1,), faces=np.array([[0, 1, 2]]), points_ras_mm={Level.L1: np.zeros((7, 3))}
    )
    with pytest.raises(MeasurementError, match="7 vertices"):
        vertebrae_from_reconstruction(_Model(), reconstruction)
