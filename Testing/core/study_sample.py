"""The bundled study as tests use it: its files, and one reconstruction of it without the network."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from LumbarBiplanarLib.resources import resource_path


def sample(*parts: str) -> Path:
    return resource_path("SampleStudy", *parts)


def given_arguments(**replaced: Path | str | None) -> list[str]:
    """Arguments of ``reconstruct`` with true landmarks and lumbar-only images; None leaves one out."""
    given = {
        "ap": sample("ap.png"),
        "lateral": sample("lateral.png"),
        "geometry": sample("geometry.json"),
        "landmarks": sample("truth", "landmarks.json"),
        "lumbar-ap": sample("lumbar_ap.nrrd"),
        "lumbar-lateral": sample("lumbar_lateral.nrrd"),
    }
    given.update({name.replace("_", "-"): value for name, value in replaced.items()})
    arguments = ["reconstruct", "--device", "cpu"]
    for name, value in given.items():
        if value is not None:
            arguments += [f"--{name}", str(value)]
    return arguments


@functools.lru_cache(maxsize=1)
def sample_case():
    from LumbarBiplanarLib.study.case import load_case

    return load_case(
        sample("ap.png"),
        sample("lateral.png"),
        sample("geometry.json"),
        landmarks=sample("truth", "landmarks.json"),
        lumbar_ap=sample("lumbar_ap.nrrd"),
        lumbar_lateral=sample("lumbar_lateral.nrrd"),
    )


@functools.lru_cache(maxsize=1)
def sample_steps() -> tuple:
    from LumbarBiplanarLib.study.run import run_case

    return tuple(run_case(sample_case(), device="cpu"))


def sample_result():
    return sample_steps()[-1].result


def edited_json(source: Path, target: Path, change) -> Path:
    content = json.loads(source.read_text(encoding="utf-8"))
    change(content)
    target.write_text(json.dumps(content), encoding="utf-8")
    return target
