"""``lumbar-biplanar reconstruct``: two films to surfaces, landmarks, measurements and pictures."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import progress_bar, warn

if TYPE_CHECKING:
    from ..study.case import Case
    from ..study.run import CaseResult

SUMMARY = "two films to surfaces of L1 to L5, landmarks, measurements, overlays and a report"
DESCRIPTION = """\
Find the lumbar spine on an AP and a lateral film, fit the shape model to both, and measure L1 to L5.

The films may be 8- or 16-bit PNG or TIFF, DICOM, or a 2-D NRRD, MetaImage or NIfTI, uncropped and as large as the
geometry says. geometry.json says how they were taken (docs/geometry.md); the beams may stand at any angle."""
EPILOG = """\
examples:
  lumbar-biplanar reconstruct --ap ap.png --lateral lateral.png --geometry geometry.json --output result
      landmarks and lumbar-only images come from the network
  lumbar-biplanar reconstruct ... --output corrected --landmarks result/landmarks.json
      with landmarks that were corrected in the file of an earlier result
  lumbar-biplanar reconstruct ... --output manual --landmarks placed.json --no-network
      with landmarks placed by hand and the films as they are
  lumbar-biplanar reconstruct ... --landmarks true.json --lumbar-ap lumbar_ap.nrrd --lumbar-lateral lumbar_lateral.nrrd
      without the network

written to OUTPUT, all or nothing (docs/file-formats.md):
  L1.vtp L1.stl ... L5.vtp L5.stl    surfaces, RAS, mm
  landmarks.json                     landmarks used on each film (pixels), confidence, residual (mm)
  measurements.csv                   angles (degrees), heights, slip (mm, %), ... one quantity per line
  reconstruction.json                poses, coefficients, residuals, quality, device, seconds, versions, warnings
  overlay_ap.png overlay_lateral.png spine_3d.png
  report.html                        all of it in one file, for reading and printing"""


# Bone mineral density of the lumbar vertebrae of one person against each other.
_DENSITY_SD = 0.15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``reconstruct`` to a parser."""
    add_film_arguments(parser)
    add_geometry_arguments(parser)
    add_running_arguments(parser)
    parser.add_argument(
        "--shape-model", type=Path, metavar="FILE", help="shape model of 'shape-model build' (the module's own)"
    )


def add_geometry_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the registration may correct in the geometry."""
    wrong = parser.add_argument_group(
        "geometry that is wrong",
        "By default what the geometry file says of itself decides: a geometry that is not calibrated frees angle and\n"
        "distance, films that were not taken at once the motion. Every correction is reported with its uncertainty.",
    )
    wrong.add_argument(
        "--calibrate",
        nargs="+",
        choices=("angle", "pose", "distance", "none"),
        metavar="WHAT",
        help="correct from the films themselves: angle (between the beams, ± 3 degrees), pose (of the lateral view, "
        "± 1 degree, 1 mm), distance (source to detector, ± 20 mm); none believes the file",
    )
    wrong.add_argument(
        "--motion",
        action=argparse.BooleanOptionalAction,
        help="allow for a patient who moved between the films (± 2 mm, 1 degree)",
    )
    wrong.add_argument(
        "--density", action="store_true", help="allow each vertebra a density of its own (± 15 %%) in the images"
    )


def add_film_arguments(parser: argparse.ArgumentParser) -> None:
    """Add films, geometry and what replaces the network."""
    films = parser.add_argument_group("the case")
    films.add_argument("--ap", type=Path, required=True, metavar="FILM", help="anteroposterior film")
    films.add_argument("--lateral", type=Path, required=True, metavar="FILM", help="lateral film")
    films.add_argument(
        "--geometry", type=Path, required=True, metavar="JSON", help="geometry of the pair, as 'geometry' writes it"
    )
    films.add_argument(
        "--polarity",
        choices=("auto", "bone-bright", "bone-dark"),
        default="auto",
        help="whether bone is bright or dark in the stored values (auto: as the file states, else bright)",
    )
    films.add_argument(
        "--shift-levels",
        type=int,
        choices=(-2, -1, 1, 2),
        default=0,
        metavar="N",
        help="rename the levels that the network finds: 1 if what it calls L1 is L2, -1 if what it calls L2 is L1",
    )
    instead = parser.add_argument_group("instead of the network")
    instead.add_argument("--landmarks", type=Path, metavar="JSON", help="landmarks that replace the detected ones")
    for name in ("ap", "lateral"):
        instead.add_argument(
            f"--lumbar-{name}", type=Path, metavar="FILM", help=f"lumbar-only image of the {name} film, mm of bone"
        )
    instead.add_argument(
        "--no-network", action="store_true", help="use --landmarks, and films without a lumbar-only image as they are"
    )


def add_running_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --output, --force, --device and --weights."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the result")
    parser.add_argument("--force", action="store_true", help="replace an earlier result in a folder that is not empty")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights of the network (the module's own)")


def run(args: argparse.Namespace) -> int:
    """Run ``reconstruct``."""
    from ..study.output import output_folder
    from ..study.quality_text import quality_sentences
    from ..study.results import FILES, write_result

    with output_folder(args.output, force=args.force, owned=FILES) as folder:
        case = case_of(args)
        result = run_with_progress(case, args, shape_model=args.shape_model)
        seconds = write_result(result, folder)
    warn([*quality_sentences(result.quality), *result.warnings])
    print(_summary(result, seconds, args.output))
    return 0


def case_of(args: argparse.Namespace) -> Case:
    """Read the case that the arguments of :func:`add_film_arguments` name; errors as ``study.case.load_case``.

    Raises:
        StudyError: if arguments contradict each other, such as levels to be renamed that the network did not find.
        WeightsError: if there is no such weights file.
    """
    from ..imaging import Polarity
    from ..study.case import load_case

    _check_arguments(args)
    return load_case(
        args.ap,
        args.lateral,
        args.geometry,
        landmarks=args.landmarks,
        lumbar_ap=args.lumbar_ap,
        lumbar_lateral=args.lumbar_lateral,
        use_network=not args.no_network,
        polarity={"bone-bright": Polarity.BONE_BRIGHT, "bone-dark": Polarity.BONE_DARK}.get(args.polarity),
    )


def _check_arguments(args: argparse.Namespace) -> None:
    """Refuse arguments of which one would be ignored."""
    from ..errors import StudyError, WeightsError

    if args.shift_levels and (args.landmarks is not None or args.no_network):
        raise StudyError(
            "--shift-levels renames what the network finds, but landmarks are given: rename the levels in their file, "
            "or leave one of the two out."
        )
    calibrate = getattr(args, "calibrate", None) or []
    if "none" in calibrate and set(calibrate) != {"none"}:
        raise StudyError(
            f"--calibrate {' '.join(calibrate)}: none excludes the others; leave out the one or the others."
        )
    if args.weights is not None and args.no_network:
        raise StudyError("--weights is about the network and --no-network uses none; leave one of the two out.")
    if args.weights is not None and not args.weights.exists():
        raise WeightsError(f"{args.weights}: there is no such weights file; check the path.")


def run_with_progress(case: Case, args: argparse.Namespace, shape_model: Path | None = None) -> CaseResult:
    """Run a case as the arguments say, with the module's shape model or that of a file, and show where it is."""
    from ..shape import load_shape_model
    from ..study.run import STAGES, run_case

    model = load_shape_model(shape_model)
    weights = None if args.weights is None else str(args.weights)
    result = None
    with progress_bar("reconstructing", args.verbose) as update:
        how = {"device": args.device, "weights": weights, "level_shift": getattr(args, "shift_levels", 0)}
        steps = run_case(case, model=model, options=_options(case, args), **how)
        for step in steps:
            update(f"{step.stage}: {step.message}", (STAGES.index(step.stage) + step.fraction) / len(STAGES))
            result = step.result
    return result


def _options(case: Case, args: argparse.Namespace):
    """Return the settings of the registration if the arguments say more than the geometry, else None."""
    calibrate, motion = getattr(args, "calibrate", None), getattr(args, "motion", None)
    density = getattr(args, "density", False)
    if calibrate is None and motion is None and not density:
        return None
    from ..study.run import default_options

    chosen = None if calibrate is None else [name for name in calibrate if name != "none"]
    options = default_options(case, chosen, motion)
    return replace(options, density_sd=_DENSITY_SD) if density else options


def _summary(result: CaseResult, seconds, output: Path) -> str:
    from ..measurement.results import MARKS_IN_WORDS
    from ..study.quality_text import mark_of, quality_line
    from ..study.report_tables import INTERVAL_IN_WORDS, NOT_ASSESSED, with_unit

    lines = []
    shown = [item for item in result.measurements if item.title.startswith(("Lordosis", "Coronal Cobb"))]
    for item in shown:
        note = f" ({item.note})" if item.note else ""
        name = item.title if item.level in item.title else f"{item.title} {item.level}"
        lines.append(f"{name}: {with_unit(item)}{note} {mark_of(item, result.quality)}".rstrip())
    if any(item.interval is not None for item in shown):
        lines.append(f"±: half the width of {INTERVAL_IN_WORDS}.")
    if any(mark_of(item, result.quality) for item in shown):
        lines.append(MARKS_IN_WORDS)
    lines.append(NOT_ASSESSED)
    residual = ", ".join(f"{name} {value:.1f}" for name, value in result.reconstruction.landmark_residual_mm.items())
    levels = ", ".join(level.name for level in result.reconstruction.levels)
    if result.quality:
        lines.append(f"Quality: {quality_line(result.quality)}")
    lines.append(f"Levels {levels}; landmark residual (mm, RMS): {residual}")
    lines.append(f"{sum(seconds[key] for key in ('total', 'writing')):.1f} s on {result.device}; written to {output}")
    return "\n".join(lines)
