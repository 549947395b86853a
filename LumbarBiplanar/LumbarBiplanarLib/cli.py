"""The command ``lumbar-biplanar``: parses the arguments, runs one subcommand, turns errors into exit codes."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from . import __version__
from .commands import COMMANDS, command
from .commands.terminal import write_in_any_encoding
from .errors import LumbarBiplanarError, OutputError

OK, UNEXPECTED, BAD_INPUT, CANNOT_WRITE, INTERRUPTED = 0, 1, 3, 4, 130  # wrong arguments: 2, by argparse

DESCRIPTION = """\
Reconstruct the lumbar spine (L1 to L5) in 3-D from an AP and a lateral X-ray film, and measure it.
All points are in the patient's frame RAS (right, anterior, superior), in mm; pixels count from the centre of the
top-left pixel. Research software, not for clinical use."""

EPILOG = """\
first steps:
  lumbar-biplanar demo --output demo-output                      run the bundled case and compare it with the truth
  lumbar-biplanar geometry --ap ap.dcm --lateral lateral.dcm --output geometry.json     how your own films were taken
  lumbar-biplanar reconstruct --ap ap.dcm --lateral lateral.dcm --geometry geometry.json --output result

exit codes:
  0 done   1 unexpected error   2 wrong arguments   3 input that cannot be used   4 cannot write   130 interrupted

'lumbar-biplanar COMMAND --help' explains a command; docs/command-line.md has all of it."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command and all its subcommands."""
    parser = argparse.ArgumentParser(
        "lumbar-biplanar",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add_verbose(parser, 0)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = command(name)
        one = subparsers.add_parser(
            name,
            help=module.SUMMARY,
            description=getattr(module, "DESCRIPTION", f"{module.SUMMARY[0].upper()}{module.SUMMARY[1:]}."),
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_verbose(one, argparse.SUPPRESS)
        module.add_arguments(one)
        one.set_defaults(run=module.run)
    return parser


def _add_verbose(parser: argparse.ArgumentParser, default) -> None:
    parser.add_argument(
        "-v", "--verbose", action="count", default=default, help="say more; on an unexpected error, show where"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        0 done, 1 unexpected error, 2 wrong arguments, 3 input that cannot be used, 4 output that cannot be written,
        130 interrupted.
    """
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as done:
        return int(done.code or 0)
    except KeyboardInterrupt:
        return _interrupted()
    previous = _terminate_like_interrupt()
    try:
        return int(args.run(args) or OK)
    except OutputError as error:
        return _failed(error, CANNOT_WRITE)
    except LumbarBiplanarError as error:
        return _failed(error, BAD_INPUT)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # Whoever read our output has gone; silence the flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if args.verbose:
            traceback.print_exc()
        return _failed(f"unexpected {type(error).__name__}: {error}. Run it again with -v and report it.", UNEXPECTED)
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def program() -> int:
    """Run the command line as a process of its own: as :func:`main`, but an interruption ends the process at once.

    Threads that were reading films when Ctrl-C came cannot be stopped, and Python would wait for them at its end.
    """
    write_in_any_encoding()
    code = main()
    if code == INTERRUPTED:
        _end_now(code)
    return code


def _end_now(code: int) -> None:
    """End the process without waiting for its threads; what was said and what cleans up at exit is done first."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _interrupted() -> int:
    print("Interrupted; nothing half-written is left behind.", file=sys.stderr)
    return INTERRUPTED


def _failed(message: object, code: int) -> int:
    print(f"lumbar-biplanar: error: {message}", file=sys.stderr)
    return code


def _terminate_like_interrupt():
    """Let SIGTERM clean up as Ctrl-C does; return the handler that was there, or None outside the main thread."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    try:
        return signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        return None


if __name__ == "__main__":
    sys.exit(program())
