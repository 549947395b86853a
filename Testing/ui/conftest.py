"""What the tests of the Slicer layer without windows share."""

from __future__ import annotations

from pathlib import Path

import pytest

import headless_slicer


@pytest.fixture(scope="session")
def slicer_session():
    """The headless Slicer of this run."""
    try:
        return headless_slicer.start()
    except headless_slicer.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def app(slicer_session):
    """The headless Slicer with an empty scene."""
    slicer_session.clear()
    yield slicer_session
    slicer_session.clear()


@pytest.fixture
def scene(app):
    """The application's scene, empty; also ``slicer.mrmlScene``."""
    return app.scene


@pytest.fixture(scope="session")
def sample_study() -> Path:
    """Folder of the sample study that comes with the module."""
    return Path(__file__).resolve().parents[2] / "LumbarBiplanar" / "Resources" / "SampleStudy"
