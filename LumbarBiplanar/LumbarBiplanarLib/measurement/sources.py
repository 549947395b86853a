"""Where the definitions of the quantities come from; docs/measurements.md discusses them."""

from __future__ import annotations

_COBB = "Planes of Cobb's method; radiograph against software differs by a median of 1.84° for L1-L5 (Cina 2021)"
_FRAME = "Vertebral frame of Stokes et al., SRS working group, Spine 1994;19:236-248"
_DISCS = "Variants compared in 130 patients: Thieme a-1994-0879; they differ by more than 2 mm and must not be mixed"
# By the beginning of the key; the longest that fits counts.
_SOURCES = {
    "lordosis": _COBB,
    "segmental_cobb": f"{_COBB}; 12 surgeons differ by an SD of 2.0-2.1° (PubMed 15385876)",
    "disc_angle": _COBB,
    "coronal_cobb": "Cobb's method, end vertebrae by the largest angle (arXiv 2405.19645); side and apex: SRS glossary",
    "axial_rotation": _FRAME,
    "intervertebral_axial_rotation": _FRAME,
    "wedge": _FRAME,
    "slip": "Measured in 3D, where beam obliquity does not inflate it (Wall & Oppenheim 1995)",
    "slip_percent": "McCarty 2009: posterior border to posterior border over superior border",
    "meyerding_grade": "Meyerding's quarters; two readers differ by 1.3 ± 1.1 mm (Eur J Radiol 1994;18:227)",
    "lateral_listhesis_centres": _FRAME,
    "disc_height": _DISCS,
    "body_height": _FRAME,
}


def source_of(key: str) -> str:
    """Return where the definition of a quantity comes from, or an empty text for one that needs no source.

    Args:
        key: that of a :class:`~.results.Measurement`.
    """
    fitting = [start for start in _SOURCES if key == start or key.startswith(f"{start}_")]
    return _SOURCES[max(fitting, key=len)] if fitting else ""
