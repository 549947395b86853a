"""Films of bones without a body, as they are drawn from a segmented CT or from surfaces, get a fine grain.

What the networks see is evened out in contrast, and where a film is exactly plain there is nothing to even out: an
edge of bone then stands against a nothing that no film with a body in it shows.
"""

from __future__ import annotations

import numpy as np

# Standard deviation, in units of the stretched film, of the grain on pixels of 1 mm at the detector; found on films of
# random spines (docs/network.md).
GRAIN = 0.024
# Bones without a body leave most of the film plain, and none of them is thicker than that across the beam.
_LEAST_PLAIN_SHARE = 0.4
_WIDEST_BONE_MM = 90.0
_PLAIN_WITHIN = 1e-6
_STEP_MM = 2.0


def is_of_bones_alone(image: np.ndarray, pixel_mm: float) -> bool:
    """Return whether a film shows bones on a ground of one value instead of in a body.

    Args:
        image: (h, w) with bone bright.
        pixel_mm: at the detector.
    """
    from scipy import ndimage

    low, high = float(image.min()), float(image.max())
    plain = image <= low + _PLAIN_WITHIN * max(high - low, 1e-12)
    if plain.mean() < _LEAST_PLAIN_SHARE:
        return False
    step = max(1, round(_STEP_MM / pixel_mm))
    covered = np.pad(~plain[::step, ::step], 1)
    reach_mm = ndimage.distance_transform_edt(covered)[covered] * step * pixel_mm
    # A hundredth is left out for letters and borders.
    return bool(np.percentile(reach_mm, 99.0) < _WIDEST_BONE_MM / 2.0) if reach_mm.size else False


def grained(image: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Return a stretched film (h, w) with grain if it is of bones alone, else as it is; the same film gets the same.

    Args:
        image: of ``first_stage.stretched``, bone bright.
        pixel_mm: at the detector; finer pixels get more, so that what is left of it in coarse ones is alike.
    """
    if not is_of_bones_alone(image, pixel_mm):
        return image
    grain = np.random.default_rng(0).standard_normal(image.shape, dtype=np.float32)
    return image + np.float32(GRAIN / pixel_mm) * grain
