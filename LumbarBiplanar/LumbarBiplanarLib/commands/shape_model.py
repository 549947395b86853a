"""``lumbar-biplanar shape-model``: building and judging the shape model, and taking shapes from models of others."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from .labels import add_labels, labels_of
from .terminal import counted, print_table, progress_bar, warn

SUMMARY = "build the shape model from masks and meshes, evaluate it, or import shapes of a statismo model"
EPILOG = """\
examples:
  lumbar-biplanar shape-model build --output mine.npz --masks case1.nii.gz case2.nii.gz case3.nii.gz
  lumbar-biplanar shape-model build --output mine.npz --masks */vertebrae.nii.gz --leave-out smith/vertebrae:L1
  lumbar-biplanar shape-model build --output mine.npz --meshes smith_L1.stl smith_L2.stl ... jones_L5.stl --lps
  lumbar-biplanar shape-model build --data DATA --output without.npz --leave-out verse006 verse007
  lumbar-biplanar shape-model evaluate --data DATA --csv shape_model.csv
  lumbar-biplanar shape-model import MODEL.h5 --output shapes --level L3 --samples 20
  lumbar-biplanar reconstruct ... --shape-model mine.npz

DATA is the folder of open data that docs/shape-model.md describes. With --masks and --meshes the model is built from
your own people; the module's model lends the template, regions and landmarks, and its means count as eight people of
every level. The same page says what a mask must look like."""

# A correspondence that stays this far from its surface has met something else than the vertebra it was told.
_POOR_MM = 0.8
# A shape that no vertebra has (``shape.pipeline.shape_deviation``): turned, mirrored, or something else.
_STRANGE_SD = 1.6
# No bone of the spine, and no spine, is shorter or longer.
_BONE_MM = (20.0, 900.0)
_RESIDUAL_COLUMNS = ("vertebra", "mean distance to its surface (mm)", "deviation of its shape (SD)", "used for")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``shape-model`` to a parser."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build a model and write it to one file")
    build.add_argument("--data", type=Path, metavar="DIR", help="folder of open data")
    build.add_argument("--masks", type=Path, nargs="+", default=[], metavar="FILE", help="label masks, one per person")
    build.add_argument(
        "--meshes", type=Path, nargs="+", default=[], metavar="FILE", help="surfaces PERSON_L1 ... or PERSON/L1 ..., mm"
    )
    add_labels(build, "labels in the masks (told from each mask)")
    build.add_argument("--lps", action="store_true", help="meshes that state no frame are LPS instead of RAS")
    build.add_argument(
        "--new-template", action="store_true",
        help="with --data: make the template anew, so that vertices and landmarks differ from the module's model",
    )  # fmt: skip
    build.add_argument("--output", type=Path, required=True, metavar="FILE", help="model to write, .npz")
    build.add_argument(
        "--leave-out", nargs="+", default=[], metavar="PERSON",
        help="people to leave out; of your own people PERSON:L1 leaves out one vertebra, such as a fractured one",
    )  # fmt: skip
    build.add_argument("--force", action="store_true", help="replace the file if it exists")
    judge = actions.add_parser("evaluate", help="leave one person out: generalisation; compactness and specificity")
    judge.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of open data")
    judge.add_argument("--csv", type=Path, required=True, metavar="FILE", help="table to write; replaced if it exists")
    judge.add_argument("--subjects", nargs="+", metavar="SUBJECT", help="people to leave out in turn (all)")
    adopt = actions.add_parser("import", help="write shapes of a statismo or scalismo model (.h5) as surfaces")
    adopt.add_argument("model", type=Path, metavar="FILE", help="the model, .h5")
    adopt.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the surfaces")
    adopt.add_argument("--modes", type=int, default=5, metavar="N", help="modes to show, two deviations each way (5)")
    adopt.add_argument("--samples", type=int, default=0, metavar="N", help="shapes to draw for 'build --meshes' (0)")
    adopt.add_argument("--level", metavar="L1-L5", help="which vertebra the model is of; needed for --samples")
    adopt.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")
    adopt.add_argument("--ras", action="store_true", help="the model's points are RAS instead of LPS")
    adopt.add_argument("--unit-mm", type=float, default=1.0, metavar="MM", help="length of the model's unit in mm (1)")
    adopt.add_argument("--force", action="store_true", help="replace earlier surfaces in the folder")
    for one in (build, judge, adopt):
        one.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run ``shape-model build``, ``evaluate`` or ``import``."""
    return {"build": _build, "evaluate": _evaluate, "import": _import}[args.action](args)


def _build(args: argparse.Namespace) -> int:
    from ..errors import OutputError
    from ..files import check_writable
    from ..shape import save_shape_model

    if args.output.exists() and not args.force:
        raise OutputError(f"{args.output} exists; give another name with --output, or --force to replace it.")
    check_writable(args.output)
    collection = _collected(args)
    model = collection.build(args.leave_out if args.data else ())
    save_shape_model(model, args.output)
    print(
        f"{args.output}: {model.pca_count} principal and {model.mode_count - model.pca_count} Gaussian-process modes "
        f"from {', '.join(model.provenance['people'])}"
    )
    return 0


def _collected(args: argparse.Namespace):
    from ..errors import ShapeModelError
    from ..shape import load_shape_model
    from ..shape.own_people import check_enough, read_people
    from ..shape.pipeline import collect_open_data, collect_people, shape_deviation

    if bool(args.data) == bool(args.masks or args.meshes):
        raise ShapeModelError("Say what to build from: --data, or your own people with --masks, --meshes or both.")
    if args.data:
        model = None if args.new_template else load_shape_model()
        with progress_bar("corresponding", args.verbose) as update:
            return collect_open_data(args.data, model=model, progress=counted(update))
    notes: list[str] = []
    with progress_bar("reading", args.verbose) as update:
        specimens = read_people(
            args.masks,
            args.meshes,
            labels=labels_of(args.labels),
            lps=args.lps,
            leave_out=args.leave_out,
            note=notes.append,
            progress=counted(update),
        )
    warn(notes)
    check_enough(specimens)
    model = load_shape_model()
    with progress_bar("corresponding", args.verbose) as update:
        collection = collect_people(specimens, model, progress=counted(update))
    names = {item.name for item in specimens}
    rows = [item for item in collection.registered if item.specimen.name in names]
    deviations = [shape_deviation(model, item) for item in rows]
    table = [
        (
            item.specimen.name,
            f"{item.residual_mm:.2f}",
            f"{deviation:.1f}",
            "-" if item.specimen.fractured else "mean and modes",
        )
        for item, deviation in zip(rows, deviations, strict=True)
    ]
    print_table("Vertebrae in correspondence", _RESIDUAL_COLUMNS, table)
    warn(_doubts(rows, deviations))
    return collection


def _doubts(rows, deviations) -> Iterator[str]:
    for item, deviation in zip(rows, deviations, strict=True):
        name = item.specimen.name
        if deviation > _STRANGE_SD:
            yield (
                f"{name} has a shape that no vertebra has ({deviation:.1f} standard deviations from the mean in every "
                "mode): it is something else, or lies turned or mirrored in its file, whose axes must run right, "
                "anterior, superior (--lps for meshes that are LPS). Correct or leave it out (--leave-out): it spoils "
                "the model."
            )
        elif item.residual_mm > _POOR_MM:
            yield (
                f"{name} stays {item.residual_mm:.2f} mm from its surface: look at its mask; is it this vertebra, "
                "whole, and upright in the file?"
            )


def _import(args: argparse.Namespace) -> int:
    import numpy as np

    from ..anatomy import parse_level
    from ..shape.statismo import read_statismo, write_shapes
    from ..study.output import output_folder

    model = read_statismo(args.model, lps=not args.ras, unit_mm=args.unit_mm)
    level = None if args.level is None else parse_level(args.level.upper())
    with output_folder(args.output, force=args.force, owned=("mean.vtp", "mode_*.vtp", "*-*_L[1-5].vtp")) as folder:
        written = write_shapes(
            model, folder, args.model.stem, modes=args.modes, samples=args.samples, level=level, seed=args.seed
        )
    share = model.variances_mm2.cumsum() / model.variances_mm2.sum()
    shown = min(args.modes, len(share))
    print(
        f"{args.model}: {len(model.mean_points_mm)} points, {model.mode_count} modes; the first {shown} hold "
        f"{100 * share[shown - 1]:.0f} % of the variance"
        if shown
        else f"{args.model}: {len(model.mean_points_mm)} points, {model.mode_count} modes"
    )
    longest = float(np.ptp(model.mean_points_mm, axis=0).max())
    if not _BONE_MM[0] < longest < _BONE_MM[1]:
        warn([f"The mean of {args.model} is {longest:.3g} mm long: give the length of its unit with --unit-mm."])
    print(f"{len(written)} surfaces, RAS, mm, written to {args.output}")
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from ..evaluation.shape_benchmark import benchmark_shape
    from ..files import check_writable

    check_writable(args.csv)
    with progress_bar("leaving one out", args.verbose) as update:
        rows, figures = benchmark_shape(args.csv, args.data, subjects=args.subjects, progress=counted(update))
    show_shape(rows, figures)
    print(f"Table written to {args.csv}")
    return 0


def show_shape(rows, figures) -> None:
    """Print the mean over people per level and region, and the figures of the whole model."""
    sound = [row for row in rows if row.condition == "sound" and row.modes == "all"]
    levels = sorted({row.level for row in sound})
    regions = list(dict.fromkeys(row.region for row in sound))
    table = []
    for region in regions:
        cells = []
        for level in [*levels, None]:
            values = [row.mean_mm for row in sound if row.region == region and level in (None, row.level)]
            cells.append(f"{sum(values) / len(values):.2f}" if values else "-")
        table.append((region, *cells))
    print_table("Leave one person out: mean distance in mm, sound vertebrae", ("region", *levels, "all"), table)
    for name, value in figures.items():
        print(f"{name}: {value}")
