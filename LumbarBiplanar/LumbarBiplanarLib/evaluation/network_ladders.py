"""Ladders: one plain film made worse step by step, to see where the network fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..anatomy import LUMBAR_LEVELS
from ..imaging import Film
from ..training.anatomy import Context
from ..training.options import PITCH_MM, FilmOptions
from .network_films import DRAWN_PITCH_MM, BenchmarkFilm, Person, drawn_ingredients, formed_film

_SEED = (8, 88, 888, 8888)
_GEOMETRY = "pinhole 90"
# Standard deviation of the noise as a share of the film's range; blur in mm at the detector; share of the contrast
# that is left, at 8 bits; how many levels are cut off at the top; how many times implants were put in.
STEPS: dict[str, tuple[float, ...]] = {
    "noise": (0.02, 0.05, 0.1, 0.2),
    "blur": (0.5, 1.0, 2.0, 3.0),
    "contrast": (0.5, 0.2, 0.1, 0.05),
    "truncation": (1, 2, 3),
    "implants": (1, 2, 3),
}
_FILM_PX = PITCH_MM / DRAWN_PITCH_MM
_GREY_LEVELS = 255.0
_ABOVE_LEVEL_MM = 22.0


def ladder_films(person: Person, context: Context, count: int) -> Iterator[BenchmarkFilm]:
    """Draw ``count`` pairs of films and yield each film plain and at every step of every ladder.

    Args:
        person: with all five levels.
        context: what is put around the spine.
        count: film pairs.
    """
    import torch

    from ..training.artefacts import implants

    plain = replace(FilmOptions.clean(), scatter=1.0, compress=1.0)
    for number in range(count):
        rng = np.random.default_rng([*_SEED, number, *person.subject.encode()])
        ingredients, pair = drawn_ingredients(person, context, _GEOMETRY, rng, with_tissue=bool(number % 2))
        for parts, view in zip(ingredients, pair.views, strict=True):
            state = rng.bit_generator.state
            film = formed_film(person, "plain", _GEOMETRY, number, parts, view, rng, plain)
            yield film
            for ladder in ("noise", "blur", "contrast", "truncation"):
                for step in STEPS[ladder]:
                    yield _worse(film, ladder, step)
            for step in STEPS["implants"]:
                rng.bit_generator.state = state
                landmarks = torch.from_numpy(np.stack([film.landmarks_px[level] for level in LUMBAR_LEVELS]))
                metal = sum(implants(rng, landmarks, view.shape, view.name, _FILM_PX) for _ in range(int(step)))
                # Metal on a film with bone bright: towards white, as the density adds up and is then clipped.
                yield _with_pixels(film, f"implants {step:g}", film.film.pixels + metal.numpy())


def _worse(film: BenchmarkFilm, ladder: str, step: float) -> BenchmarkFilm:
    pixels, name = np.array(film.film.pixels, dtype=np.float32), f"{ladder} {step:g}"
    spread = float(np.ptp(pixels))
    if ladder == "noise":
        rng = np.random.default_rng([*_SEED, round(1000 * step)])
        return _with_pixels(film, name, pixels + spread * rng.normal(0.0, step, pixels.shape).astype(np.float32))
    if ladder == "blur":
        from scipy.ndimage import gaussian_filter

        return _with_pixels(film, name, gaussian_filter(pixels, step / DRAWN_PITCH_MM, mode="nearest"))
    if ladder == "contrast":
        rng = np.random.default_rng([*_SEED, round(1000 * step)])
        grey = (pixels - pixels.min()) / spread * step * _GREY_LEVELS
        return _with_pixels(film, name, np.round(grey + rng.normal(0.0, 1.0, grey.shape)).astype(np.float32))
    return _cut_above(film, int(step), name)


def _with_pixels(film: BenchmarkFilm, condition: str, pixels: np.ndarray) -> BenchmarkFilm:
    return replace(film, condition=condition, film=Film(pixels.astype(np.float32), film.film.view))


def _cut_above(film: BenchmarkFilm, levels: int, condition: str) -> BenchmarkFilm:
    """Return the film without what is above the disc below the first ``levels`` levels."""
    first = LUMBAR_LEVELS[levels]
    top = film.landmarks_px[first][0, 1] - 0.2 * _ABOVE_LEVEL_MM / DRAWN_PITCH_MM
    row = int(np.clip(top, 0, film.film.view.size_px[1] - 32))
    cut = film.film.cropped(0, row, film.film.view.size_px[0], film.film.view.size_px[1] - row)
    landmarks = {level: marks - (0.0, row) for level, marks in film.landmarks_px.items()}
    visible = {level: film.visible[level] & cut.view.contains(landmarks[level]) for level in LUMBAR_LEVELS}
    return replace(
        film, condition=condition, film=cut, lumbar_mm=film.lumbar_mm[row:], landmarks_px=landmarks, visible=visible
    )
