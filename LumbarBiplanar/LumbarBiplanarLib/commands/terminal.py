"""What commands say: progress on a terminal's standard error, results on standard output."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

Update = Callable[[str, float], None]
# What stands for a character in a console that has none, such as one of ASCII; others are written as \xe4.
_SPELLED = {"±": "+/-", "°": " deg", "²": "2", "³": "3", "–": "-", "…": "...", "×": "x"}


@contextmanager
def progress_bar(title: str, verbose: int = 0) -> Iterator[Update]:
    """Yield a function that takes what is being done and the share done (0 to 1).

    A bar is drawn on standard error if that is a terminal; otherwise nothing, or lines if ``verbose``.
    """
    if not sys.stderr.isatty():
        yield _lines(title) if verbose else _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=1.0, message="")
        yield lambda message, share: bars.update(task, completed=share, message=message)


def write_in_any_encoding() -> None:
    """Let standard output and error spell what their encoding lacks, so that no result is lost at the last line."""
    codecs.register_error("lumbar-biplanar", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Slicer's console and a test's are no files
            stream.reconfigure(errors="lumbar-biplanar")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanting = error.object[error.start : error.end]
    text = "".join(_SPELLED.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in wanting)
    return text, error.end


def counted(update: Update) -> Callable[[str, int, int], None]:
    """Return ``update`` as a function of (what, done, of how many)."""
    return lambda what, done, count: update(what, done / max(1, count))


def warn(messages: Iterable[str]) -> None:
    """Print warnings to standard error."""
    for message in messages:
        print(f"warning: {message}", file=sys.stderr)


def print_table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[object]], texts: Collection[int] = (0,)
) -> None:
    """Print a table to standard output; columns whose numbers are in ``texts`` hold text, the others numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number in texts else "right")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console()
    # Piped output has no width of its own, and a table must not be cut there.
    if not console.is_terminal:
        console = Console(width=120)
    console.print(table)


def _lines(title: str) -> Update:
    said = [""]

    def update(message: str, share: float) -> None:
        if message != said[0]:
            said[0] = message
            print(f"{title}: {100 * share:3.0f} % {message}", file=sys.stderr)

    return update


def _nothing(message: str, share: float) -> None:
    """Say nothing."""
