"""``lumbar-biplanar shape-model``: building and judging the shape model."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import counted, print_table, progress_bar

SUMMARY = "build the shape model from masks and meshes, or evaluate it"
EPILOG = """\
examples:
  lumbar-biplanar shape-model build --data DATA --output lumbar.npz
  lumbar-biplanar shape-model build --data DATA --output without.npz --leave-out verse006 verse007
  lumbar-biplanar shape-model build --output mine.npz --masks case1.nii.gz case2.nii.gz case3.nii.gz
  lumbar-biplanar shape-model evaluate --data DATA --csv shape_model.csv

DATA is the folder of open data that docs/shape-model.md describes. With --masks the model is built from VerSe-labelled
masks alone (20-24 = L1-L5), one file per person, the module's own model lending the template, regions and landmarks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``shape-model`` to a parser."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build a model and write it to one file")
    source = build.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="folder of open data")
    source.add_argument("--masks", type=Path, nargs="+", metavar="FILE", help="label masks, one per person")
    build.add_argument("--output", type=Path, required=True, metavar="FILE", help="model to write, .npz")
    build.add_argument("--leave-out", nargs="+", default=[], metavar="SUBJECT", help="people to leave out")
    build.add_argument("--force", action="store_true", help="replace the file if it exists")
    judge = actions.add_parser("evaluate", help="leave one person out: generalisation; compactness and specificity")
    judge.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of open data")
    judge.add_argument("--csv", type=Path, required=True, metavar="FILE", help="table to write; replaced if it exists")
    judge.add_argument("--subjects", nargs="+", metavar="SUBJECT", help="people to leave out in turn (all)")
    for one in (build, judge):
        one.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run ``shape-model build`` or ``shape-model evaluate``."""
    return _build(args) if args.action == "build" else _evaluate(args)


def _build(args: argparse.Namespace) -> int:
    from ..errors import OutputError
    from ..shape import load_shape_model, save_shape_model
    from ..shape.pipeline import collect_masks, collect_open_data

    if args.output.exists() and not args.force:
        raise OutputError(f"{args.output} exists; give another name with --output, or --force to replace it.")
    with progress_bar("corresponding", args.verbose) as update:
        if args.masks:
            collection = collect_masks(args.masks, load_shape_model(), progress=counted(update))
        else:
            collection = collect_open_data(args.data, progress=counted(update))
    model = collection.build(args.leave_out)
    save_shape_model(model, args.output)
    print(
        f"{args.output}: {model.pca_count} principal and {model.mode_count - model.pca_count} Gaussian-process modes "
        f"from {', '.join(name for name in collection.subjects if name not in args.leave_out)}"
    )
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from ..evaluation.shape_benchmark import benchmark_shape

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
