"""The shape model's file: one compressed .npz, checked when read."""

from __future__ import annotations

import functools
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..anatomy import parse_level
from ..errors import LumbarBiplanarError, ShapeModelError
from ..files import atomic_path, sha256_of
from ..resources import resource_path
from .model import ShapeModel
from .surfaces import is_closed

_FORMAT = "LumbarBiplanar shape model"
_VERSION = 1
_ARRAYS = {
    "mean_points_mm": np.float64,
    "faces": np.int64,
    "modes_mm": np.float64,
    "region_labels": np.uint8,
    "endplate_labels": np.uint8,
    "landmark_vertices": np.int64,
    "mirror": np.int64,
    "coarse_vertices": np.int64,
    "coarse_faces": np.int64,
}


def save_shape_model(model: ShapeModel, path: str | Path) -> None:
    """Write ``model`` to one .npz file; modes as half precision (error below 0.1 %), means as single precision."""
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "units": "mm",
        "frame": "vertebra: x right, y anterior, z cranial",
        "levels": [level.name for level in model.levels],
        "pca_count": model.pca_count,
        "log_scale_sd": model.log_scale_sd,
        "provenance": dict(model.provenance),
    }
    compact = {
        "mean_points_mm": model.mean_points_mm.astype(np.float32),
        "modes_mm": model.modes_mm.astype(np.float16),
        "region_labels": model.region_labels.astype(np.uint8),
        "endplate_labels": model.endplate_labels.astype(np.uint8),
    }
    indices = {name: getattr(model, name).astype(np.int32) for name in _ARRAYS if name not in compact}
    with atomic_path(Path(path)) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, header=np.array(json.dumps(header)), **compact, **indices)


def load_shape_model(path: str | Path | None = None) -> ShapeModel:
    """Read a shape model; without ``path`` the one that comes with the module.

    Raises:
        ShapeModelError: if the file is missing, of another kind or version, or its content is inconsistent.
    """
    if path is None:
        return _bundled()
    return _read(Path(path), Path(path).name)


@functools.lru_cache(maxsize=1)
def _bundled() -> ShapeModel:
    return _read(resource_path("ShapeModel", "lumbar.npz"))


def _read(path: Path, file: str | None = None) -> ShapeModel:
    if not path.is_file():
        what = "this is a folder, no shape model" if path.is_dir() else "there is no such shape model"
        raise ShapeModelError(f"{path}: {what}; give a file that 'shape-model build' wrote.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(str(archive["header"]))
            arrays = {name: archive[name].astype(dtype) for name, dtype in _ARRAYS.items()}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ShapeModelError(
            f"{path}: not a shape model of this program, or damaged; give a file that 'shape-model build' wrote."
        ) from error
    if header.get("format") != _FORMAT or header.get("version") != _VERSION:
        found = f"{header.get('format')!r} version {header.get('version')!r}"
        raise ShapeModelError(f"{path}: holds {found}; this program reads {_FORMAT!r} version {_VERSION}.")
    for array in arrays.values():
        array.setflags(write=False)
    try:
        levels = tuple(parse_level(name) for name in header["levels"])
        model = ShapeModel(
            levels=levels,
            pca_count=int(header["pca_count"]),
            log_scale_sd=float(header["log_scale_sd"]),
            provenance=header["provenance"],
            sha256=sha256_of(path),
            file=file,
            **arrays,
        )
    except (KeyError, TypeError, LumbarBiplanarError) as error:
        raise ShapeModelError(f"{path}: its header is incomplete ({error}); restore or rebuild it.") from None
    _check(model, path)
    return model


def _check(model: ShapeModel, path: Path) -> None:
    count = model.vertex_count
    problems = {
        "means and levels differ in number": model.mean_points_mm.shape != (len(model.levels), count, 3),
        "modes do not match the vertices": model.modes_mm.shape[1:] != (count, 3),
        "a number is not finite": not (np.isfinite(model.mean_points_mm).all() and np.isfinite(model.modes_mm).all()),
        "labels do not match the vertices": not len(model.region_labels) == len(model.endplate_labels) == count,
        "an index lies outside the vertices": any(
            len(index) == 0 or index.min() < 0 or index.max() >= limit
            for index, limit in (
                (model.faces, count),
                (model.landmark_vertices, count),
                (model.mirror, count),
                (model.coarse_vertices, count),
                (model.coarse_faces, len(model.coarse_vertices)),
            )
        ),
        "more principal components than modes": not 0 <= model.pca_count <= model.mode_count,
        "the scale's standard deviation is not positive": not model.log_scale_sd > 0,
    }
    found = [what for what, wrong in problems.items() if wrong]
    if not found and not (is_closed(model.faces) and is_closed(model.coarse_faces)):
        found = ["its surface is not closed"]
    if found:
        raise ShapeModelError(f"{path}: damaged shape model: {'; '.join(found)}. Restore or rebuild it.")
