"""``lumbar-biplanar evaluate``: distances between a reconstruction and the truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .replacing import check_replaceable
from .terminal import print_table, warn

if TYPE_CHECKING:
    from ..evaluation.comparison import Comparison

SUMMARY = "compare a reconstruction with the truth: distances per level and region"
EPILOG = """\
example:
  lumbar-biplanar evaluate --reconstruction result --truth case --json errors.json

Distances run from each surface to the other, in mm, weighted by area; both directions and all levels count alike.
Reported: mean, root mean square, 95th percentile and maximum; as reconstructed, after one rigid motion of the whole
spine, and after a rigid motion of each vertebra; per level and per region (body, pedicle, transverse, spinous,
articular, lamina). TRUTH is a folder with L1.vtp ... L5.vtp (or .vtk, .stl, .ply, .obj) in mm, RAS unless they state
LPS or --lps says so, or one with a folder 'truth' that holds them, which goes before its own. With landmarks.json in
it, the errors of the landmarks are reported too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``evaluate`` to a parser."""
    parser.add_argument("--reconstruction", type=Path, required=True, metavar="DIR", help="result of 'reconstruct'")
    parser.add_argument("--truth", type=Path, required=True, metavar="DIR", help="true surfaces, mm")
    parser.add_argument("--lps", action="store_true", help="surfaces that state no frame are LPS instead of RAS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for the figures; earlier figures are replaced")
    parser.add_argument("--force", action="store_true", help="let --json replace a file that holds something else")


def run(args: argparse.Namespace) -> int:
    """Run ``evaluate``."""
    from ..evaluation.comparison import compare_folders
    from ..files import check_writable, write_json

    if args.json is not None:
        check_writable(args.json)
        if not args.force:
            check_replaceable(args.json, _holds_figures, "figures of 'evaluate'", "--json")
    comparison = compare_folders(args.reconstruction, args.truth, lps=args.lps)
    if args.json is not None:
        write_json(args.json, comparison.to_dict())
    show(comparison)
    return 0


def _holds_figures(path: Path) -> bool:
    from ..errors import StudyError
    from ..evaluation.comparison import FORMAT
    from ..files import read_json

    try:
        content = read_json(path, "file")
    except StudyError:
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def show(comparison: Comparison) -> None:
    """Print the errors per level, and those of the landmarks."""
    content = comparison.to_dict()["alignments"]
    columns = ("surface error (mm)", "mean", "RMS", "95 %", "max", "posterior", "vertebra aligned")
    rows = []
    for level, item in comparison.distances["absolute"].items():
        errors = content["absolute"]["levels"][level.name]
        rows.append((level.name, *_numbers(errors["all"]), _posterior(item), _aligned(content, level.name)))
    total = content["absolute"]
    posterior = total["posterior_mean"]
    last = "-" if posterior is None else f"{posterior:.2f}"
    rows.append(("all", *_numbers(total["all"]), last, f"{content['aligned_vertebra']['all']['mean']:.2f}"))
    print_table("Error against the truth", columns, rows)
    landmark = [f"{name} {value:.1f} mm" for name, value in comparison.landmark_error_mm.items()]
    if landmark:
        print(f"Landmark error on the films (mean, object plane): {', '.join(landmark)}")
    warn(comparison.warnings)
    warn(f"{a.name} lies where {b.name} truly is." for a, b in comparison.misnamed.items())
    if comparison.missing:
        warn([f"not reconstructed: {', '.join(level.name for level in comparison.missing)}"])


def _numbers(errors) -> list[str]:
    return [f"{errors[key]:.2f}" for key in ("mean", "rms", "p95", "max")]


def _posterior(item) -> str:
    from ..evaluation.metrics import POSTERIOR

    part = item.of_regions(POSTERIOR)
    return "-" if part is None else f"{part.summary().mean:.2f}"


def _aligned(content, level: str) -> str:
    return f"{content['aligned_vertebra']['levels'][level]['all']['mean']:.2f}"
