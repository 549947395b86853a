"""Comparing a reconstruction's folder with a folder of truth: what ``lumbar-biplanar evaluate`` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level, Region
from ..errors import GeometryError, StudyError
from ..files import read_json
from ..geometry import FilmPair, View, transform_points
from ..shape.surfaces import Surface, read_surface, surface_file
from ..study.landmarks_file import read_landmarks, read_positions
from .metrics import POSTERIOR, Distances, misnamed_levels, rigid_alignment, summarized, two_way_distances

FORMAT = "LumbarBiplanar evaluation"
VERSION = 1
# What a folder holds that register-ct or reconstruct has written.
RECORDS = ("ct_registration.json", "reconstruction.json")
LANDMARKS = "landmarks.json"
# The same vertebra measures about the same; a unit of cm or m makes 10 or 1000.
_LARGEST_RATIO = 2.5
# No reconstruction is this far off as a whole; a level named wrong moves it by some 35 mm.
_FAR_MM = 60.0
ALIGNMENTS = {
    "absolute": "as reconstructed",
    "aligned_spine": "after one rigid motion of the whole spine",
    "aligned_vertebra": "after a rigid motion of each vertebra",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Distances between a reconstruction and the truth.

    Attributes:
        distances: {alignment: {level: distances}}.
        misnamed: {level as named: level whose place it takes}.
        missing: levels of the truth that the reconstruction lacks.
        landmark_error_mm: {"ap" or "lateral": mean distance of the landmarks used from the true ones, object plane};
            of a truth that register-ct found, the true ones are its landmarks in space, projected.
        landmark_error_3d_mm: mean distance in space of the reconstruction's landmarks from the true ones, or None.
        warnings: what could not be compared, and why.
    """

    distances: Mapping[str, Mapping[Level, Distances]]
    misnamed: Mapping[Level, Level]
    missing: tuple[Level, ...]
    landmark_error_mm: Mapping[str, float]
    landmark_error_3d_mm: float | None
    warnings: tuple[str, ...] = ()

    def posterior_mean_mm(self, alignment: str = "absolute") -> float | None:
        """Return the mean distance over all regions but the body, or None without regions."""
        parts = [item.of_regions(POSTERIOR) for item in self.distances[alignment].values()]
        parts = [part for part in parts if part is not None]
        return summarized(parts).mean if parts else None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the evaluation's JSON file."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "units": "mm; distances between surfaces both ways, weighted by area, levels counting alike",
            "alignments": {name: _alignment_dict(self, name) for name in ALIGNMENTS},
            "misnamed_levels": {level.name: other.name for level, other in self.misnamed.items()},
            "missing_levels": [level.name for level in self.missing],
            "landmark_error_mm": {name: round(value, 3) for name, value in self.landmark_error_mm.items()},
            "landmark_error_3d_mm": None if self.landmark_error_3d_mm is None else round(self.landmark_error_3d_mm, 3),
            "warnings": list(self.warnings),
        }


def compare_folders(reconstruction: str | Path, truth: str | Path, *, lps: bool = False) -> Comparison:
    """Compare ``L1.vtp`` ... of a reconstruction's folder with those of a folder of truth.

    Args:
        reconstruction: folder written by ``lumbar-biplanar reconstruct``.
        truth: folder with L1.vtp ... (or .vtk, .stl, .ply, .obj), in mm and the frame that they state, else RAS, or
            with a folder ``truth`` that holds them, as ``lumbar-biplanar synthesize`` writes it; that folder goes
            before surfaces beside it. landmarks.json there gives the true landmarks.
        lps: surfaces that state no frame are LPS.

    Raises:
        StudyError: if a folder holds no surfaces, they have no level in common or are of different units, or a record
            in it is damaged.
        LandmarkError: if landmarks cannot be read.
    """
    reconstruction, truth = Path(reconstruction), truth_folder(truth)
    recovered, true = read_surfaces(reconstruction, lps=lps), read_surfaces(truth, lps=lps)
    common = {level: recovered[level] for level in LUMBAR_LEVELS if level in recovered and level in true}
    if not common:
        raise StudyError(f"{reconstruction} and {truth} have no level in common; there is nothing to compare.")
    _check_sizes(common, true, truth)
    labels = {level: _regions(reconstruction / f"{level.name}.vtp", surface) for level, surface in common.items()}
    distances = _all_distances(common, {level: true[level] for level in common}, labels)
    landmark_files = (reconstruction / LANDMARKS, truth / LANDMARKS)
    errors, in_space, said = {}, None, []
    if all(file.is_file() for file in landmark_files):
        errors, said = _landmark_errors(reconstruction, truth)
        in_space = _landmark_errors_3d(*landmark_files)
    missing = tuple(level for level in LUMBAR_LEVELS if level in true and level not in recovered)
    said = [*_doubts(common, true, truth), *said]
    without = [level.name for level in recovered if level not in true]
    if without:
        said.append(f"{truth} has no {', '.join(without)}: what was reconstructed of it is not judged.")
    return Comparison(distances, misnamed_levels(common, true), missing, errors, in_space, tuple(said))


def truth_folder(path: str | Path) -> Path:
    """Return the folder ``truth`` in ``path`` if it holds surfaces, else ``path``.

    A folder of films with their truth may have got a result since: surfaces of its own, which are no truth.
    """
    path = Path(path)
    inner = path / "truth"
    return inner if any(surface_file(inner, level.name) for level in LUMBAR_LEVELS) else path


def read_surfaces(folder: str | Path, *, lps: bool = False) -> dict[Level, Surface]:
    """Return the surfaces L1 ... L5 of a folder, RAS mm; of one level .vtp goes before .vtk, .stl, .ply and .obj.

    Args:
        folder: where they are.
        lps: surfaces that state no frame are LPS.

    Raises:
        StudyError: if the folder is missing or holds none.
    """
    folder = Path(folder)
    files = {level: surface_file(folder, level.name) for level in LUMBAR_LEVELS}
    found = {level: read_surface(path, lps=lps) for level, path in files.items() if path is not None}
    if not found:
        what = "holds no surface L1.vtp ... L5.vtp" if folder.is_dir() else "is no folder"
        raise StudyError(f"{folder} {what}; give the folder of a reconstruction, or one with true surfaces.")
    return found


def _check_sizes(recovered: Mapping[Level, Surface], true: Mapping[Level, Surface], truth: Path) -> None:
    """Raise StudyError if a reconstructed vertebra and the true one cannot be in the same unit."""
    for level, surface in recovered.items():
        ours, theirs = (float(np.linalg.norm(np.ptp(item.points_ras_mm, axis=0))) for item in (surface, true[level]))
        if not ours / _LARGEST_RATIO < theirs < ours * _LARGEST_RATIO:
            raise StudyError(
                f"{level.name} of {truth} measures {theirs:.3g} mm across, the reconstructed one {ours:.3g} mm: they "
                "are not in the same unit, or not both one vertebra. Give surfaces in mm."
            )


def _doubts(recovered: Mapping[Level, Surface], true: Mapping[Level, Surface], truth: Path) -> list[str]:
    """Say so if the truth lies where the reconstruction is not: most likely in another frame."""
    ours, theirs = (
        np.mean([surfaces[level].points_ras_mm.mean(axis=0) for level in recovered], axis=0)
        for surfaces in (recovered, true)
    )
    apart, turned = (float(np.linalg.norm(ours - np.array(sign) * theirs)) for sign in ((1, 1, 1), (-1, -1, 1)))
    if apart < _FAR_MM:
        return []
    remedy = (
        f"Taken as LPS the truth lies {turned:.0f} mm away: give --lps if its files state no frame."
        if turned < apart / 2
        else "Give the truth in the frame of the films' geometry (RAS); 'register-ct' finds it for vertebrae of a CT."
    )
    return [f"{truth} lies {apart:.0f} mm from the reconstruction, and so is of another frame. {remedy}"]


def _all_distances(common, true, labels) -> dict[str, dict[Level, Distances]]:
    spine = rigid_alignment(common, true)
    found = {name: {} for name in ALIGNMENTS}
    for level, surface in common.items():
        own = rigid_alignment({level: surface}, {level: true[level]})
        for name, matrix in zip(ALIGNMENTS, (np.eye(4), spine, own), strict=True):
            moved = Surface(transform_points(matrix, surface.points_ras_mm), surface.faces)
            found[name][level] = two_way_distances(moved, true[level], labels[level])
    return found


def _regions(path: Path, surface: Surface) -> np.ndarray | None:
    """Return the region labels (V,) that a .vtp of a reconstruction holds, or None."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    if not path.is_file():
        return None
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    array = reader.GetOutput().GetPointData().GetArray("region")
    if array is None or array.GetNumberOfTuples() != len(surface.points_ras_mm):
        return None
    return vtk_to_numpy(array)


def _landmark_errors(reconstruction: Path, truth: Path) -> tuple[dict[str, float], list[str]]:
    """Return the mean error of the visible landmarks per film, in mm of the plane through the true landmark.

    And, in words, why that of a film is left out.
    """
    used_file, true_file = (folder / LANDMARKS for folder in (reconstruction, truth))
    record_file = _record_of(reconstruction)
    if record_file is None:
        names = " or ".join(reversed(RECORDS))
        return {}, [
            f"{reconstruction} has no {names}, which says how its films were taken: errors of landmarks on the films "
            "are left out. Give the whole folder of the result."
        ]
    pair = _stated_in(record_file, lambda record: FilmPair.from_dict(record["geometry"]))
    used, true, positions = read_landmarks(used_file), read_landmarks(true_file), read_positions(true_file)
    if not positions:
        return {}, [
            f"{true_file} states no positions in space (positions_ras_mm), which mm on the films take: errors of "
            "landmarks on the films are left out. Give a truth as 'synthesize' or 'register-ct' writes it."
        ]
    registered, found, said = _registered_views(truth), {}, []
    for view in pair.views:
        sizes = [entries[view.name].size_px for entries in (used, true)]
        if sizes[0] != sizes[1]:
            ours, theirs = ("{} x {}".format(*size) for size in sizes)
            said.append(
                f"The {view.name} film of {used_file} has {ours} pixels, that of {true_file} {theirs}: they are not "
                "the same film, and the error of its landmarks is left out. Reconstruct from the film of the truth, "
                "neither cropped nor resized."
            )
            continue
        errors = []
        for (level, name), item in used[view.name].landmarks.visible().items():
            point, goal = positions.get(level, {}).get(name), true[view.name].landmarks.get((level, name))
            if point is None or (goal is None and not registered):
                continue
            pixel = registered[view.name].project(np.asarray(point)) if registered else goal.position_px
            offset = np.subtract(item.position_px, pixel) * view.pixel_size_at(np.asarray(point))
            errors.append(float(np.linalg.norm(offset)))
        if errors:
            found[view.name.lower()] = float(np.mean(errors))
    return found, said


def _record_of(folder: Path) -> Path | None:
    """Return the record of the result in a folder, or None if it is no folder of a result."""
    return next((path for path in (folder / name for name in RECORDS) if path.is_file()), None)


def _stated_in(file: Path, read: Callable[[Any], Any]) -> Any:
    """Return what ``read`` finds in the record of a result; raises StudyError, with the file, if it is not there."""
    try:
        return read(read_json(file, "record of a result"))
    except (AttributeError, GeometryError, KeyError, TypeError) as error:
        raise StudyError(
            f"{file}: its geometry cannot be read ({error}); give the folder of a result as it was written."
        ) from None


def _registered_views(truth: Path) -> dict[str, View]:
    """Return the views of a truth that is itself the result of a registration, by name; none of a drawn truth.

    The landmarks on its films are those that were used, of the network or a person. The true ones are where its
    landmarks in space are projected to.
    """
    file = _record_of(truth)
    if file is None:
        return {}

    def views(record: Any) -> list[View]:
        corrected = (record.get("geometry_corrections") or {}).get("corrected_views")
        return [View.from_dict(item) for item in corrected or record["geometry"]["views"]]

    return {view.name: view for view in _stated_in(file, views)}


def _landmark_errors_3d(used_file: Path, true_file: Path) -> float | None:
    used, true = read_positions(used_file), read_positions(true_file)
    gaps = [
        np.linalg.norm(np.subtract(point, true[level][name]))
        for level, points in used.items()
        for name, point in points.items()
        if name in true.get(level, {})
    ]
    return float(np.mean(gaps)) if gaps else None


def _alignment_dict(comparison: Comparison, name: str) -> dict[str, Any]:
    by_level = comparison.distances[name]
    posterior = comparison.posterior_mean_mm(name)
    return {
        "meaning": ALIGNMENTS[name],
        "all": summarized(by_level.values()).as_dict(),
        "reconstruction_to_truth": summarized(item.direction(True) for item in by_level.values()).as_dict(),
        "truth_to_reconstruction": summarized(item.direction(False) for item in by_level.values()).as_dict(),
        "posterior_mean": None if posterior is None else round(posterior, 3),
        "regions": _regions_dict(list(by_level.values())),
        "levels": {level.name: _level_dict(item) for level, item in by_level.items()},
    }


def _level_dict(item: Distances) -> dict[str, Any]:
    return {
        "all": item.summary().as_dict(),
        "reconstruction_to_truth": item.direction(True).summary().as_dict(),
        "truth_to_reconstruction": item.direction(False).summary().as_dict(),
        "regions": _regions_dict([item]),
    }


def _regions_dict(items: list[Distances]) -> dict[str, dict[str, float]]:
    found = {}
    for region in Region:
        parts = [part for part in (item.of_regions([region]) for item in items) if part is not None]
        if parts:
            found[region.name.lower()] = summarized(parts).as_dict()
    return found
