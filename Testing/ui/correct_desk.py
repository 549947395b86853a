"""The open module with the sample study and its landmarks, and what a person does with them; fixtures for the tests."""

from __future__ import annotations

import numpy as np
import pytest

LEVEL, LANDMARK, FILM, CONFIDENCE, RESIDUAL, STATE = range(6)


class Desk:
    """The open module with the sample study and its landmarks, and what a person does with them."""

    def __init__(self, app, widget, study):
        from LumbarBiplanarLib.mrml import landmarks

        self.app, self.widget, self.lists = app, widget, landmarks
        self.panel, self.logic, self.ui = widget.panel, widget.logic, widget.panel.ui
        self.logic.loadSampleStudy()
        self.logic.loadLandmarks(study / "truth" / "landmarks.json")
        self.given = {name: self.logic.landmarks(name) for name in ("AP", "lateral")}
        self.moved = []
        self.panel.landmark_moved = lambda *key: self.moved.append(key)
        app.process_events()

    def start_over(self):
        """Put everything back to where a fresh desk is."""
        parameters = self.panel.parameters
        parameters.lockLandmarks = parameters.showLandmarkLabels = False
        parameters.showEpipolarLine = True
        self.section._scene.cancel_placing()
        for name, landmarks in self.given.items():
            self.lists.write_landmarks_to_node(self.node(name), self.logic.filmNode(name), landmarks, False)
        self.section._scene.history.forget()
        self.section._scene.chosen = None
        self.filter()
        if self.section._table._column or self.section._table._descending:
            header = self.table._living().horizontalHeader()
            header.sectionClicked.emit(LANDMARK)
            header.sectionClicked.emit(LEVEL)
        self.section.refresh()
        self.app.process_events()
        self.moved.clear()

    @property
    def section(self):
        return next(item for item in self.panel.sections if type(item).__name__ == "CorrectSection")

    @property
    def table(self):
        return self.ui.landmarkTable

    def node(self, name):
        return self.logic.landmarkNode(name)

    def row(self, name, level, landmark):
        """Return the number of a landmark's row."""
        from LumbarBiplanarLib.anatomy import parse_level

        return self.section._table.keys.index((name, self.lists.index_of(parse_level(level), landmark)))

    def texts(self, row):
        return [self.table.item(row, column).text() for column in range(6)]

    def choose(self, name, level, landmark):
        row = self.row(name, level, landmark)
        self.table.setCurrentCell(row, LANDMARK)
        self.app.process_events()
        return row

    def filter(self, film=0, level=0, show=0):
        self.ui.landmarkFilmComboBox.setCurrentIndex(film)
        self.ui.landmarkLevelComboBox.setCurrentIndex(level)
        self.ui.landmarkShowComboBox.setCurrentIndex(show)
        self.app.process_events()

    def unchanged(self):
        return all(dict(self.logic.landmarks(name)) == dict(self.given[name]) for name in self.given)

    def loner(self, name):
        """Return a shown landmark that stands apart, so that the mouse takes hold of no other."""
        items = [item for item in self.given[name].visible().values()]
        pixels = np.array([item.position_px for item in items])
        gaps = np.linalg.norm(pixels[:, None] - pixels, axis=-1) + 1e9 * np.eye(len(pixels))
        return items[int(gaps.min(axis=1).argmax())]

    def drag(self, name, item, by_px, **how):
        view = self.lists.view_of_list(self.node(name))
        start = np.array(item.position_px)
        ends = view.detector_points_ras_mm(np.array([start, start + by_px]))
        self.app.drag(name, *ends, **how)
        return start + by_px

    def press_key(self, key):
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QApplication

        widget = self.table._living()
        window = widget.window()
        window.show()
        # Off screen, a window that was hidden once does not become active by itself again.
        QApplication.setActiveWindow(window)
        widget.setFocus()
        self.app.process_events()
        QTest.keySequence(widget, key)
        self.app.process_events()


@pytest.fixture(scope="module")
def laid_out(slicer_session, sample_study):
    """One open module for all tests of this file that leave scene and module as they are: opening it takes a second."""
    from headless_slicer import fixtures

    fixtures._reset(slicer_session)
    yield Desk(slicer_session, slicer_session.open_module(), sample_study)
    slicer_session.main_window.hide()
    fixtures._reset(slicer_session)


@pytest.fixture
def desk(laid_out):
    """The module with the sample study and its landmarks as they were given, nothing chosen, nothing locked."""
    laid_out.start_over()
    yield laid_out
    errors, left = list(laid_out.app.python_errors), laid_out.app.answers.left
    laid_out.app.reset_user()
    assert not errors, f"exceptions in slots or observers: {errors}"
    assert not left, f"{left} prepared answers were not asked for"


@pytest.fixture
def own_desk(app, module_widget, sample_study):
    """A module of its own, for what does not leave it as it was."""
    return Desk(app, module_widget, sample_study)


def shown(desk, role):
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLModelNode", desk.app.scene)
    return [node for node in nodes if node.GetAttribute("LumbarBiplanar.Role") == role and node.GetDisplayVisibility()]


def matrix_of(slice_node):
    matrix = slice_node.GetSliceToRAS()
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
