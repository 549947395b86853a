"""The report: one file that needs no other, tells everything once, and lets no text of the user's into the HTML."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from LumbarBiplanarLib import __version__
from LumbarBiplanarLib.anatomy import FilmLandmarks, Level
from LumbarBiplanarLib.errors import OutputError
from LumbarBiplanarLib.files import sha256_of
from LumbarBiplanarLib.measurement import spread_text, value_text
from LumbarBiplanarLib.measurement.sources import source_of
from LumbarBiplanarLib.registration import Quality
from LumbarBiplanarLib.study.pictures import PICTURES
from LumbarBiplanarLib.study.report import report_html, write_report
from LumbarBiplanarLib.study.report_tables import groups, pivot
from LumbarBiplanarLib.study.results import record
from study_sample import sample, sample_result

VOID = {"meta", "img", "br"}


class Outline(HTMLParser):
    """Checks that tags nest, and gathers tables, text and addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.tables, self.words, self.addresses = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words.append(data)
        if self.open[-1:] in (["td"], ["th"]):
            self.tables[-1][-1][-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(sample_result(), path)  # draws its pictures itself
    return path


@pytest.fixture(scope="module")
def outline(path):
    return read(path.read_text(encoding="utf-8"))


def read(html):
    found = Outline()
    found.feed(html)
    assert found.open == []
    return found


def plain(result, **given):
    """The report without its pictures, which take long to draw."""
    return read(report_html(result, dict.fromkeys(PICTURES, b""), **given))


def test_the_file_needs_no_other_file_and_no_network(path, outline):
    html = path.read_text(encoding="utf-8")
    assert len(outline.addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in outline.addresses)
    assert "http" not in re.sub(r"base64,[^\"]+", "", html)
    assert "<script" not in html and "@import" not in html and "url(" not in html


def test_the_pictures_are_those_of_the_films_and_the_spine(outline):
    from PIL import Image

    for address in outline.addresses:
        image = Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))
        assert min(image.size) > 800
        assert np.asarray(image.convert("L")).std() > 20


def test_films_are_named_with_their_hashes_and_numbers(outline):
    for name in ("ap.png", "lateral.png"):
        assert name in outline.text
        assert sha256_of(sample(name)) in outline.text
    assert "80 landmarks given" in outline.text
    view = sample_result().case.pair.ap
    assert f"{view.size_px[0]} x {view.size_px[1]} pixels" in outline.text
    assert f"{view.focal_mm:.1f} mm" in outline.text
    assert "standard pair" in outline.text


def test_every_measurement_is_in_a_table_with_its_value(outline):
    cells = {tuple(row[:1]): row for table in outline.tables for row in table}
    for group in groups(sample_result().measurements):
        for first, row in pivot(group):
            if not group.levels:
                continue
            unit = {"deg": " (°)", "mm": " (mm)", "%": " (%)", "grade": ""}[first.unit]
            line = cells[(first.title + unit,)]
            for level, cell in zip(group.levels, line[1:]):
                if first.unit == "grade":
                    assert cell == row[level].note, (first.title, level)
                else:  # the value, then how sure it is
                    assert cell.split(" ")[0] == value_text(row[level]), (first.title, level)
    lordosis = sample_result().measurements.find("lordosis_l1_l5")
    line = cells[("Lordosis L1-L5",)]
    assert line[1:3] == ["L1-L5", f"{value_text(lordosis)} {spread_text(lordosis)}°"]
    cobb = sample_result().measurements.find("coronal_cobb")
    assert cobb.note in cells[("Coronal Cobb angle",)]


def test_what_the_corners_of_a_wedge_say_is_told(outline):
    noted = [item for item in sample_result().measurements if item.key == "wedge_sagittal" and item.note]
    assert [item.level for item in noted] == ["L2"]
    assert f"L2, sagittal wedge: {noted[0].note}." in outline.text


def test_every_group_of_measurements_holds_each_once():
    found = sample_result().measurements
    grouped = [item for group in groups(found) for item in group.items]
    assert len(grouped) == len(found)
    assert {id(item) for item in grouped} == {id(item) for item in found}
    assert [group.title for group in groups(found)] == ["Alignment", "Segments", "Vertebrae"]
    assert groups(found)[1].levels == ("L1-L2", "L2-L3", "L3-L4", "L4-L5")


def test_residuals_definitions_and_provenance_are_told(outline):
    found = sample_result().reconstruction
    for name, value in found.landmark_residual_mm.items():
        assert f"{value:.1f} mm" in outline.text, name
    for item in sample_result().measurements:
        assert item.definition in outline.text
    assert "Stokes" in outline.text and "Meyerding" in outline.text
    assert __version__ in outline.text
    assert found.model_sha256 in outline.text
    assert "cpu" in outline.text


def test_the_fit_of_each_level_is_that_of_the_record(outline):
    levels = record(sample_result(), {})["levels"]
    lines = {row[0]: row for table in outline.tables for row in table if row[0] in levels}
    for level, stated in levels.items():
        for cell, film in zip(lines[level][1:3], ("AP", "lateral")):
            assert cell == f"{stated['landmark_residual_mm'][film]:.1f}"


def test_the_disclaimer_stands_at_the_top_and_at_the_end(outline):
    said = [part.strip() for part in outline.words if part.strip()]
    assert "Research software, not for clinical use." in said[:5]
    assert "Research software, not for clinical use." in said[-1]


def test_warnings_come_before_everything_else_and_their_absence_is_said(outline):
    assert "no warnings" in outline.text
    doubtful = plain(replace(sample_result(), warnings=("L5 is unusual.", "AP film: unsure.")))
    assert doubtful.text.index("L5 is unusual.") < doubtful.text.index("Measurements")
    assert "no warnings" not in doubtful.text


def test_a_doubtful_level_is_named_first_and_in_the_table_of_the_fit():
    quality = {level: Quality("ok", (), 0.004) for level in sample_result().reconstruction.levels}
    quality[Level.L4] = Quality("refuse", ("Its landmarks are off. Look at it.",), 0.97)
    doubtful = plain(replace(sample_result(), warnings=(), quality=quality))
    assert "L4: do not use (97 % likely to be more than 2 mm off). Its landmarks are off." in doubtful.text
    assert doubtful.text.index("L4: do not use") < doubtful.text.index("Measurements")
    lines = {row[0]: row for table in doubtful.tables for row in table if row[0] in ("L3", "L4")}
    assert "how likely the surface is more than 2 mm off on average" in doubtful.text
    assert lines["L4"][-1] == "refuse (97 %)" and lines["L3"][-1] == "ok (under 2 %)"


def test_values_that_rest_on_a_doubtful_level_are_marked_and_the_marks_explained():
    quality = {level: Quality("ok", (), 0.004) for level in sample_result().reconstruction.levels}
    fine = plain(replace(sample_result(), quality=quality))
    assert "(!)" not in fine.text and "(?)" not in fine.text
    quality |= {Level.L4: Quality("refuse", ("Why.",), 0.97), Level.L5: Quality("check", ("Why.",), 0.3)}
    doubtful = plain(replace(sample_result(), quality=quality))
    lines = {row[0]: row for table in doubtful.tables for row in table}
    assert [cell[-3:] for cell in lines["Slip (mm)"][3:]] == ["(!)", "(!)"]
    assert not any("(" in cell for cell in lines["Slip (mm)"][1:3])
    assert [cell[-3:] for cell in lines["Meyerding grade"][3:]] == ["(!)", "(!)"]
    assert lines["Lordosis L1-L5"][2].endswith("° (?)")
    rotation = lines["Axial rotation (°)"]
    assert rotation[4].endswith("(!)") and rotation[5].endswith("(?)") and "(" not in rotation[3]
    assert "(!) marks one that rests on a refused vertebra: do not use it." in doubtful.text


def test_the_report_says_that_the_lumbosacral_segment_is_not_assessed(outline):
    assert outline.text.index("Measurements") < outline.text.index("L5-S1 is not reconstructed")


def test_text_of_the_user_stays_text():
    nasty = "<script>alert('x')</script> & \"quoted\""
    found = plain(replace(sample_result(), warnings=(nasty,)), patient=nasty)
    assert found.text.count(nasty) == 3  # title, heading line, warning
    assert unescape("&lt;") in found.text


def test_no_name_of_a_patient_unless_given(outline):
    assert "Patient 7" not in outline.text
    assert "Patient 7" in plain(sample_result(), patient="Patient 7").text


def test_corrected_landmarks_are_counted():
    result = sample_result()
    film = result.evidence[0]
    (level, name), item = next(iter(film.landmarks.visible().items()))
    moved = FilmLandmarks(film.landmarks.values()).moved(level, name, item.position_px)
    changed = replace(result, evidence=(replace(film, landmarks=moved), result.evidence[1]))
    assert "1 of them set by a person" in plain(changed).text


def test_a_level_that_is_missing_leaves_a_dash_and_no_gap():
    found = sample_result().measurements
    fewer = replace(found, items=tuple(item for item in found if item.key != "slip" or item.level != "L2-L3"))
    table = next(t for t in plain(replace(sample_result(), measurements=fewer)).tables if t[0][1:2] == ["L1-L2"])
    (line,) = [row for row in table if row[0] == "Slip (mm)"]
    assert line[2] == "–" and len(line) == 5


def test_a_report_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in PICTURES:
        (pictures / name).write_bytes(b"")
    with pytest.raises(OutputError):
        write_report(sample_result(), tmp_path / "absent" / "report.html", pictures=pictures)
    assert list(tmp_path.iterdir()) == [pictures]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("slip_percent", "McCarty"),
        ("slip", "Wall"),
        ("disc_height_fyllos", "Thieme"),
        ("lordosis_l1_l5_3d", "Cobb"),
        ("endplate_depth_superior", ""),
        ("lateral_listhesis", ""),
    ],
)
def test_sources_fit_the_longest_beginning_of_a_key(key, words):
    assert words in source_of(key)
    assert bool(words) == bool(source_of(key))


def test_pictures_and_report_need_nothing_that_slicer_lacks():
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'jinja2', 'rich'):\n"
        "    sys.modules[name] = None\n"  # as if not installed
        "import numpy as np\n"
        "from LumbarBiplanarLib.study.canvas import Canvas\n"
        "import LumbarBiplanarLib.study.report, LumbarBiplanarLib.study.overlay\n"
        "canvas = Canvas((60, 40), (0, 0, 0))\n"
        "canvas.text((5, 20), 'L3', 20, (1, 1, 1), bold=True, box=(0.5, 0, 0))\n"
        "assert canvas.pixels().max() > 200\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
