"""What a user does with the panel, for the tests of whole workflows."""

from __future__ import annotations

import numpy as np

import known_network
from LumbarBiplanarLib.anatomy import Level


def use_known_network(panel, monkeypatch, iterations: int = 1) -> None:
    """Let detection find the truth at once and registration stop early: these tests are about the panel."""
    panel.logic.detector = known_network.detect
    known_network.quicken(monkeypatch, iterations)


def load_sample_study(app, panel) -> None:
    """Press Sample study."""
    app.click(panel.ui.sampleStudyButton)
    assert panel.parameters.apFilm is not None and panel.parameters.lateralFilm is not None


def running(panel) -> bool:
    """Return whether something runs."""
    return panel.runner.running


def wait_until_done(app, panel, timeout_s: float = 300.0) -> None:
    """Let the run come to its end, and the panel take notice."""
    app.process_events(until=lambda: not running(panel), timeout_s=timeout_s)
    for _ in range(3):
        app.process_events()


def wait_for_refit(app, panel) -> None:
    """Wait for the refit that a moved landmark brings about, and for its end."""
    app.process_events(until=lambda: running(panel), timeout_s=10)
    wait_until_done(app, panel)


def run_all(app, panel, timeout_s: float = 300.0) -> None:
    """Press Run all steps and wait for the end."""
    app.click(panel.ui.runAllButton)
    wait_until_done(app, panel, timeout_s)


def start_and_go_into_registration(app, panel) -> None:
    """Press Run all steps and go on until the registration has shown its first outlines."""
    app.click(panel.ui.runAllButton)

    def outlines_are_there() -> bool:
        return "Cancel" in panel.ui.runAllButton.text and bool(nodes(app.scene, "silhouette"))

    app.process_events(until=lambda: not running(panel) or outlines_are_there(), timeout_s=300)
    assert running(panel), panel.ui.statusLabel.text


def nodes(scene, role: str) -> list:
    """Return the scene's nodes with that role."""
    every = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
    return [node for node in every if node.GetAttribute("LumbarBiplanar.Role") == role]


def vertebra_points(scene) -> dict[Level, np.ndarray]:
    """Return the vertices (n, 3) in RAS mm of each vertebra model in the scene."""
    import slicer.util

    return {
        Level[node.GetAttribute("LumbarBiplanar.Level")]: np.array(slicer.util.arrayFromModelPoints(node))
        for node in nodes(scene, "vertebra")
    }


def table_texts(table) -> list[list[str]]:
    """Return the texts of a QTableWidget, row by row."""

    def text(row, column):
        item = table.item(row, column)
        return item.text() if item is not None else ""

    return [[text(row, column) for column in range(table.columnCount)] for row in range(table.rowCount)]
