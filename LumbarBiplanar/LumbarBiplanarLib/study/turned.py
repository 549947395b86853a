"""Whether the patient may have stood turned in the films, which bends projected angles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..measurement import Measurement, Measurements, PatientFrame, Vertebra, measure

# Of 5 degrees a lordosis of 50 makes a Cobb angle of some 5, half of what is called a scoliosis.
_TURNED_DEG = 5.0


def turned_hint(vertebrae: Sequence[Vertebra], measurements: Measurements) -> str:
    """Return a sentence if all vertebrae are turned to one side, about as much as a patient who stood turned.

    Lordosis and the coronal Cobb angle are projected on the axes of the films, as a reader of the films sees them. In
    a patient who stood turned a part of the lordosis comes out as a curve in the coronal plane; axes that are turned
    along tell how large it would be without. A scoliosis turns its vertebrae as well, so which it is remains open.

    Args:
        vertebrae: what was measured.
        measurements: measured in the axes of the films.

    Returns:
        The sentence with both figures, or an empty text.
    """
    turns = [item.value for item in measurements if item.key == "axial_rotation"]
    if len(turns) < 2 or abs(np.mean(turns)) < _TURNED_DEG or max(turns) * min(turns) <= 0:
        return ""
    mean = float(np.mean(turns))
    along = measure(vertebrae, PatientFrame.world().turned(mean))
    pairs = (
        (item, along.find(item.key)) for item in map(measurements.find, ("lordosis_l1_l5", "coronal_cobb")) if item
    )
    figures = [_compared(item, other) for item, other in pairs if other is not None]
    return (
        f"The vertebrae are turned in the films by {abs(mean):.0f} degrees on average, their fronts to the patient's "
        f"{'left' if mean > 0 else 'right'}: the patient stood turned, or the spine is. Axes turned along give "
        f"{' and '.join(figures) or 'other projected angles'}; use these if the patient stood turned."
    )


def _compared(item: Measurement, other: Measurement) -> str:
    name = "a lordosis" if item.key.startswith("lordosis") else "a Cobb angle"
    return f"{name} {other.level} of {other.value:.0f} degrees (here {item.level}: {item.value:.0f})"
