"""Stands in for the network in tests that are about what is done with its findings: it knows the truth.

Finding the true landmarks of the bundled study takes no time and never changes with new weights.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from LumbarBiplanarLib.anatomy import FilmLandmarks
from LumbarBiplanarLib.errors import DetectionError
from LumbarBiplanarLib.network import Detection
from LumbarBiplanarLib.resources import resource_path
from LumbarBiplanarLib.study.case import load_case


@functools.lru_cache(maxsize=1)
def true_case():
    """The bundled study with its true landmarks and lumbar-only images."""
    names = ("ap.png", "lateral.png", "geometry.json")
    return load_case(
        *(resource_path("SampleStudy", name) for name in names),
        landmarks=resource_path("SampleStudy", "truth", "landmarks.json"),
        lumbar_ap=resource_path("SampleStudy", "lumbar_ap.nrrd"),
        lumbar_lateral=resource_path("SampleStudy", "lumbar_lateral.nrrd"),
    )


def detect(film, device="auto", weights=None) -> Detection:
    """What a perfect network finds on a film of the bundled study; on any other film there is no spine."""
    case, name = true_case(), film.view.name
    truth = {known.view.name: known for known in case.films}[name]
    if film.sha256 != truth.sha256:
        raise DetectionError(f"{film.path or name}: no lumbar spine was found.")
    items = [replace(item, confidence=0.9) for item in case.landmarks[name].landmarks.visible().values()]
    return Detection(film.view, case.lumbar_mm[name], film.view, FilmLandmarks(items), weights="the truth")


def quicken(monkeypatch, iterations: int = 1) -> None:
    """Let a registration run only a few iterations per stage."""
    from LumbarBiplanarLib.study import registering

    few = {"landmark_iterations": 2, "coarse_iterations": iterations, "fine_iterations": 0}
    monkeypatch.setattr(registering, "NETWORK_SETTINGS", {**registering.NETWORK_SETTINGS, **few})


@functools.lru_cache(maxsize=1)
def _result():
    """A result of the bundled study as it is without anything corrected, computed once."""
    from LumbarBiplanarLib.study.run import run_case

    case = true_case()
    case = replace(case, landmarks=None, lumbar_mm={})
    return [step.result for step in run_case(case, device="cpu", detector=detect)][-1]


def finished_logic():
    """Return a logic with the bundled study after all steps."""
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    logic = CaseLogic()
    logic.loadSampleStudy()
    finish(logic)
    return logic


def finish(logic) -> None:
    """Bring a logic with the bundled study to where it is after all steps, without computing them each time."""
    logic.detector = detect
    logic.detect(device="cpu")
    result = replace(_result(), case=logic.case(), options=logic._options(logic.case()))
    seconds = {"detection": 1.0, **result.seconds}
    logic._keep_result(replace(result, seconds=seconds))
