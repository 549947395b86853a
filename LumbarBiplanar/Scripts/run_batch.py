"""Reconstruct a folder of studies, in Slicer without its window or in plain Python.

    Slicer --no-main-window --python-script run_batch.py -- STUDIES --output RESULTS
    python run_batch.py STUDIES --output RESULTS

STUDIES holds one folder per study, with the films ap.* and lateral.* and geometry.json. Each result goes to
RESULTS/<study> as soon as it is done; RESULTS/summary.csv has one line per study, RESULTS/batch.log tells. A bad
study is noted and the next one begun. Studies whose result is there already are passed over.

Exit status: 0 all studies are done, 1 some failed, 2 nothing to do or wrong arguments, 4 the output cannot be written.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

try:
    import LumbarBiplanarLib  # noqa: F401
except ImportError:  # a checkout whose module is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from LumbarBiplanarLib.commands.terminal import write_in_any_encoding
from LumbarBiplanarLib.errors import LumbarBiplanarError, OutputError
from LumbarBiplanarLib.study.batch import FAILED, Study, find_studies, run_studies


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the arguments; exits with status 2 on wrong ones."""
    parser = argparse.ArgumentParser(prog="run_batch.py", description="Reconstruct a folder of studies.")
    studies = "folder of studies, each a folder with the films ap.* and lateral.* and geometry.json; or one study"
    parser.add_argument("studies", nargs="+", type=Path, help=studies)
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
    parser.add_argument("--force", action="store_true", help="compute studies again whose result is there already")
    parser.add_argument("--scenes", action="store_true", help="save a scene, case.mrb, with each result (in Slicer)")
    return parser.parse_args([item for item in arguments if item != "--"])


def process(arguments: argparse.Namespace):
    """Return what computes one study and writes its result into a folder."""
    if arguments.scenes:
        return lambda study, target: _process_in_scene(study, target, arguments)
    return lambda study, target: _process(study, target, arguments)


def _process(study: Study, target: Path, arguments: argparse.Namespace) -> None:
    from LumbarBiplanarLib.study import load_case, output_folder, reconstruct_case, write_result
    from LumbarBiplanarLib.study.results import FILES

    with output_folder(target, force=arguments.force, owned=FILES) as staging:
        case = load_case(study.ap, study.lateral, study.geometry)
        result = reconstruct_case(case, device=arguments.device)
        write_result(result, staging)


def _process_in_scene(study: Study, target: Path, arguments: argparse.Namespace) -> None:
    import slicer

    from LumbarBiplanarLib.mrml.logic import CaseLogic

    slicer.mrmlScene.Clear()
    logic = CaseLogic()
    logic.process(study.ap, study.lateral, study.geometry, device=arguments.device)
    logic.exportCase(target, force=arguments.force)
    logic.saveScene(target / "case.mrb")


def main(arguments: list[str]) -> int:
    """Run the batch; return the exit status."""
    options = parse(arguments)
    if options.scenes and not _in_slicer():
        print("--scenes needs Slicer; leave it out.", file=sys.stderr)
        return 2
    try:
        folders = [folder for studies in options.studies for folder in find_studies(studies)]
        options.output.mkdir(parents=True, exist_ok=True)
        log = _logger(options.output / "batch.log")
        outcomes = list(run_studies(folders, options.output, process(options), force=options.force, log=log))
    except OutputError as error:
        print(error, file=sys.stderr)
        return 4
    except LumbarBiplanarError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{options.output} cannot be written ({error.strerror}). Choose another folder.", file=sys.stderr)
        return 4
    failed = sum(outcome.status == FAILED for outcome in outcomes)
    log(f"{len(outcomes)} studies, {failed} failed; {options.output / 'summary.csv'}")
    return 1 if failed else 0


def _logger(path: Path):
    """Return a function that writes a line to the screen and to a file."""
    logger = logging.getLogger("LumbarBiplanar.batch")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    for handler in (logging.StreamHandler(sys.stdout), logging.FileHandler(path, encoding="utf-8")):
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)
    return logger.info


def _in_slicer() -> bool:
    """Whether this is Slicer's own Python, with an application around it."""
    slicer = sys.modules.get("slicer")
    return slicer is not None and hasattr(slicer, "app")


if __name__ == "__main__":
    write_in_any_encoding()
    status = main(sys.argv[1:])
    if _in_slicer():
        import slicer

        slicer.util.exit(status)  # a script alone does not end Slicer
    else:
        sys.exit(status)
