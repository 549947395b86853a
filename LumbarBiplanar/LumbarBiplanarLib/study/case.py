"""A case: two films, how they were taken, and what was given beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import FilmError, GeometryError, LandmarkError
from ..files import sha256_of
from ..geometry import FilmPair, GeometrySettings, load_geometry
from ..geometry.limits import angle_doubt
from ..imaging import Film, Polarity, is_relative, notes_on_pair, read_film, read_lumbar_image
from .landmarks_file import FilmEntry, read_landmarks

# Of the range of grey values: more than the rounding to 8 bits, less than two films ever are alike in every pixel.
_ALIKE = 0.006
# Share of a film's size that a landmark may lie beyond its edge.
_BESIDE = 0.5


@dataclass(frozen=True, eq=False)
class Case:
    """The input of one reconstruction.

    Attributes:
        films: (AP, lateral).
        pair: their views.
        landmarks: per view name, landmarks that replace the detected ones, or None.
        lumbar_mm: per view name, (H, W) lumbar-only images in mm of bone that replace the network's; may hold one only.
        use_network: whether the network may look at the films for what was not given; without it landmarks are needed,
            and a film without a lumbar-only image serves as its own.
        inputs: per role ("geometry", "landmarks", "lumbar AP", "lumbar lateral"), the file's name and hash.
        warnings: what about the input the user should know.
    """

    films: tuple[Film, Film]
    pair: FilmPair
    landmarks: Mapping[str, FilmEntry] | None = None
    lumbar_mm: Mapping[str, np.ndarray] = field(default_factory=dict)
    use_network: bool = True
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a case in which nothing finds the landmarks."""
        if self.landmarks is None and not self.use_network:
            raise LandmarkError("Without the network the landmarks must be given: a landmarks.json of both films.")


def load_case(
    ap: str | Path,
    lateral: str | Path,
    geometry: str | Path,
    *,
    landmarks: str | Path | None = None,
    lumbar_ap: str | Path | None = None,
    lumbar_lateral: str | Path | None = None,
    polarity: Polarity | None = None,
    use_network: bool = True,
) -> Case:
    """Read the files of a case.

    Args:
        ap, lateral: the films (``imaging.read_film`` lists the formats).
        geometry: ``geometry.json`` of the pair.
        landmarks: landmark file that replaces the detection of landmarks.
        lumbar_ap, lumbar_lateral: lumbar-only images that replace the network's.
        polarity: whether bone is bright or dark; None takes what the file states.
        use_network: whether the network may look at the films for what is not given.

    Raises:
        FilmError: if a film or lumbar-only image is missing, unreadable, empty, constant or not finite, or both films
            show the same image.
        GeometryError: if the geometry cannot be used or does not match the size of a film.
        LandmarkError: if the landmark file cannot be used or belongs to other films, or there is none and no network.
    """
    pair = load_geometry(geometry)
    try:
        films = (read_film(ap, pair.ap, polarity, pair.lateral), read_film(lateral, pair.lateral, polarity, pair.ap))
    except GeometryError:
        # Of one film given twice, one mostly has the wrong size.
        if all(Path(path).is_file() for path in (ap, lateral)) and sha256_of(ap) == sha256_of(lateral):
            raise _same_image(ap, lateral) from None
        raise
    case = case_of_films(films, pair)
    inputs, warnings = {"geometry": _stated(geometry)}, list(case.warnings)
    entries = None
    if landmarks is not None:
        entries = read_landmarks(landmarks)
        inputs["landmarks"] = _stated(landmarks)
        warnings += check_landmarks(Path(landmarks), entries, films)
    lumbar = {}
    for view, path in zip(pair.views, (lumbar_ap, lumbar_lateral), strict=True):
        if path is None:
            continue
        lumbar[view.name] = read_lumbar_image(path, view)
        inputs[f"lumbar {view.name}"] = _stated(path)
        if is_relative(path):
            warnings.append(f"{path} holds whole numbers, not mm of bone: it is used up to a gain.")
    return Case(films, pair, entries, lumbar, use_network, inputs, tuple(warnings))


def case_of_films(films: tuple[Film, Film], pair: FilmPair) -> Case:
    """Return the case of two films that have been read already, (AP, lateral).

    Raises:
        FilmError: if both films show the same image.
    """
    ap, lateral = films
    if (ap.sha256 is not None and ap.sha256 == lateral.sha256) or _alike(ap, lateral):
        raise _same_image(*(film.path or f"The {film.view.name} film" for film in films))
    warnings = [f"{film.view.name} film: {note}" for film in films for note in film.notes]
    if ap.facts is not None and lateral.facts is not None:
        warnings += notes_on_pair(ap.facts, lateral.facts, pair.simultaneous)
    return Case(films, pair, warnings=(*warnings, *_geometry_warnings(pair)))


def _same_image(ap: str | Path, lateral: str | Path) -> FilmError:
    return FilmError(f"{ap} and {lateral} are the same image; give the AP film and the lateral film.")


def _alike(ap: Film, lateral: Film) -> bool:
    """Tell whether two films have the same pixels, but for the number of bits and the polarity they are stored with."""
    if ap.pixels.shape != lateral.pixels.shape:
        return False

    def apart(step: int) -> float:
        first, second = (
            (film.pixels[::step, ::step] - film.pixels.min()) / (film.pixels.max() - film.pixels.min())
            for film in (ap, lateral)
        )
        return min(np.abs(first - other).max() for other in (second, 1.0 - second))

    # Nearly always a few pixels tell.
    return apart(29) <= _ALIKE and apart(1) <= _ALIKE


def _stated(path: str | Path) -> dict[str, str]:
    return {"file": Path(path).name, "sha256": sha256_of(path)}


def _geometry_warnings(pair: FilmPair) -> list[str]:
    warnings = []
    if not pair.calibrated:
        warnings.append("The geometry is not calibrated: lengths are as uncertain as the assumed source distances.")
    warnings += GeometrySettings.from_pair(pair).contradictions()
    if not pair.simultaneous:
        warnings.append("The films were not taken at the same time: if the patient moved, the two do not fit.")
    if doubt := angle_doubt(pair.angle_deg):
        warnings.append(doubt)
    return warnings


def _check_near(path: Path, what: str, position_px: tuple[float, float], film: Film) -> None:
    """Raise LandmarkError for a landmark that lies farther off its film than a vertebra that is cut off can reach."""
    for place, size in zip(position_px, film.view.size_px, strict=True):
        if not -_BESIDE * size <= place <= (1.0 + _BESIDE) * size:
            x, y = position_px
            raise LandmarkError(
                f"{path}: the {what} is at ({x:g}, {y:g}), far outside {film.path} of {film.view.size_px[0]} x "
                f"{film.view.size_px[1]} pixels. Correct it, or leave it out."
            )


def check_landmarks(path: Path, entries: Mapping[str, FilmEntry], films: tuple[Film, Film]) -> list[str]:
    """Return what is doubtful about landmarks from a file.

    Args:
        path: the file, for messages.
        entries: its content.
        films: (AP, lateral), which they are to be used on.

    Raises:
        LandmarkError: if they were placed on other films, or one lies far outside its film.
    """
    warnings = []
    hashes = {film.sha256: film.view.name for film in films}
    for film in films:
        name, entry = film.view.name, entries[film.view.name]
        if entry.size_px != film.view.size_px:
            width, height = film.view.size_px
            raise LandmarkError(
                f"{path}: the {name} landmarks were placed on a film of {entry.size_px[0]} x {entry.size_px[1]} "
                f"pixels, but {film.path} has {width} x {height}. Give the landmarks of this film."
            )
        if hashes.get(entry.sha256, name) != name:
            raise LandmarkError(
                f"{path}: the {name} landmarks were placed on {films[name == 'AP'].path}, which is given as the other "
                "film. The films, or the two entries of the file, are swapped."
            )
        if entry.sha256 is not None and entry.sha256 != film.sha256:
            warnings.append(f"{path} was made for another {name} film (its hash differs); check that it belongs here.")
        shown = entry.landmarks.visible()
        for key, item in shown.items():
            _check_near(path, f"{name} landmark {key[0].name} {key[1]}", item.position_px, film)
        outside = [f"{key[0].name} {key[1]}" for key, item in shown.items() if not film.view.contains(item.position_px)]
        if outside:
            warnings.append(f"{path}: these {name} landmarks lie outside the film: {', '.join(outside)}.")
    return warnings
