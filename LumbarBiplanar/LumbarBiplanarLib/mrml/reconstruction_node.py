"""The reconstruction of a case as a text node: what a later session needs to show it, measure it and go on from it.

The text is JSON, kept inside the scene file. It holds poses and coefficients, not the surfaces: the shape model makes
them again, exactly. Outlines are kept too (to 0.01 pixel), so that a loaded scene is shown without PyTorch.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..anatomy import FilmLandmarks, LandmarkObservation, Level, Region
from ..errors import StudyError
from ..geometry import View
from .film_nodes import ROLE, free_name
from .reconstruction_certainty import stated_certainty, told_if_damaged

if TYPE_CHECKING:
    from ..geometry import FilmPair
    from ..registration import FilmEvidence, Options, Reconstruction, RegistrationState
    from ..shape import ShapeModel
    from ..study import CaseResult

RECONSTRUCTION_ROLE = "reconstruction"
FORMAT = "LumbarBiplanar reconstruction node"
VERSION = 1
_NUMBERS = ("costs", "image_residual_mm", "gain")


def write_reconstruction(scene: Any, node: Any, result: CaseResult) -> Any:
    """Write a result into a text node.

    Args:
        scene: where the node is, or is made.
        node: the node to write to; None makes one.
        result: what is written.

    Returns:
        The text node.
    """
    if node is None:
        node = slicer.vtkMRMLTextNode()
        node.SetName(free_name(scene, _("Reconstruction")))
        node.SetAttribute(ROLE, RECONSTRUCTION_ROLE)
        node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeNever)  # one file less to lose
        node = scene.AddNode(node)
    node.SetText(json.dumps(_content(result), allow_nan=False, separators=(",", ":"), default=_plain))
    return node


def read_reconstruction(node: Any) -> dict[str, Any]:
    """Return the content of a reconstruction node.

    Raises:
        StudyError: if it is damaged, or was written by another version.
    """
    try:
        content = json.loads(node.GetText() or "")
        known = content.get("format") == FORMAT
    except (AttributeError, ValueError):
        known = False
    if not known:
        raise StudyError(_("{name} holds no reconstruction. Press Reconstruct.").format(name=node.GetName()))
    if content.get("version") != VERSION:
        raise StudyError(
            _("{name} was written by another version of Lumbar Biplanar (format {found}). Reconstruct again.").format(
                name=node.GetName(), found=content.get("version")
            )
        )
    return content


def state_of(
    content: Mapping[str, Any], model: ShapeModel, evidence: tuple[FilmEvidence, FilmEvidence]
) -> RegistrationState:
    """Return the last state of the registration, as ``register(start=...)`` takes it.

    Args:
        content: what :func:`read_reconstruction` gives.
        model: shape model of this session.
        evidence: what the films show now. Its lumbar-only images are taken over where they are still those that the
            registration used; landmarks and views are those of then.

    Raises:
        StudyError: if the reconstruction was made with another shape model, or its content is damaged.
    """
    from ..registration import RegistrationState
    from ..registration.corrections import NO_CORRECTIONS, Corrections

    stated = content.get("shape_model", {}).get("sha256")
    if stated != model.sha256:
        raise StudyError(
            _(
                "The reconstruction in this scene was made with another shape model ({stated}) than that of this "
                "version ({own}). Its surfaces and measurements stay as they are; to go on, press Reconstruct."
            ).format(stated=str(stated)[:12], own=str(model.sha256)[:12])
        )
    with told_if_damaged():
        levels = {Level[name]: values for name, values in content["levels"].items()}
        state = RegistrationState(
            model=model,
            evidence=_evidence(content["films"], evidence),
            stage=content["stage"],
            iteration=int(content["iteration"]),
            done=True,
            ras_from_vertebra={level: np.array(values["ras_from_vertebra"]) for level, values in levels.items()},
            coefficients={level: np.array(values["coefficients"]) for level, values in levels.items()},
            landmark_residuals=_residuals(content["films"]),
            level_image_residual_mm={
                name: {Level[level]: value for level, value in film["level_image_residual_mm"].items()}
                for name, film in content["films"].items()
            },
            corrections=Corrections.from_dict(content["corrections"]) if "corrections" in content else NO_CORRECTIONS,
            correction_sd=dict(content.get("correction_sd", {})),
            warnings=tuple(content["registration_warnings"]),
            **{name: dict(content[name]) for name in _NUMBERS},
        )
        outlines = {name: _outlines(film["silhouettes_px"]) for name, film in content["films"].items()}
    state.__dict__["silhouettes_px"] = outlines  # in place of computing them, which needs PyTorch
    return state


def reconstruction_of(content: Mapping[str, Any], state: RegistrationState) -> Reconstruction:
    """Return the reconstruction that a node's content and its state describe."""
    from ..registration import Reconstruction

    iterations = Counter(content["iterations"])
    return Reconstruction.from_state(state, iterations, float(content["seconds"]["registration"]), content["device"])


def options_of(content: Mapping[str, Any]) -> Options:
    """Return the settings that the registration was run with; those that this version lacks are left out."""
    from ..registration import Options

    stated = dict(content["options"])
    stated["region_weights"] = {Region[name]: weight for name, weight in stated["region_weights"].items()}
    known = {item.name for item in dataclasses.fields(Options)}
    return Options(**{name: value for name, value in stated.items() if name in known})


def with_facts(content: Mapping[str, Any], pair: FilmPair) -> FilmPair:
    """Return a geometry with what was said of it when the result was made: it may have been changed since.

    Args:
        content: what :func:`read_reconstruction` gives; that of an earlier version does not know it.
        pair: the geometry of the films.

    Raises:
        StudyError: if the content is damaged.
    """
    with told_if_damaged():
        return dataclasses.replace(pair, **content.get("geometry", {}))


def _content(result: CaseResult) -> dict[str, Any]:
    found, state = result.reconstruction, result.reconstruction.final_state
    return {
        "format": FORMAT,
        "version": VERSION,
        "frame": "RAS mm",
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "shape_model": {"sha256": found.model_sha256, "version": found.model_version},
        "device": result.device,
        "options": _options(result.options),
        "seconds": dict(result.seconds),
        "iterations": dict(found.iterations),
        "stage": state.stage,
        "iteration": state.iteration,
        "levels": {
            level.name: {
                "ras_from_vertebra": state.ras_from_vertebra[level],
                "coefficients": state.coefficients[level],
            }
            for level in state.levels
        },
        **{name: dict(getattr(state, name)) for name in _NUMBERS},
        **({"corrections": state.corrections.to_dict()} if len(state.corrections) else {}),
        "correction_sd": dict(state.correction_sd),
        "films": {film.view.name: _film(film, state) for film in state.evidence},
        "geometry": {name: getattr(result.case.pair, name) for name in ("calibrated", "simultaneous")}
        | {"uncertainty": dict(result.case.pair.uncertainty)},
        **stated_certainty(result),
        "registration_warnings": list(state.warnings),
        "warnings": list(result.warnings),
    }


def _options(options: Options) -> dict[str, Any]:
    values = {item.name: getattr(options, item.name) for item in dataclasses.fields(options) if item.name != "shell"}
    values["region_weights"] = {region.name: weight for region, weight in options.region_weights.items()}
    return values


def _film(film: FilmEvidence, state: RegistrationState) -> dict[str, Any]:
    name = film.view.name
    residuals = state.landmark_residuals.get(name, {})
    return {
        "view": film.view.to_dict(),
        "lumbar_sha256": image_hash(film.lumbar_mm),
        "landmarks": [
            {
                "level": level.name,
                "name": landmark,
                "position_px": item.position_px,
                "confidence": item.confidence,
                "sigma_mm": item.sigma_mm,
                "visible": item.visible,
                "corrected": item.corrected,
                "residual": residuals.get((level, landmark)),
            }
            for (level, landmark), item in film.landmarks.items()
        ],
        "level_image_residual_mm": {
            level.name: value for level, value in state.level_image_residual_mm.get(name, {}).items()
        },
        "silhouettes_px": {
            level.name: np.round(outline, 2).tolist() for level, outline in state.silhouettes_px[name].items()
        },
    }


def image_hash(image: np.ndarray | None) -> str | None:
    """Return the SHA-256 of an (h, w) image's values as float32, or None for no image."""
    if image is None:
        return None
    return hashlib.sha256(np.ascontiguousarray(image, dtype=np.float32).tobytes()).hexdigest()


def _evidence(films: Mapping[str, Any], now: tuple[FilmEvidence, FilmEvidence]) -> tuple[FilmEvidence, FilmEvidence]:
    found = []
    for film in now:
        stated = films[film.view.name]
        landmarks = FilmLandmarks(_observation(item) for item in stated["landmarks"])
        same = stated["lumbar_sha256"] is not None and stated["lumbar_sha256"] == image_hash(film.lumbar_mm)
        found.append(
            dataclasses.replace(
                film,
                view=View.from_dict(stated["view"]),
                landmarks=landmarks,
                lumbar_mm=film.lumbar_mm if same else None,
                lumbar_view=film.lumbar_view if same else None,
            )
        )
    return found[0], found[1]


def _observation(item: Mapping[str, Any]) -> LandmarkObservation:
    x, y = item["position_px"]
    return LandmarkObservation(
        Level[item["level"]],
        item["name"],
        (float(x), float(y)),
        float(item["confidence"]),
        item["sigma_mm"],
        bool(item["visible"]),
        bool(item["corrected"]),
    )


def _residuals(films: Mapping[str, Any]) -> dict[str, dict[tuple[Level, str], tuple[float, float]]]:
    return {
        name: {
            (Level[item["level"]], item["name"]): (float(item["residual"][0]), float(item["residual"][1]))
            for item in film["landmarks"]
            if item["residual"] is not None
        }
        for name, film in films.items()
    }


def _outlines(stated: Mapping[str, Any]) -> dict[Level, np.ndarray]:
    return {Level[name]: np.array(points, dtype=np.float64) for name, points in stated.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A {type(value).__name__} cannot be written as JSON.")
