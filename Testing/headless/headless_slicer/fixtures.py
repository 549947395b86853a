"""pytest fixtures of the headless Slicer; a conftest.py imports them."""

from __future__ import annotations

from pathlib import Path

import pytest

import headless_slicer


@pytest.fixture(scope="session")
def slicer_session():
    """The headless Slicer of this run; the test is skipped where it cannot be."""
    try:
        return headless_slicer.start()
    except headless_slicer.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def app(slicer_session):
    """The headless Slicer with an empty scene, no open module, Slicer's usual layout and fresh settings.

    Fails the test afterwards if a slot or an observer raised an exception that the test has not looked at
    (``app.python_errors``), or if an answer prepared in ``app.answers`` was not asked for.
    """
    _reset(slicer_session)
    yield slicer_session
    errors, left = list(slicer_session.python_errors), slicer_session.answers.left
    _reset(slicer_session)
    if errors:
        raise AssertionError(f"{len(errors)} exceptions in slots or observers, the first of them above") from errors[0]
    assert not left, f"{left} answers prepared in app.answers were not asked for"


def _reset(session) -> None:
    session.unload_module()
    session.clear()
    session.board.layout_node.SetViewArrangement(3)
    session.process_events()
    session.reset_user()


@pytest.fixture
def scene(app):
    """The application's scene, empty; also ``slicer.mrmlScene``."""
    return app.scene


@pytest.fixture
def module_widget(app):
    """The module's Python widget, set up and entered in a main window."""
    return app.open_module()


@pytest.fixture(scope="session")
def sample_study() -> Path:
    """Folder of the sample study that comes with the module."""
    return Path(__file__).resolve().parents[3] / "LumbarBiplanar" / "Resources" / "SampleStudy"
