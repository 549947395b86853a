"""People of the user's own: label masks, one per person, and surfaces, one per vertebra."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..anatomy import LUMBAR_LEVELS, Level, parse_level
from ..errors import ShapeModelError
from ..imaging import Volume
from .label_masks import VERSE_LABELS, Note, read_labels, told_labels
from .sources import Specimen, mask_specimens
from .surfaces import largest_component, oriented_alike, oriented_outward, read_surface

_MESH_NAME = re.compile(r"(?P<person>.+?)[ _.-]+(?P<level>L[1-5])", re.IGNORECASE)
# A vertebra's longest side is 80 to 120 mm; outside this range the unit is not mm or the label not one vertebra.
_EXTENT_MM = (45.0, 180.0)


def read_people(
    masks: Sequence[str | Path] = (),
    meshes: Sequence[str | Path] = (),
    *,
    labels: Mapping[Level, int] | None = None,
    lps: bool = False,
    leave_out: Collection[str] = (),
    note: Note = lambda text: None,
) -> list[Specimen]:
    """Read people's vertebrae.

    Args:
        masks: label volumes, one file per person. The person is called like the file up to the first dot, or, where
            several files have one name, like folder and file ("case1/seg").
        meshes: surfaces, one file per vertebra, called PERSON_LEVEL: ``smith_L3.stl``. mm, axes roughly RAS.
        labels: {level: value of its label}; None tells VerSe's from TotalSegmentator's by the labels of each mask.
        lps: the meshes that state no frame are LPS instead of RAS.
        leave_out: vertebrae that must not be in the model, PERSON or PERSON:LEVEL.
        note: called with a line for everything that is there but not used.

    Raises:
        ShapeModelError: if a file cannot be read, has no usable name or size, or something to leave out is not there.
    """
    found: list[Specimen] = []
    for path, person in zip(masks, _names([Path(path) for path in masks]), strict=True):
        volume = read_labels(path)
        chosen = labels or _told_or_verse(volume)
        own = mask_specimens(volume, person, chosen, note=note)
        if not own:
            wanted = ", ".join(f"{level.name}={chosen[level]}" for level in LUMBAR_LEVELS)
            note(f"{path}: no whole lumbar vertebra with the labels {wanted}; --labels names others")
        found.extend(own)
    found.extend(_mesh_specimen(Path(path), lps) for path in meshes)
    double = [name for name, times in Counter(item.name for item in found).items() if times > 1]
    if double:
        raise ShapeModelError(f"{double[0]} is there more than once; give every vertebra of a person once.")
    for item in found:
        _check_extent(item)
    return _without(found, leave_out)


def _told_or_verse(volume: Volume) -> Mapping[Level, int]:
    try:
        return told_labels(volume)
    except ShapeModelError:
        return VERSE_LABELS


def _names(paths: Sequence[Path]) -> list[str]:
    short = [path.name.split(".")[0] for path in paths]
    times = Counter(short)
    names = [
        name if times[name] == 1 else f"{path.resolve().parent.name}/{name}"
        for name, path in zip(short, paths, strict=True)
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ShapeModelError(f"Two masks are of a person called {twice[0]}; rename a file or its folder.")
    return names


def _mesh_specimen(path: Path, lps: bool) -> Specimen:
    match = _MESH_NAME.fullmatch(path.stem)
    if match is None:
        raise ShapeModelError(f"{path}: the name does not say whose vertebra it is; call it PERSON_L1 to PERSON_L5.")
    surface = oriented_outward(oriented_alike(largest_component(read_surface(path, lps=lps))))
    return Specimen(match["person"], parse_level(match["level"].upper()), surface)


def _check_extent(specimen: Specimen) -> None:
    points = specimen.surface.points_ras_mm
    longest = float((points.max(axis=0) - points.min(axis=0)).max())
    if not _EXTENT_MM[0] < longest < _EXTENT_MM[1]:
        raise ShapeModelError(
            f"{specimen.name} is {longest:.3g} mm long; a vertebra has 80 to 120 mm. Check that the unit is mm and "
            "that the label is one whole vertebra."
        )


def _without(specimens: list[Specimen], leave_out: Collection[str]) -> list[Specimen]:
    """Return the specimens without people left out; single vertebrae left out stay, marked as fractured."""
    people, single = set(), set()
    for text in leave_out:
        person, _, level = text.rpartition(":")
        if level in {known.name for known in LUMBAR_LEVELS} and person:
            single.add((person, parse_level(level)))
        else:
            people.add(text)
    unknown = people - {item.subject for item in specimens}
    unknown |= {
        f"{person}:{level.name}"
        for person, level in single - {(item.subject, item.level) for item in specimens}
    }  # fmt: skip
    if unknown:
        there = ", ".join(sorted({item.subject for item in specimens}))
        raise ShapeModelError(f"Nothing called {', '.join(sorted(unknown))} to leave out; there are {there}.")
    kept = [item for item in specimens if item.subject not in people]
    return [replace(item, fractured=item.fractured or (item.subject, item.level) in single) for item in kept]
