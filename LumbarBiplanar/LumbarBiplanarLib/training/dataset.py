"""An endless stream of training films from a pool of ingredients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..errors import StudyError
from ..network.model import VIEW_NAMES
from ..network.preprocess import network_channels
from .films import cropped, form_film
from .ingredients import load_ingredients
from .options import FilmOptions, window_px

VALIDATION_EVERY = 50


def pool_files(pool: str | Path, held_out: bool = False) -> list[Path]:
    """Return the ingredients of a pool that may be trained on, all but every fiftieth, or those held out.

    Raises:
        StudyError: if there are none.
    """
    files = sorted(Path(pool).glob("[0-9]*.npz"))
    if not files:
        raise StudyError(f"{pool}: no ingredients of training films here; build the pool first.")
    chosen = [path for path in files if bool(int(path.stem) % VALIDATION_EVERY) is not held_out]
    return chosen or files


class FilmStream(IterableDataset):
    """Films of random spines of a pool, each different; every fiftieth spine is held out, for validation.

    Yields (channels (3, h, w), view (), level_mm (5, h, w), landmarks_px (5, 20, 2), visible (5, 20)).
    """

    def __init__(
        self,
        pool: str | Path,
        seed: int,
        films: FilmOptions | None = None,
        *,
        held_out: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        """Stream the films of ``pool``, or of what is held out; ``seed`` and the number of the worker determine them.

        ``films`` says what they are made with; None means the training's. They are formed on ``device``, and yielded on
        the CPU.
        """
        self.files = pool_files(pool, held_out)
        self.seed, self.films, self.device = seed, films, device

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        worker = get_worker_info()
        if worker is not None:
            torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, worker.id if worker is not None else 0])
        while True:
            path, view = self.files[rng.integers(len(self.files))], int(rng.integers(2))
            ingredients = load_ingredients(path, VIEW_NAMES[view])
            whole = form_film(ingredients, rng, options=self.films, device=self.device)
            film = cropped(whole, rng, window_px(ingredients.pitch_mm))
            channels = network_channels(film.image[None, None])[0].cpu()
            yield channels, torch.tensor(view), film.level_mm.cpu(), film.landmarks_px, film.visible
