"""``lumbar-biplanar geometry``: what film files say of how they were taken, number by number, as a geometry.json."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .replacing import check_replaceable
from .terminal import print_table, warn

if TYPE_CHECKING:
    from ..geometry import FilmPair, GeometrySettings
    from ..imaging import Film

SUMMARY = "write geometry.json from what film files state, or change numbers of one"
EPILOG = """\
examples:
  lumbar-biplanar geometry --ap ap.dcm --lateral lateral.dcm --output geometry.json
  lumbar-biplanar geometry --ap pa.png --lateral lateral.png --set AP.left_side=left focal_mm=1150 \\
      isocenter_mm=950 spacing_x_mm=0.143 spacing_y_mm=0.143 calibrated=yes --output geometry.json
  lumbar-biplanar geometry --geometry geometry.json                 print the numbers, and where each came from

A number is KEY=VALUE for both films, AP.KEY=VALUE or lateral.KEY=VALUE for one of them. What the files do not state
and nobody gives is assumed and marked so. Say calibrated=yes only if distances and pixel sizes were measured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``geometry`` to a parser."""
    parser.add_argument("--ap", type=Path, metavar="FILM", help="AP film (or PA film), for what its file states")
    parser.add_argument("--lateral", type=Path, metavar="FILM", help="lateral film")
    parser.add_argument("--geometry", type=Path, metavar="JSON", help="geometry to start from, instead of the films")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="numbers to set, those of docs/geometry.md"
    )
    parser.add_argument("--output", type=Path, metavar="JSON", help="file for the geometry; an earlier one is replaced")
    parser.add_argument("--force", action="store_true", help="let --output replace a file that holds no geometry")


def run(args: argparse.Namespace) -> int:
    """Run ``geometry``."""
    from ..geometry import save_geometry

    settings, films = _start(args)
    settings = _with_all(settings, args.set)
    # Written first: whoever asked for a file that cannot be written need not read a table before being told.
    if args.output is not None:
        if not args.force:
            check_replaceable(args.output, _holds_geometry, "geometry", "--output")
        save_geometry(settings.to_pair(), args.output)
    _show(settings)
    warn([*settings.warnings(), *_notes(films, settings.to_pair())])
    if args.output is not None:
        print(f"Written to {args.output}")
    return 0


def _notes(films: list[Film], pair: FilmPair) -> list[str]:
    """Return what is to be said of films that get a geometry, each note with the name of its file."""
    from ..imaging import notes_on_pair, notes_on_view

    notes = list(notes_on_pair(*(film.facts for film in films), pair.simultaneous)) if films else []
    for film, view in zip(films, pair.views if films else (), strict=True):
        # Some notes name their file themselves.
        own = (*film.remarks, *notes_on_view(film.facts, view))
        notes += [f"{film.path.name}: {note.removeprefix(f'{film.path.name}: ')}" for note in own]
    return notes


def _start(args: argparse.Namespace) -> tuple[GeometrySettings, list[Film]]:
    from ..errors import StudyError
    from ..geometry import GeometrySettings, load_geometry, standard_settings
    from ..imaging import read_film_alone

    films = {"AP": args.ap, "lateral": args.lateral}
    given = [path for path in films.values() if path is not None]
    if len(given) != (2 if args.geometry is None else 0):
        raise StudyError("Give both films (--ap, --lateral), or the geometry to start from (--geometry).")
    if args.geometry is not None:
        return GeometrySettings.from_pair(load_geometry(args.geometry), args.geometry.name), []
    read = [read_film_alone(path, name) for name, path in films.items()]
    return standard_settings(*(film.facts for film in read)), read


def _with_all(settings: GeometrySettings, assignments: list[str]) -> GeometrySettings:
    """Return the settings with all numbers set; one that another of them forbids as it was waits for that."""
    from ..errors import GeometryError

    # A film that is turned over takes its principal point with it; one that is set holds for the film as it is stored.
    waiting = sorted(assignments, key=lambda assignment: "left_side=" not in assignment)
    while waiting:
        refused: dict[str, GeometryError] = {}
        for assignment in waiting:
            try:
                settings = _changed(settings, assignment)
            except GeometryError as error:
                refused[assignment] = error
        if len(refused) == len(waiting):
            raise refused[waiting[0]]
        waiting = list(refused)
    return settings


def _changed(settings: GeometrySettings, assignment: str) -> GeometrySettings:
    from ..errors import StudyError
    from ..geometry.settings import KEYS, PAIR_KEYS

    place, equals, text = assignment.partition("=")
    name, dot, key = place.strip().rpartition(".")
    names = {view.name.lower(): view.name for view in settings.pair.views}
    if not equals or key not in KEYS or (dot and (key in PAIR_KEYS or name.lower() not in names)):
        raise StudyError(
            f"--set {assignment}: not a number of a geometry; write KEY=VALUE, AP.KEY=VALUE or lateral.KEY=VALUE with "
            f"one of {', '.join(KEYS)}; {', '.join(PAIR_KEYS)} are of both films."
        )
    chosen = [None] if key in PAIR_KEYS else [names[name.lower()]] if dot else list(names.values())
    for view_name in chosen:
        settings = settings.edited(key, view_name, text)
    return settings


def _show(settings: GeometrySettings) -> None:
    from ..geometry.settings import KEYS, PAIR_KEYS

    rows = []
    for key in KEYS:
        if key in PAIR_KEYS:
            rows.append((key, settings.text(key), "", settings.where_from(key)))
            continue
        origins = [settings.where_from(key, view.name) for view in settings.pair.views]
        where = origins[0] if origins[0] == origins[1] else "AP: {}; lateral: {}".format(*origins)
        rows.append((key, *(settings.text(key, view.name) for view in settings.pair.views), where))
    print_table("Geometry", ("", "AP", "lateral", "where from"), rows, texts=(0, 3))


def _holds_geometry(path: Path) -> bool:
    from ..errors import LumbarBiplanarError
    from ..geometry import load_geometry

    try:
        load_geometry(path)
    except LumbarBiplanarError:
        return False
    return True
