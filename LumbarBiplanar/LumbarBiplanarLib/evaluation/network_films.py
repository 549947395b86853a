"""Test films for the network, of people who are in neither its shape model nor its films' spines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level
from ..geometry import FilmPair, View, standard_pair
from ..geometry.frames import transform_points
from ..geometry.sides import other_source, with_source_side
from ..imaging import Film, Volume, draw_films, read_volume
from ..shape.surfaces import Surface
from ..training.anatomy import Context, SoftTissue, random_warp
from ..training.options import CANVAS_PX, PITCH_MM, WHOLE_CANVAS_PX, FilmOptions

if TYPE_CHECKING:
    from ..training.ingredients import Ingredients

# Seeds that no training uses: a training's seeds are sequences of other lengths.
_SEED = (7, 77, 777, 7777)
# Finer than any film of the training; as large as those.
DRAWN_PITCH_MM = 0.8
_CT_FILM_PX, _CT_PITCH_MM = (400, 550), 0.8
_DISC_MM = 9.5
_SACRUM_LEAN_DEG = 20.0
_SUPERIOR, _INFERIOR = (LANDMARK_NAMES.index(f"{side}_endplate_centre") for side in ("superior", "inferior"))
# name: projection model, angle between the films, source-detector and source-patient distance
GEOMETRIES: Mapping[str, tuple[str, float, float, float]] = {
    "pinhole 90": ("pinhole", 90.0, 1250.0, 1010.0),
    "pinhole 75": ("pinhole", 75.0, 1100.0, 900.0),
    "slot 90": ("slot", 90.0, 1300.0, 1000.0),
}
# How films are made: without noise, artefacts and processing; as in the training; with most difficulties at once.
DIFFICULTIES: Mapping[str, FilmOptions] = {
    "clean": FilmOptions.clean(),
    "randomised": FilmOptions(),
    "hard": FilmOptions.hard(),
}
CT, WHOLE_SPINE = "CT", "whole spine"
_WHOLE_ABOVE_MM = 120.0  # the middle of a film of the whole spine, above that of the lumbar spine


@dataclass(frozen=True, eq=False)
class Person:
    """A person whose spine is known.

    Attributes:
        subject: who.
        surfaces: surface of each level, RAS mm.
        landmarks_ras_mm: (20, 3) of each level.
    """

    subject: str
    surfaces: Mapping[Level, Surface]
    landmarks_ras_mm: Mapping[Level, np.ndarray]


@dataclass(frozen=True, eq=False)
class BenchmarkFilm:
    """A film and what is true about it.

    Attributes:
        condition: how it was made: one of ``DIFFICULTIES``, "CT", or a step of a ladder.
        geometry: one of ``GEOMETRIES``.
        subject: who.
        number: of the film.
        film: the film.
        lumbar_mm: (h, w) true lumbar-only image on the film's pixels, mm.
        landmarks_px: (20, 2) of each level.
        visible: (20,) bool of each level, whether on the exposed part of the film.
        landmarks_ras_mm: (20, 3) of each level.
    """

    condition: str
    geometry: str
    subject: str
    number: int
    film: Film
    lumbar_mm: np.ndarray
    landmarks_px: Mapping[Level, np.ndarray]
    visible: Mapping[Level, np.ndarray]
    landmarks_ras_mm: Mapping[Level, np.ndarray]


FilmPairTruth = tuple[BenchmarkFilm, BenchmarkFilm]


def drawn_pairs(
    person: Person,
    context: Context,
    count: int,
    difficulties: Mapping[str, FilmOptions] = DIFFICULTIES,
    *,
    whole: bool = False,
) -> Iterator[FilmPairTruth]:
    """Draw ``count`` AP and lateral films per difficulty and geometry of a person's true surfaces.

    Sacrum, pelvis and ribs are put around the spine, T6 to T12 made of L1; every other pair has the context's body.

    Args:
        person: with all five levels.
        context: what is put around the spine.
        count: film pairs per difficulty and geometry.
        difficulties: how the films are made, by name.
        whole: go on to the neck, on films as high as that, without the context's body, which is not long enough.
    """
    for geometry in GEOMETRIES:
        for number in range(count):
            yield from drawn_pair(person, context, geometry, number, difficulties, whole=whole)


def whole_spine_pairs(person: Person, context: Context, count: int) -> Iterator[FilmPairTruth]:
    """Draw ``drawn_pairs`` of the whole spine, as randomised as in the training; arguments as there."""
    return drawn_pairs(person, context, count, {WHOLE_SPINE: DIFFICULTIES["randomised"]}, whole=True)


def drawn_pair(
    person: Person,
    context: Context,
    geometry: str,
    number: int,
    difficulties: Mapping[str, FilmOptions],
    *,
    whole: bool = False,
    other_bones: bool = True,
    posteroanterior: bool = False,
) -> Iterator[FilmPairTruth]:
    """Draw film pair ``number`` of ``drawn_pairs`` in one of ``GEOMETRIES``, once per difficulty.

    Without ``other_bones`` it is the same pair, of a patient who has L1 to L5 and no other bone; ``posteroanterior``:
    with a PA film in place of the AP film (``geometry.standard_pair``).
    """
    rng = np.random.default_rng([*_SEED, list(GEOMETRIES).index(geometry), number, *person.subject.encode()])
    tissue = bool(number % 2) and not whole
    how = {"with_tissue": tissue, "whole": whole, "posteroanterior": posteroanterior}
    ingredients, pair = drawn_ingredients(person, context, geometry, rng, **how)
    if not other_bones:
        ingredients = tuple(replace(parts, other_mm=np.zeros_like(parts.other_mm)) for parts in ingredients)
    for name, options in difficulties.items():
        yield tuple(
            formed_film(person, name, geometry, number, parts, view, rng, options)
            for parts, view in zip(ingredients, pair.views, strict=True)
        )


def stored(truth: BenchmarkFilm, mistaken: bool) -> BenchmarkFilm:
    """Return a film stored turned over; ``mistaken``: its view has the source at the other side, as far from the spine.

    A PA film is then taken for an AP film, for example.
    """
    film = truth.film.turned_over()
    view, last = film.view, film.view.size_px[0] - 1
    if mistaken:
        middle = np.concatenate(list(truth.landmarks_ras_mm.values())).mean(axis=0)
        on_central_ray = view.source_ras_mm + float(view.depth_mm(middle)) * view.beam_ras
        view = with_source_side(view, other_source(view), on_central_ray)
    return replace(
        truth,
        film=replace(film, pixels=np.ascontiguousarray(film.pixels), view=view),
        lumbar_mm=np.ascontiguousarray(truth.lumbar_mm[:, ::-1]),
        landmarks_px={level: points * [-1.0, 1.0] + [last, 0.0] for level, points in truth.landmarks_px.items()},
    )


def drawn_ingredients(
    person: Person,
    context: Context,
    geometry: str,
    rng: np.random.Generator,
    *,
    with_tissue: bool,
    whole: bool = False,
    pitch_mm: float = DRAWN_PITCH_MM,
    posteroanterior: bool = False,
) -> tuple[tuple[Ingredients, Ingredients], FilmPair]:
    """Draw the bones and the body of a person in one of ``GEOMETRIES``: AP and lateral, and their views.

    ``whole``: up to the neck, on films as high as that. ``pitch_mm`` is that of the films, at the detector.
    ``posteroanterior``: with a PA film in place of the AP film.
    """
    from ..training.ingredients import draw_ingredients

    model, angle, sdd, distance = GEOMETRIES[geometry]
    landmarks = np.stack([person.landmarks_ras_mm[level] for level in LUMBAR_LEVELS])
    lumbar = [person.surfaces[level] for level in LUMBAR_LEVELS]
    center = landmarks.mean(axis=(0, 1)) + rng.normal(0.0, (8.0, 8.0, 12.0))
    if whole:
        center = center + (0.0, 0.0, _WHOLE_ABOVE_MM)
    size = tuple(round(side * PITCH_MM / pitch_mm) for side in (WHOLE_CANVAS_PX if whole else CANVAS_PX))
    pair = standard_pair(
        tuple(center),
        sdd_mm=sdd,
        source_isocenter_mm=distance,
        angle_deg=angle,
        size_px=(size, size),
        spacing_mm=pitch_mm,
        model=model,
        posteroanterior=posteroanterior,
    )
    other = _around(lumbar[0], landmarks, context, rng, whole)
    tissue = _tissue_at(context, landmarks, rng) if with_tissue else None
    return tuple(draw_ingredients(view, lumbar, other, landmarks, tissue) for view in pair.views), pair


def formed_film(
    person: Person,
    condition: str,
    geometry: str,
    number: int,
    ingredients: Ingredients,
    view: View,
    rng: np.random.Generator,
    options: FilmOptions,
) -> BenchmarkFilm:
    """Make a film of ingredients as the training does, but where the view has it."""
    from ..training.films import form_film

    formed = form_film(ingredients, rng, placed=False, options=options)
    film = Film(formed.image.numpy(), view)
    lumbar_mm = formed.level_mm.sum(dim=0).numpy()
    return _benchmark_film(condition, geometry, person, number, film, lumbar_mm, formed.visible.numpy())


def ct_pairs(data: str | Path, person: Person, count: int) -> Iterator[FilmPairTruth]:
    """Draw ``count`` AP and lateral films per geometry of the whole-body CT: its own spine, bones and soft tissue.

    Args:
        data: folder with ``whole-body-ct``.
        person: its landmarks.
        count: film pairs per geometry, each with another exposure.
    """
    volumes = read_ct(data)
    for geometry in GEOMETRIES:
        for number in range(count):
            yield ct_pair(volumes, person, geometry, number)


def read_ct(data: str | Path) -> tuple[Volume, Volume]:
    """Read the whole-body CT and its vertebra masks from the folder of open data; raises VolumeError."""
    folder = Path(data) / "whole-body-ct"
    return read_volume(folder / "example_ct.nii.gz"), read_volume(folder / "example_ct_totalseg_vertebrae.nii.gz")


def ct_pair(volumes: tuple[Volume, Volume], person: Person, geometry: str, number: int) -> FilmPairTruth:
    """Draw film pair ``number`` of ``ct_pairs`` in one of ``GEOMETRIES`` from what ``read_ct`` gives."""
    ct, mask = volumes
    model, angle, sdd, distance = GEOMETRIES[geometry]
    landmarks = np.stack([person.landmarks_ras_mm[level] for level in LUMBAR_LEVELS])
    rng = np.random.default_rng([*_SEED, list(GEOMETRIES).index(geometry), number])
    center = landmarks.mean(axis=(0, 1)) + rng.normal(0.0, (6.0, 6.0, 10.0))
    pair = standard_pair(
        tuple(center),
        sdd_mm=sdd,
        source_isocenter_mm=distance,
        angle_deg=angle,
        size_px=(_CT_FILM_PX, _CT_FILM_PX),
        spacing_mm=_CT_PITCH_MM,
        model=model,
    )
    drawn = draw_films(
        ct.data,
        mask.data,
        ct.ras_from_ijk,
        pair,
        seed=number,
        photons=float(np.exp(rng.uniform(np.log(2e4), np.log(1e6)))),
        compression=float(rng.uniform(0.3, 0.9)),
    )
    return tuple(
        _benchmark_film(
            CT,
            geometry,
            person,
            number,
            film,
            drawn.lumbar_mm[film.view.name],
            film.view.contains(film.view.project(landmarks)),
        )
        for film in drawn.films
    )


def _benchmark_film(condition, geometry, person, number, film, lumbar_mm, visible) -> BenchmarkFilm:
    pixels = {level: film.view.project(person.landmarks_ras_mm[level]) for level in LUMBAR_LEVELS}
    shown = dict(zip(LUMBAR_LEVELS, visible, strict=True))
    return BenchmarkFilm(
        condition, geometry, person.subject, number, film, lumbar_mm, pixels, shown, person.landmarks_ras_mm
    )


def _tissue_at(context: Context, landmarks: np.ndarray, rng: np.random.Generator) -> SoftTissue | None:
    """Return the context's body, warped and moved to where the spine is."""
    if context.tissue is None:
        return None
    warped = random_warp(context.tissue, rng)
    back = np.eye(4)
    back[:3, 3] = context.tissue.l5_center_ras_mm - landmarks[4].mean(axis=0)
    return SoftTissue(
        warped.attenuation_per_mm, warped.ijk_from_ras @ back, warped.center_ras_mm, warped.l5_center_ras_mm
    )


def _around(
    first: Surface, landmarks: np.ndarray, context: Context, rng: np.random.Generator, whole: bool
) -> list[Surface]:
    """Return T6 (C4 of a ``whole`` spine) to T12 (of L1), ribs, a sacrum and the pelvis, where they belong."""
    from ..training.posture import THORACIC_COUNT
    from ..training.thorax import ABOVE_FACTORS, TO_T6, chest_ribs, random_ribs, stacked_above

    parts, marks = stacked_above(first, landmarks, len(ABOVE_FACTORS) if whole else TO_T6)
    parts += random_ribs(marks[-2:], rng)
    # From a source of their own: the films are those of the time before they had a chest, but for that.
    parts += chest_ribs(marks[-THORACIC_COUNT:-2], rng.spawn(1)[0])
    if context.sacra:
        parts.append(_placed(context.sacra[rng.integers(len(context.sacra))], landmarks[4]))
    if context.pelvis is not None:
        parts.append(_placed(context.pelvis, landmarks[4]))
    return parts


def _placed(surface: Surface, l5: np.ndarray) -> Surface:
    """Put a surface in the sacrum's frame below the landmarks (20, 3) of L5."""
    up = l5[_SUPERIOR] - l5[_INFERIOR]
    up /= np.linalg.norm(up)
    x = np.array([1.0, 0.0, 0.0]) - up[0] * up
    x /= np.linalg.norm(x)
    lean = np.deg2rad(_SACRUM_LEAN_DEG)
    z = np.cos(lean) * up + np.sin(lean) * np.cross(up, x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    matrix[:3, 3] = l5[_INFERIOR] - _DISC_MM * (up + z) / np.linalg.norm(up + z)
    return Surface(transform_points(matrix, surface.points_ras_mm), surface.faces)
