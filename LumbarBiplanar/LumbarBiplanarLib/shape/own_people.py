"""People of the user's own: label masks, one per person, and surfaces, one per vertebra."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..anatomy import LUMBAR_LEVELS, Level, parse_level
from ..errors import ShapeModelError
from ..imaging import Volume
from .label_masks import VERSE_LABELS, Note, read_labels, told_labels
from .sources import Specimen, mask_specimens
from .surfaces import largest_component, oriented_alike, oriented_outward, read_surface

_MESH_NAME = re.compile(r"(?:(?P<person>.+?)[ _.-]+)?(?P<level>L[1-5])", re.IGNORECASE)
_VOLUME_TYPE = re.compile(r"(\.seg)?\.(nii\.gz|nii|nrrd|nhdr|mha|mhd)$", re.IGNORECASE)
# A vertebra's longest side is 80 to 120 mm; outside this range the unit is not mm or the label not one vertebra.
_EXTENT_MM = (45.0, 180.0)

Progress = Callable[[str, int, int], None]


def read_people(
    masks: Sequence[str | Path] = (),
    meshes: Sequence[str | Path] = (),
    *,
    labels: Mapping[Level, int] | None = None,
    lps: bool = False,
    leave_out: Collection[str] = (),
    note: Note = lambda text: None,
    progress: Progress = lambda what, done, count: None,
) -> list[Specimen]:
    """Read people's vertebrae.

    Args:
        masks: label volumes, one file per person. The person is called like the file up to the first dot, or, where
            several files have one name, like the whole file without its type, or like folder and file ("case1/seg").
        meshes: surfaces, one file per vertebra, called PERSON_LEVEL (``smith_L3.stl``), or LEVEL in the folder of the
            person (``smith/L3.stl``); mm, axes roughly RAS. Where several people have one name, that of the folder goes
            before it.
        labels: {level: value of its label}; None tells VerSe's from TotalSegmentator's by the labels of each mask.
        lps: the meshes that state no frame are LPS instead of RAS.
        leave_out: vertebrae that must not be in the model, PERSON or PERSON:LEVEL.
        note: called with a line for everything that is there but not used.
        progress: called with (what, done, of how many).

    Raises:
        ShapeModelError: if a file cannot be read, has no usable name or size, one vertebra is there twice, or something
            to leave out is not there.
    """
    found: list[Specimen] = []
    named, count = _mesh_names([Path(path) for path in meshes]), len(masks) + len(meshes)
    for done, (path, person) in enumerate(zip(masks, _names([Path(path) for path in masks]), strict=True)):
        progress(person, done, count)
        volume = read_labels(path)
        chosen = labels or _told_or_verse(volume)
        own = mask_specimens(volume, person, chosen, note=note)
        if not own:
            wanted = ", ".join(f"{level.name}={label}" for level, label in chosen.items())
            note(f"{path}: no whole lumbar vertebra with the labels {wanted}; --labels names others")
        found.extend(own)
    for done, (path, (person, level)) in enumerate(zip(meshes, named, strict=True), start=len(masks)):
        progress(f"{person} {level.name}", done, count)
        surface = largest_component(read_surface(path, lps=lps))
        found.append(Specimen(person, level, oriented_outward(oriented_alike(surface))))
    double = [name for name, times in Counter(item.name for item in found).items() if times > 1]
    if double:
        raise ShapeModelError(f"{double[0]} is there more than once; give every vertebra of a person once.")
    for item in found:
        _check_extent(item)
    kept = _without(found, leave_out)
    _check_copies(kept)
    return kept


def check_enough(specimens: Sequence[Specimen]) -> None:
    """Raise ShapeModelError if no level has the sound vertebrae of two people, before minutes go into the others."""
    if not specimens:
        return  # told where they are brought into correspondence
    sound = [item for item in specimens if not item.fractured]
    if max(Counter(item.level for item in sound).values(), default=0) < 2:
        people = ", ".join(sorted({item.subject for item in sound})) or "nobody"
        raise ShapeModelError(
            f"A shape model needs a level of which two people have a vertebra; there are vertebrae of {people}. Give "
            "more people."
        )


def _told_or_verse(volume: Volume) -> Mapping[Level, int]:
    try:
        return told_labels(volume)
    except ShapeModelError:
        return VERSE_LABELS


def _names(paths: Sequence[Path]) -> list[str]:
    names = [path.name.split(".")[0] for path in paths]
    names = _told_apart(names, [_VOLUME_TYPE.sub("", path.name) for path in paths])
    names = _told_apart(
        names, [f"{path.resolve().parent.name}/{name}" for path, name in zip(paths, names, strict=True)]
    )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ShapeModelError(f"Two masks are of a person called {twice[0]}; rename a file or its folder.")
    return names


def _told_apart(names: Sequence[str], longer: Sequence[str]) -> list[str]:
    """Return the names, and the longer ones in place of those that several have."""
    times = Counter(names)
    return [long if times[name] > 1 else name for name, long in zip(names, longer, strict=True)]


def _mesh_names(paths: Sequence[Path]) -> list[tuple[str, Level]]:
    """Return whose vertebra each surface is, and which."""
    found = []
    for path in paths:
        match, folder = _MESH_NAME.fullmatch(path.stem), path.resolve().parent.name
        if match is None or not (match["person"] or folder):
            raise ShapeModelError(
                f"{path}: the name does not say whose vertebra it is; call it PERSON_L1 to PERSON_L5, or L1 to L5 in a "
                "folder called like the person."
            )
        found.append((match["person"] or folder, parse_level(match["level"].upper())))
    shared = {person for (person, _), times in Counter(found).items() if times > 1}
    return [
        (f"{_folder_of(path, person)}/{person}" if person in shared else person, level)
        for path, (person, level) in zip(paths, found, strict=True)
    ]


def _folder_of(path: Path, person: str) -> str:
    parent = path.resolve().parent
    return parent.parent.name if parent.name == person else parent.name


def _check_copies(specimens: Sequence[Specimen]) -> None:
    """Raise ShapeModelError if the same vertebra is there under two names: it would count as two people."""
    known: dict[tuple[Level, bytes], Specimen] = {}
    for item in specimens:
        twin = known.setdefault((item.level, item.surface.points_ras_mm.tobytes()), item)
        if twin is not item:
            raise ShapeModelError(
                f"{twin.name} and {item.name} are the same surface: one person given twice counts as two. Leave one "
                f"out (--leave-out {item.subject})."
            )


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
