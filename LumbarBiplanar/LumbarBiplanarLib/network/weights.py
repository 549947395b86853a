"""Weights files, and the registry (Resources/Models.json) of those that come with the module.

A weights file is a torch archive of plain tensors and numbers: ``format``, ``version``, ``kind`` ("spine", the first
stage, or "refine", the second), ``config`` (of ``NetworkConfig`` or ``RefineConfig``), ``state`` (convolutions as
float16, the rest as it is) and ``record`` (how it was trained). It is read without unpickling code (``weights_only``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import StudyError, WeightsError
from ..files import atomic_path, read_json, sha256_of, write_json
from ..resources import resource_path
from .model import NetworkConfig, SpineNetwork
from .refine_model import RefineConfig, SpineRefiner

FORMAT = "LumbarBiplanar network weights"
VERSION = 1
FIRST_STAGE, SECOND_STAGE = "spine", "refine"
_REGISTRY_FORMAT = "LumbarBiplanar models"
# What a person can do who has no weights of the module: in the shell, in the panel and in Python.
OWN_WEIGHTS = "give weights of your own (--weights; Network weights in the panel; weights= in Python)"
_ENTRY_KEYS = ("title", "version", "file", "sha256", "license", "training")


@dataclass(frozen=True)
class WeightsInfo:
    """Where a network's weights came from.

    Attributes:
        name: "spine 1.0" for registered weights, otherwise the file's name.
        path: the file.
        sha256: its hash.
        record: how it was trained.
    """

    name: str
    path: Path
    sha256: str
    record: Mapping[str, Any]


def read_registry(path: str | Path | None = None) -> dict[str, dict[str, Any]]:
    """Return the registered weights: name to entry (title, version, file, sha256, license, training).

    Args:
        path: a Models.json; None means the module's own.

    Raises:
        WeightsError: if it is missing or malformed.
    """
    try:
        path = resource_path("Models.json") if path is None else Path(path)
    except StudyError as error:
        raise WeightsError(str(error)) from None
    content = read_json(path, "registry of weights", WeightsError)
    if not isinstance(content, dict) or content.get("format") != _REGISTRY_FORMAT or content.get("version") != 1:
        raise WeightsError(f"{path}: this is no registry of weights; reinstall LumbarBiplanar.")
    models = content.get("models")
    for name, entry in models.items() if isinstance(models, dict) else [("models", models)]:
        missing = [key for key in _ENTRY_KEYS if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise WeightsError(f"{path}: {name} lacks {', '.join(missing)}; reinstall LumbarBiplanar.")
    return models


def register_weights(registry: str | Path, weights: str | Path, *, name: str, title: str, version: str, license: str):
    """Write or replace the entry of a weights file, which lies in ``Weights`` beside the registry, in a Models.json.

    Raises:
        WeightsError: if the registry or the weights cannot be read.
        OutputError: if it cannot be written.
    """
    registry, weights = Path(registry), Path(weights)
    models = read_registry(registry) if registry.exists() else {}
    content = _read_archive(weights)
    models[name] = {
        "title": title,
        "version": version,
        "file": f"Weights/{weights.name}",
        "sha256": sha256_of(weights),
        "license": license,
        "training": dict(content["record"]),
    }
    write_json(registry, {"format": _REGISTRY_FORMAT, "version": 1, "models": models})


def save_weights(model: SpineNetwork | SpineRefiner, path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a network's configuration and weights, convolutions rounded to float16.

    Args:
        model: the network.
        path: the file to write or replace.
        record: how it was trained: text, numbers, lists and dictionaries.

    Raises:
        WeightsError: if a weight is not finite.
        OutputError: if the file cannot be written.
    """
    state = {}
    for key, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        if tensor.is_floating_point():
            tensor = tensor.to(torch.float16 if tensor.ndim > 1 else torch.float32)
            if not torch.isfinite(tensor).all():
                raise WeightsError(f"The weights {key} are not finite; the training has diverged. Lower its rate.")
        state[key] = tensor
    kind = SECOND_STAGE if isinstance(model, SpineRefiner) else FIRST_STAGE
    content = {"format": FORMAT, "version": VERSION, "kind": kind, "config": model.config.to_dict(), "state": state}
    plain = json.loads(json.dumps(dict(record)))  # subclasses of text and numbers could not be read back safely
    buffer = io.BytesIO()  # torch itself says nothing of a full disk that a caller could understand
    torch.save({**content, "record": plain}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_weights(
    weights: str | Path | None = None, device: torch.device | str = "cpu", *, registry: str | Path | None = None
) -> tuple[SpineNetwork, WeightsInfo]:
    """Load the first stage, ready to use (evaluation mode, float32).

    Args:
        weights: a weights file; None means the one that the registry calls "spine", whose hash must match.
        device: where the network goes.
        registry: a Models.json other than the module's own.

    Raises:
        WeightsError: if the file is missing, damaged, not a weights file of this program, or not the registered one.
    """
    return _load(FIRST_STAGE, weights, device, registry)


def load_refiner(
    weights: str | Path | None = None, device: torch.device | str = "cpu", *, registry: str | Path | None = None
) -> tuple[SpineRefiner, WeightsInfo]:
    """Load the second stage as ``load_weights`` does the first; the registry calls it "refine"."""
    return _load(SECOND_STAGE, weights, device, registry)


def _load(kind: str, weights, device, registry) -> tuple[Any, WeightsInfo]:
    name = None
    if weights is None:
        path, name, expected = _registered(kind, registry)
    else:
        path, expected = Path(weights), None
    if not path.is_file():
        remedy = "check the path" if name is None else f"reinstall LumbarBiplanar, or {OWN_WEIGHTS}"
        raise WeightsError(f"{path}: there is no such weights file; {remedy}.")
    found = sha256_of(path)
    if expected is not None and found != expected:
        raise WeightsError(
            f"{path}: the file has SHA-256 {found[:16]}..., Models.json says {expected[:16]}...; it is damaged or "
            f"was replaced. Reinstall LumbarBiplanar, or {OWN_WEIGHTS}: this one too is then used as it is."
        )
    content = _read_archive(path)
    if content.get("kind", FIRST_STAGE) != kind:
        raise WeightsError(f"{path}: these are {content['kind']!r} weights, {kind!r} is asked for; give such a file.")
    return _network_of(content, path).to(device), WeightsInfo(name or path.name, path, found, content["record"])


def registered_name() -> str:
    """Return names and versions of the module's weights, as a detection tells them; raises as ``load_weights``.

    Nothing is loaded.
    """
    stages = [stage for stage in (FIRST_STAGE, SECOND_STAGE) if stage == FIRST_STAGE or stage in read_registry()]
    return ", ".join(_registered(stage, None)[1] for stage in stages)


def _registered(name: str, registry: str | Path | None) -> tuple[Path, str, str]:
    models = read_registry(registry)
    if name not in models:
        raise WeightsError(f"The registry of weights has no {name!r}; reinstall LumbarBiplanar.")
    entry = models[name]
    try:
        path = resource_path(entry["file"]) if registry is None else Path(registry).parent / entry["file"]
    except StudyError as error:
        raise WeightsError(f"{str(error).removesuffix('.')}, or {OWN_WEIGHTS}.") from None
    return path, f"{name} {entry['version']}", entry["sha256"]


def _read_archive(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged archives; all mean the same to a user
        raise WeightsError(f"{path}: not a readable weights file, or damaged; get it again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WeightsError(f"{path}: these are not weights of LumbarBiplanar; give a file that its training wrote.")
    if content.get("version") != VERSION:
        raise WeightsError(
            f"{path}: weights of version {content.get('version')!r}, this program reads {VERSION}; "
            "update LumbarBiplanar."
        )
    if not all(isinstance(content.get(key), dict) for key in ("config", "state", "record")):
        raise WeightsError(f"{path}: config, state or record is missing; get the file again.")
    return content


def _network_of(content: dict[str, Any], path: Path) -> SpineNetwork | SpineRefiner:
    try:
        if content.get("kind", FIRST_STAGE) == SECOND_STAGE:
            model = SpineRefiner(RefineConfig.from_dict(content["config"]))
        else:
            model = SpineNetwork(NetworkConfig.from_dict(content["config"]))
        model.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in content["state"].items()}
        )
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise WeightsError(f"{path}: the weights do not fit the network ({reason}); get a matching file.") from error
    bad = [key for key, value in model.state_dict().items() if not torch.isfinite(value).all()]
    if bad:
        raise WeightsError(f"{path}: {bad[0]} and {len(bad) - 1} more hold values that are not finite; get it again.")
    return model.eval().requires_grad_(False)
