"""The sample study's films as nodes, and small drawn films, for the tests of the film nodes."""

from __future__ import annotations

import numpy as np

from LumbarBiplanarLib.geometry import load_geometry, standard_pair
from LumbarBiplanarLib.imaging import Film, read_film

SIZE = (40, 30)
PAIR = standard_pair((4.0, 20.0, -30.0), angle_deg=80.0, size_px=(SIZE, (36, 30)), spacing_mm=0.5)


def small_film(view, seed=0, **options) -> Film:
    """A film of 12-bit noise for a view."""
    values = np.random.default_rng(seed).integers(0, 4096, view.shape).astype(np.float32)
    return Film(values, view, **options)


def small_films() -> tuple[Film, Film]:
    """AP and lateral films of noise."""
    return small_film(PAIR.ap, 1, remarks=("a note",)), small_film(PAIR.lateral, 2)


def sample_films(folder) -> tuple[Film, Film]:
    """The sample study's films."""
    pair = load_geometry(folder / "geometry.json")
    return read_film(folder / "ap.png", pair.ap), read_film(folder / "lateral.png", pair.lateral)
