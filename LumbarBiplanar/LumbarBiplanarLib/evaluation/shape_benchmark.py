"""The table of the shape model: generalisation to people left out, compactness and specificity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..files import rounded, write_table
from ..shape.metrics import GeneralizationRow, compactness, generalization, specificity
from ..shape.pipeline import Collection, collect_open_data

Progress = Callable[[str, int, int], None]


def benchmark_shape(
    output_csv: str | Path,
    data: str | Path,
    *,
    subjects: Sequence[str] | None = None,
    mode_counts: Sequence[int | None] = (None,),
    samples: int = 50,
    progress: Progress | None = None,
) -> tuple[list[GeneralizationRow], dict[str, str]]:
    """Leave people out in turn and write one row per vertebra, number of modes and region.

    Args:
        output_csv: table to write; replaced if it exists.
        data: the folder of open data (docs/shape-model.md).
        subjects: whom to leave out; None for everybody.
        mode_counts: fits with only the first so many modes; None for all.
        samples: random vertebrae for the specificity.
        progress: called with (what, done, of how many).

    Returns:
        The rows, and compactness and specificity of the model of everybody as text by name.

    Raises:
        ShapeModelError: if data is missing or a subject unknown.
    """
    collection = collect_open_data(data, include_sample=True, progress=progress)
    rows = list(generalization(collection, subjects=subjects, mode_counts=mode_counts, progress=progress))
    write_table(output_csv, GeneralizationRow, rows, rounded(4))
    return rows, whole_model_figures(collection, samples)


def whole_model_figures(collection: Collection, samples: int = 50) -> dict[str, str]:
    """Return compactness and specificity of the model of everybody in the collection, as text by name."""
    model = collection.build()
    share = compactness(model)
    counts = [int(np.searchsorted(share, limit)) + 1 for limit in (0.5, 0.9, 0.95)]
    drawn = specificity(model, collection, samples=samples)
    shares = zip((50, 90, 95), counts, strict=True)
    return {
        "compactness": ", ".join(f"{limit} % of the variance in {n} modes" for limit, n in shares),
        "specificity": f"mean {drawn.mean():.2f} mm over {samples} random vertebrae",
    }
