"""What the tests of the layer that knows Slicer's scene but no windows share: the headless Slicer."""

from __future__ import annotations

from headless_slicer.fixtures import app, module_widget, sample_study, scene, slicer_session  # noqa: F401
