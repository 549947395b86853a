"""Makes the pictures of docs/tutorial.md, docs/panel.md and of the catalogue of extensions, with the real panel.

    python Testing/pictures.py [docs/images [Resources/Screenshots]]

A real run of the sample study in the headless Slicer, with the network and the registration that users have; it takes
one to five minutes.
report.png needs the packages weasyprint and pymupdf and is left out without them.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("films", "detect", "correct", "reconstruct", "results")
WINDOW = (1340, 640)
MOST_BYTES = 400_000
# Pictures of the catalogue that are also pictures of the tutorial.
CATALOGUE = {"window_detected.png": "panel_detected.png", "window_measurement.png": "panel_measurement.png"}


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("catalogue", nargs="?", type=Path, default=ROOT / "Resources" / "Screenshots")
    given = parser.parse_args()
    for folder in (given.folder, given.catalogue):
        folder.mkdir(parents=True, exist_ok=True)
    sys.path[:0] = [str(ROOT / "LumbarBiplanar"), str(ROOT / "Testing" / "headless")]
    from headless_slicer import start

    Tour(start(), given.folder, given.catalogue).run()


class Tour:
    """The tutorial's steps, with a picture of each."""

    def __init__(self, app, folder: Path, catalogue: Path):
        self.app, self.folder, self.catalogue = app, folder, catalogue
        self.panel = app.open_module().panel
        self.ui = self.panel.ui
        view = app.view("3D").node
        view.SetBoxVisible(False)  # the headless view draws it in another place than Slicer does
        view.SetAxisLabelsVisible(False)
        app.process_events()

    def run(self) -> None:
        """Go through the steps in order."""
        self.only("films")
        self.window("empty")
        self.app.click(self.ui.sampleStudyButton)
        self.window("films")
        self.detect()
        self.correct()
        self.reconstruct()
        self.measure()
        self.sections()
        self.report()
        self.catalogue_pictures()
        errors = [message.text for message in self.app.messages] + list(map(repr, self.app.python_errors))
        assert not errors, errors

    def detect(self) -> None:
        """Find the landmarks and show the lumbar-only image."""
        self.only("detect")
        self.app.click(self.ui.detectButton)
        self.wait()
        self.ui.showLumbarImageCheckBox.setChecked(True)
        self.app.process_events()
        self.window("detected")
        self.ui.showLumbarImageCheckBox.setChecked(False)

    def correct(self) -> None:
        """Move a landmark in the AP film, with its line in the lateral one."""
        from LumbarBiplanarLib.anatomy import Level
        from LumbarBiplanarLib.mrml.landmarks import index_of

        self.only("correct")
        node = self.panel.logic.landmarkNode("AP")
        index = index_of(Level.L4, "pedicle_left")
        at = tuple(node.GetNthControlPointPositionWorld(index))
        to = (at[0] - 5.0, at[1], at[2] + 4.0)
        moves = []

        def between():
            moves.append(1)
            self.app.process_events()
            if len(moves) == 5:
                self.window("epipolar")

        self.app.drag("AP", at, to, steps=5, between=between)
        self.app.click(self.ui.undoLandmarkButton)
        self.ui.showEpipolarCheckBox.setChecked(False)

    def reconstruct(self) -> None:
        """Reconstruct; a picture while the outlines are still off the bones."""
        self.only("reconstruct")
        self.app.click(self.ui.reconstructButton)
        self.app.process_events(until=self._is_under_way, timeout_s=600)
        self.window("running")
        self.wait()
        self.window("done")

    def _is_under_way(self) -> bool:
        state = self.panel.logic.presentState()
        return state is not None and state.stage == "landmarks" and state.iteration >= 1

    def measure(self) -> None:
        """Choose a measurement, with a look from the front and the side."""
        import numpy as np

        self.only("results")
        points = np.concatenate(list(self.panel.logic.result().reconstruction.points_ras_mm.values()))
        middle = points.mean(axis=0)
        self.app.view("3D").look(middle + np.array([-420.0, 420.0, 70.0]), middle)
        table = self.ui.measurementTable
        rows = [row for row in range(table.rowCount) if table.item(row, 0).text() == "Disc height (Fyllos)"]
        table.selectRow(rows[2])
        self.app.process_events()
        self.window("measurement", show=table)

    def sections(self) -> None:
        """One picture of each section."""
        for name in SECTIONS:
            self.only(name)
            path = self.folder / f"panel_{name}.png"
            self.app.grab_panel(path)
            shrink(path)

    def report(self) -> None:
        """The first page of the report."""
        if any(importlib.util.find_spec(name) is None for name in ("weasyprint", "pymupdf")):
            print("report.png is left out: weasyprint and pymupdf are not installed.")
            return
        import pymupdf
        import weasyprint

        with tempfile.TemporaryDirectory() as temporary:
            self.panel.logic.exportReport(Path(temporary) / "report.html")
            sheets = weasyprint.HTML(Path(temporary) / "report.html").write_pdf()
        path = self.folder / "report.png"
        pymupdf.open(stream=sheets, filetype="pdf")[0].get_pixmap(dpi=90).save(path)
        shrink(path)

    def catalogue_pictures(self) -> None:
        """What the catalogue of extensions shows: two of the windows, and the spine from three sides."""
        from LumbarBiplanarLib.study.pictures import surfaces_of
        from LumbarBiplanarLib.study.spine_picture import write_spine_picture

        for source, name in CATALOGUE.items():
            shutil.copyfile(self.folder / source, self.catalogue / name)
        surfaces = surfaces_of(self.panel.logic.result())
        path = self.catalogue / "spine_3d.png"
        write_spine_picture(path, surfaces, "Lumbar spine reconstructed from two films")
        shrink(path)

    def only(self, name: str) -> None:
        """Open one section and close the others."""
        for other in (*SECTIONS, "advanced"):
            getattr(self.ui, f"{other}Section").collapsed = other != name
        self.app.process_events()

    def wait(self) -> None:
        """Wait until nothing runs."""
        self.app.process_events(until=lambda: not self.panel.runner.running, timeout_s=900)
        self.app.process_events()

    def window(self, name: str, show=None) -> None:
        """Take a picture of the whole window."""
        path = self.folder / f"window_{name}.png"
        self.app.grab(path, WINDOW, show=show)
        shrink(path)
        print(path.name, flush=True)


def shrink(path: Path) -> None:
    """Bring a picture below ``MOST_BYTES`` by making it smaller; a palette would lose the colors of small things."""
    from PIL import Image

    whole = Image.open(path).convert("RGB")
    for scale in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):
        size = (round(whole.width * scale), round(whole.height * scale))
        whole.resize(size, Image.Resampling.LANCZOS).save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return
    raise RuntimeError(f"{path} cannot be made smaller than {MOST_BYTES} bytes.")


if __name__ == "__main__":
    main()
