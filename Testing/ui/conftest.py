"""What the tests of the panel share: the headless Slicer, and the module with landmarks to correct."""

from __future__ import annotations

from correct_desk import desk, laid_out, own_desk  # noqa: F401
from films_desk import loaded, panel  # noqa: F401

from headless_slicer.fixtures import app, module_widget, sample_study, scene, slicer_session  # noqa: F401
