"""``lumbar-biplanar demo``: the bundled case, from raw films to surfaces, compared with the truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .evaluate import show
from .reconstruct import run_with_progress
from .terminal import print_table, warn

if TYPE_CHECKING:
    from ..evaluation.comparison import Comparison
    from ..study.run import CaseResult

SUMMARY = "run the bundled case from raw films to surfaces and compare it with the truth"
EPILOG = """\
example:
  lumbar-biplanar demo --output demo-output

No landmark and no lumbar-only image is given: the network finds them. Nothing is opened on the screen; look at
report.html, overlay_ap.png, overlay_lateral.png and spine_3d.png in OUTPUT. summary.json holds the figures of the
tables, evaluation.json all errors."""
ABOUT_SAMPLE = (
    "The sample study is one person's CT, drawn as two films; the truth is a 3 mm mask of it. That spine is in neither "
    "the shape model\nnor the training of the network; its soft tissue, with the spine removed and the rest warped, "
    "served as a training background."
)
FORMAT, VERSION = "LumbarBiplanar demo", 1
EVALUATION, SUMMARY_FILE = "evaluation.json", "summary.json"
OWN_FILES = (EVALUATION, SUMMARY_FILE)
SHOWN = ("Lordosis L1-L5", "Segmental angle (Cobb)", "Coronal Cobb", "Axial rotation", "Slip", "Disc height (Dabbs)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``demo`` to a parser."""
    parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR", help="folder (demo-output)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights of the network (the module's own)")


def run(args: argparse.Namespace) -> int:
    """Run ``demo``; an earlier demo in the folder is replaced."""
    from ..evaluation.comparison import compare_folders
    from ..files import sha256_of, write_json
    from ..resources import resource_path
    from ..study.case import load_case
    from ..study.output import output_folder
    from ..study.results import FILES, write_result

    sample = resource_path("SampleStudy")
    _check_earlier(args.output)
    with output_folder(args.output, force=True, owned=(*FILES, *OWN_FILES)) as folder:
        case = load_case(sample / "ap.png", sample / "lateral.png", sample / "geometry.json")
        result = run_with_progress(case, args)
        measured_gb = peak_memory_gb()
        write_result(result, folder)
        comparison = compare_folders(folder, sample)
        write_json(folder / EVALUATION, comparison.to_dict())
        written = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
        write_json(folder / SUMMARY_FILE, {**summary(result, comparison, measured_gb), "files": written})
    _report(result, comparison, measured_gb)
    print(f"Written to {args.output}: look at report.html, overlay_ap.png, overlay_lateral.png and spine_3d.png.")
    return 0


def _check_earlier(folder: Path) -> None:
    """Refuse a folder of which a demo would replace files that are not as an earlier one has written them."""
    from ..errors import OutputError, StudyError
    from ..files import read_json, sha256_of
    from ..study.output import cannot_write
    from ..study.results import FILES

    try:
        if not folder.is_dir() or not any(folder.iterdir()):
            return
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        content = read_json(folder / SUMMARY_FILE, "summary of a demo")
    except StudyError:
        content = None
    known = isinstance(content, dict) and content.get("format") == FORMAT and isinstance(content.get("files"), dict)
    if not known:
        raise OutputError(f"{folder} holds something other than an earlier demo; give another folder with --output.")
    there = [path for pattern in (*FILES, EVALUATION) for path in sorted(folder.glob(pattern)) if path.is_file()]
    others = [path.name for path in there if sha256_of(path) != content["files"].get(path.name)]
    if others:
        raise OutputError(
            f"{folder}: {', '.join(others)} would be replaced, but the earlier demo has not written it so. Move what "
            "you want to keep to another place and remove the rest, or give another folder with --output."
        )


def summary(result: CaseResult, comparison: Comparison, measured_gb: float | None) -> dict:
    """Return the figures of summary.json; ``measured_gb`` is the most memory held up to the measurements."""
    absolute = comparison.to_dict()["alignments"]["absolute"]
    return {
        "format": FORMAT,
        "version": VERSION,
        "surface_error_mm": {
            "mean": absolute["all"]["mean"],
            "rms": absolute["all"]["rms"],
            "p95": absolute["all"]["p95"],
            "posterior_mean": absolute["posterior_mean"],
            "levels": {level: values["all"]["mean"] for level, values in absolute["levels"].items()},
        },
        "landmark_error_mm": {name: round(value, 3) for name, value in comparison.landmark_error_mm.items()},
        "levels_right": not comparison.misnamed and not comparison.missing,
        "timing_s": {stage: round(value, 2) for stage, value in result.seconds.items()},
        "device": result.device,
        "peak_memory_gb": peak_memory_gb(),
        "peak_memory_to_measurements_gb": measured_gb,
        "about": ABOUT_SAMPLE.replace("\n", " "),
    }


def peak_memory_gb() -> float | None:
    """Return the most memory this process has held so far in GB (10^9 bytes), or None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


def _report(result: CaseResult, comparison: Comparison, measured_gb: float | None) -> None:
    from ..measurement import spread_text, title_text, value_text
    from ..measurement.results import MARKS_IN_WORDS
    from ..study.quality_text import mark_of
    from ..study.report_tables import NOT_ASSESSED, UNITS

    show(comparison)
    print(ABOUT_SAMPLE, end="\n\n")
    chosen = [item for item in result.measurements if item.title in SHOWN or item.title.startswith(SHOWN[2])]
    rows = [
        (
            title_text(item),
            item.level,
            f"{value_text(item)} {spread_text(item)} {mark_of(item, result.quality)}".strip(),
            UNITS.get(item.unit, item.unit),
        )
        for item in chosen
    ]
    title = "Measurements (all of them in measurements.csv; ±: half the width of the 90 % interval)"
    print_table(title, ("quantity", "level", "value", "unit"), rows)
    if any(mark_of(item, result.quality) for item in chosen):
        print(MARKS_IN_WORDS)
    print(NOT_ASSESSED, end="\n\n")
    times = [(stage, f"{value:.1f}") for stage, value in result.seconds.items()]
    print_table(f"Time on {result.device}", ("stage", "seconds"), times)
    if measured_gb is not None:
        print(f"Peak memory: {measured_gb} GB up to the measurements, {peak_memory_gb()} GB with pictures and report")
    warn(result.warnings)
