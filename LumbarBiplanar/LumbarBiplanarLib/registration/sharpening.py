"""A network's lumbar-only image with the outlines of the film itself.

A network draws bone where it most probably is: its image is right over a centimetre and soft over a millimetre. The
film has the outlines sharp, but bone on it is in an unknown unit and among other things. So what varies over short
distances is taken from the film, in the unit that the network's image gives it there, and all else from the network.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry import View
from ..imaging import resample_image
from ..network.first_stage import patient_pixel_mm

# Distances are mm of the object plane: what varies over less is the film's; what tells the film's unit; where the unit
# is the same.
_SHORT_MM, _UNIT_MM, _ALIKE_MM = 2.5, 8.0, 25.0
# Correlation of both from which the film is believed in full.
_ALIKE = 0.25
# A film's own outlines reach this far from bone, and thinner bone has none to speak of.
_REACH_MM, _LEAST_BONE_MM = 3.0, 3.0
# The film changes the image by no more, mm of bone: metal and gas have outlines too.
_LARGEST_MM = 8.0
# Pixels of the result to one of the network's image.
_FINER = 2.0


def sharpened(density: np.ndarray, view: View, lumbar_mm: np.ndarray, lumbar_view: View) -> tuple[np.ndarray, View]:
    """Return the lumbar-only image of a film with the outlines that the film shows, and its view.

    Args:
        density: (H, W) the film, bone bright, any unit.
        view: of the film.
        lumbar_mm: (h, w) its lumbar-only image, mm of bone.
        lumbar_view: of that.
    """
    fine = lumbar_view.resampled(np.asarray(lumbar_view.spacing_mm) / _FINER)
    bone = np.clip(resample_image(lumbar_mm, lumbar_view, fine, outside=0.0), 0.0, None).astype(np.float64)
    if not (bone > _LEAST_BONE_MM).any():
        return bone.astype(np.float32), fine
    # What distances are compared with need be known no better.
    pixel_mm = np.array(patient_pixel_mm(fine))
    near = ndimage.distance_transform_edt(bone <= _LEAST_BONE_MM, sampling=pixel_mm[::-1]) <= _REACH_MM
    rows, columns = (np.flatnonzero(near.any(axis=axis)) for axis in (1, 0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    cut = fine.cropped(columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0])
    seen = resample_image(density.astype(np.float32), view, cut).astype(np.float64)
    detail, expected = (_varying(image, near[part], pixel_mm, _SHORT_MM) for image in (seen, bone[part]))
    unit, share = _unit(seen, bone[part], near[part], pixel_mm)
    more = np.where(near[part], share * (detail * unit - expected), 0.0)
    result = bone.copy()
    result[part] += _LARGEST_MM * np.tanh(more / _LARGEST_MM)
    return result.astype(np.float32), fine


def _smooth(image: np.ndarray, sd_mm: float, pixel_mm: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(image, sd_mm / pixel_mm[::-1], truncate=3.0)


def _varying(image: np.ndarray, mask: np.ndarray, pixel_mm: np.ndarray, within_mm: float) -> np.ndarray:
    """Return what of an image varies within a distance, inside a mask; 0 outside it."""
    share = np.maximum(_smooth(mask.astype(np.float64), within_mm, pixel_mm), 1e-3)
    middle = image[mask].mean()
    return np.where(mask, image - middle - _smooth((image - middle) * mask, within_mm, pixel_mm) / share, 0.0)


def _unit(seen: np.ndarray, bone: np.ndarray, mask: np.ndarray, pixel_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mm of bone per unit of the film, pixel by pixel, and how far to believe it, 0 to 1."""
    # Neither as short that the bone is soft nor as long that soft tissue varies.
    film, known = (
        _smooth(_varying(image, mask, pixel_mm, _UNIT_MM), _SHORT_MM / 2, pixel_mm) for image in (seen, bone)
    )
    together, power, whole = (
        _smooth(first * second, _ALIKE_MM, pixel_mm) for first, second in ((film, known), (known, known), (film, film))
    )
    alike = together / np.sqrt(np.maximum(power * whole, np.finfo(float).tiny))
    share = np.clip(alike / _ALIKE, 0.0, 1.0)
    return np.divide(power, together, out=np.zeros_like(power), where=share > 0), share
