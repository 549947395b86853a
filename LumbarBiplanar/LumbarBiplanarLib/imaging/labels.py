"""What the numbers of a label mask mean."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level
from ..errors import VolumeError
from ..geometry import transform_points

# VerSe (Sekuboyina et al. 2021, doi:10.1016/j.media.2021.102166): 1-7 C, 8-19 T, 20-24 L1-L5, 25 L6, 26 sacrum,
# 27 coccyx, 28 T13. TotalSegmentator v2, task "total" (Wasserthal et al. 2023): 25 sacrum, 26 S1, 27 L5 ... 31 L1,
# 32-43 T12-T1, 44-50 C7-C1; its 1-24 are other organs.
LABELS: Mapping[str, Mapping[int, Level]] = MappingProxyType(
    {
        "verse": MappingProxyType({level.value: level for level in Level}),
        "totalseg": MappingProxyType(
            {31: Level.L1, 30: Level.L2, 29: Level.L3, 28: Level.L4, 27: Level.L5, 26: Level.S1}
        ),
    }
)
VERSE_L6 = 25
_VERSE_LAST = 28


def labels_of_levels(convention: str) -> dict[Level, int]:
    """Return {level: label} of L1 to L5, cranial first, in one of the conventions of ``LABELS``."""
    labels = {level: label for label, level in LABELS[convention].items()}
    return {level: labels[level] for level in LUMBAR_LEVELS}


def lumbar_labels(
    mask: np.ndarray,
    ras_from_ijk: np.ndarray,
    convention: str | Mapping[Level, int] | None = None,
    what: str = "The mask",
) -> dict[Level, int]:
    """Return the label number of each lumbar level that a mask holds, cranial first.

    Args:
        mask: (I, J, K) integer labels.
        ras_from_ijk: (4, 4) affine, to check that L1 is above L5.
        convention: "verse" or "totalseg", or {level: label}; None guesses, and refuses where both are possible.
        what: beginning of an error message, usually the file.

    Raises:
        VolumeError: if the convention is unknown or cannot be told, no lumbar vertebra is there, VerSe's L6 is there
            (a sixth lumbar vertebra has no level), or the levels are not in order from cranial to caudal.
    """
    if mask.dtype.kind not in "iub":
        if not np.array_equal(mask, np.round(mask)):
            raise VolumeError(f"{what} holds fractions; a label mask has one whole number per structure.")
        mask = mask.astype(np.int64)
    present = {int(label) for label in np.unique(mask)} - {0}
    if convention is None:
        convention = guess_convention(present, what)
    elif isinstance(convention, str) and convention not in LABELS:
        raise VolumeError(f"Unknown label convention {convention!r}; use one of {', '.join(LABELS)}.")
    if convention == "verse" and VERSE_L6 in present:
        raise VolumeError(
            f"{what} holds VerSe label {VERSE_L6} (L6). A spine with six lumbar vertebrae has no agreed L5; "
            "relabel the mask to five, or remove the label."
        )
    if isinstance(convention, str):
        labels = labels_of_levels(convention)
    else:
        labels, convention = convention, "given"
    found = {level: labels[level] for level in LUMBAR_LEVELS if labels.get(level) in present}
    if not found:
        raise VolumeError(f"{what} holds no lumbar vertebra in the {convention} labels; found {sorted(present)}.")
    heights = [height_mm(mask == label, ras_from_ijk) for label in found.values()]
    if any(upper <= lower for upper, lower in itertools.pairwise(heights)):
        raise VolumeError(
            f"{what}: in the {convention} labels {', '.join(level.name for level in found)} lie at "
            f"{', '.join(f'{height:.0f}' for height in heights)} mm, not in order from head to feet. "
            "State the label convention, or check the orientation of the volume."
        )
    return found


def guess_convention(present: set[int], what: str = "The mask") -> str:
    """Return "verse" or "totalseg" from the label numbers of a mask.

    VerSe masks hold 20-24 and nothing above 28; TotalSegmentator masks hold 27-31, and 20-24 are organs there.

    Raises:
        VolumeError: if neither or both are possible.
    """
    verse = any(label in present for label in range(20, 25)) and max(present, default=0) <= _VERSE_LAST
    totalseg = any(label in present for label in range(27, 32))
    if verse and not totalseg:
        return "verse"
    if totalseg and not verse:
        return "totalseg"
    reason = "fit both the VerSe and the TotalSegmentator labels" if verse else "hold no lumbar vertebra that is known"
    raise VolumeError(
        f"{what}: the labels {sorted(present)} {reason}. State the convention: 'verse' (20-24 are L1-L5) or "
        "'totalseg' (31-27 are L1-L5), or each label as L1=VALUE ... L5=VALUE."
    )


def height_mm(voxels: np.ndarray, ras_from_ijk: np.ndarray) -> float:
    """Return how high (RAS, mm) the middle of the voxels that are set lies.

    Args:
        voxels: (I, J, K) bool, at least one True.
        ras_from_ijk: (4, 4) voxel indices to RAS mm.
    """
    center = [
        float(np.average(np.arange(size), weights=voxels.sum(axis=others)))
        for size, others in zip(voxels.shape, ((1, 2), (0, 2), (0, 1)), strict=True)
    ]
    return float(transform_points(ras_from_ijk, center)[2])
