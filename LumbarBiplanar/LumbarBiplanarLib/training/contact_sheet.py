"""A picture of what films are made of: one film without anything, and the same with each ingredient of it alone."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from ..files import atomic_path
from ..network.model import VIEW_NAMES
from .films import form_film
from .ingredients import Ingredients, load_ingredients
from .options import FilmOptions

_COLUMNS, _MARGIN_PX, _TITLE_PX, _TILE_PX = 9, 4, 14, (130, 190)
# What is not a share, and how strong it is on the sheet; what the plain film has or cannot be shown alone is left out.
_STRENGTHS = {"clips": 6.0, "gamma": 0.7}
_LEFT_OUT = ("empty", "scale_sd", "turn_sd_deg", "bending")
# With another random body, bones of even density, and so on: what is on in the plain film is switched off.
_ALWAYS = ("cortex", "texture", "tissue", "compress")


def sheet_options() -> dict[str, FilmOptions]:
    """Return the films of a sheet: "plain", then each ingredient alone ("no ...": left out)."""
    plain = replace(FilmOptions.clean(), compress=1.0)
    sheet = {"plain": plain}
    for field in fields(FilmOptions):
        if field.name in _ALWAYS:
            sheet[f"no {field.name}"] = replace(plain, **{field.name: 0.0})
        elif field.name not in _LEFT_OUT:
            sheet[field.name] = replace(plain, **{field.name: _STRENGTHS.get(field.name, 1.0)})
    return sheet | {"all, as trained": FilmOptions(), "hard": FilmOptions.hard()}


def draw_contact_sheet(path: str | Path, ingredients: str | Path, seed: int) -> None:
    """Write the sheet, AP above lateral, as a PNG.

    Args:
        path: the file.
        ingredients: file of one spine of a pool.
        seed: of everything random; the same for all films, so that they differ in one thing.

    Raises:
        StudyError: if ``ingredients`` is no such file.
        OutputError: if the sheet cannot be written.
    """
    from PIL import Image, ImageDraw

    options = sheet_options()
    rows = -(-len(options) // _COLUMNS)
    step = (_TILE_PX[0] + _MARGIN_PX, _TILE_PX[1] + _TITLE_PX + _MARGIN_PX)
    sheet = Image.new("L", (_COLUMNS * step[0], len(VIEW_NAMES) * rows * step[1]), 255)
    draw = ImageDraw.Draw(sheet)
    for block, view in enumerate(VIEW_NAMES):
        parts = load_ingredients(ingredients, view)
        for number, (name, chosen) in enumerate(options.items()):
            at = (number % _COLUMNS * step[0], (block * rows + number // _COLUMNS) * step[1])
            draw.text(at, name, fill=0)
            tile = Image.fromarray(_film(parts, chosen, seed)).resize(_TILE_PX, Image.Resampling.BILINEAR)
            sheet.paste(tile, (at[0], at[1] + _TITLE_PX))
    with atomic_path(path) as temporary:
        sheet.save(temporary, "PNG")


def _film(parts: Ingredients, options: FilmOptions, seed: int) -> np.ndarray:
    """Return a film (h, w) as grey values."""
    image = form_film(parts, np.random.default_rng(seed), placed=False, options=options).image.numpy()
    return (np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)
