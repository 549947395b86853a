"""How accurate a reconstruction is, on people who are not in the shape model: the tables of docs/accuracy.md.

Every case is made from the true surfaces of a person left out, and nothing of that person but its evidence reaches
the registration. Cases are independent of each other, so that several processes can compute them, and each is kept as
soon as it is done: what was interrupted goes on where it stood.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..errors import OutputError, StudyError
from ..files import read_table, rounded, sha256_of, write_table
from ..processes import computed_in_processes
from ..resources import resource_path
from .accuracy_conditions import NETWORK, Condition
from .accuracy_evidence import EvidenceSource
from .accuracy_measures import Truth, case_rows
from .accuracy_rows import FRACTURED, TABLES, CaseRow, Rows
from .left_out import MODEL_FILE, TRUTH_FILE, read_left_out

PARTIAL_FILE = "accuracy.partial.jsonl"
_WRITE_S = 60.0


@dataclass(frozen=True)
class AccuracyCase:
    """One registration: under which condition, of whom, and which one."""

    condition: Condition
    subject: str
    seed: int


def cases_of(
    conditions: Iterable[Condition], subjects: Sequence[str] | None = None, most: int | None = None
) -> list[AccuracyCase]:
    """Return the cases of conditions: of all their people or of those in ``subjects``, at most ``most`` of each."""
    found = [
        AccuracyCase(condition, subject, seed)
        for condition in conditions
        for subject in condition.subjects
        if subjects is None or subject in subjects
        for seed in range(condition.seeds if most is None else min(most, condition.seeds))
    ]
    # First cases of everything first: what is interrupted then knows a little of all.
    return sorted(found, key=lambda case: case.seed)


def benchmark_accuracy(
    cases: Sequence[AccuracyCase],
    models: str | Path,
    output_folder: str | Path,
    *,
    data: str | Path | None = None,
    jobs: int = 1,
    device: str = "cpu",
    weights: str | None = None,
) -> Iterator[tuple[AccuracyCase, list[CaseRow]]]:
    """Compute cases and write ``accuracy.csv``, ``accuracy_cases.csv`` and ``accuracy_measurements.csv``.

    Rows of the same conditions in tables that are there already are replaced; those of other conditions stay. The
    tables are written every minute and at the end. Until then ``accuracy.partial.jsonl`` keeps the finished cases; a
    case that it holds, of the same condition, model, person and network, is not computed again.

    Args:
        cases: what to compute.
        models: folder of people left out (``left_out.write_left_out``).
        output_folder: where the tables go; it must exist.
        data: folder of open data, for whole films.
        jobs: processes, of one thread each.
        device: "auto", "cpu" or "cuda".
        weights: weights of the network; None means the module's.

    Yields:
        Each case with its rows per vertebra, in the order in which they are done.

    Raises:
        StudyError: if a person is missing, or the tables there are others.
        OutputError: if a file cannot be written.
    """
    output_folder = Path(output_folder)
    partial = output_folder / PARTIAL_FILE
    keys = {case: _key(case, Path(models), weights) for case in cases}
    found = {key: rows for key, rows in _read_partial(partial).items() if key in set(keys.values())}
    others = _other_rows(output_folder, {case.condition.name for case in cases})
    for case in cases:
        if keys[case] in found:
            yield case, found[keys[case]].cases
    waiting = [case for case in cases if keys[case] not in found]
    written = time.monotonic()
    with _appended(partial) as stream:
        for case, rows in _computed(waiting, Path(models), data, jobs, device, weights):
            found[keys[case]] = rows
            line = {name: [asdict(row) for row in part] for name, part in rows._asdict().items()}
            stream.write(json.dumps({"key": keys[case], **line}) + "\n")
            stream.flush()
            if time.monotonic() - written > _WRITE_S:
                _write(output_folder, others, [found[keys[case]] for case in cases if keys[case] in found])
                written = time.monotonic()
            yield case, rows.cases
    _write(output_folder, others, [found[keys[case]] for case in cases])
    partial.unlink(missing_ok=True)


def _other_rows(folder: Path, replaced: set[str]) -> Rows:
    """Return the rows of other conditions than ``replaced`` in the tables that are there already."""

    def kept(name: str, kind: type) -> list:
        rows = read_table(folder / name, kind) if (folder / name).exists() else []
        return [row for row in rows if row.condition.removeprefix(FRACTURED) not in replaced]

    return Rows(*(kept(name, kind) for name, kind in TABLES.items()))


def _write(folder: Path, others: Rows, done: list[Rows]) -> None:
    for part, (name, kind) in enumerate(TABLES.items()):
        write_table(folder / name, kind, [*others[part], *(row for rows in done for row in rows[part])], rounded(3))


def _key(case: AccuracyCase, models: Path, weights: str | None) -> str:
    """Return what a case is and what it depends on."""
    own = models / case.subject
    if not (own / MODEL_FILE).is_file():
        raise StudyError(f"{models} holds no model without {case.subject}; build it there, or leave the person out.")
    files = [own / MODEL_FILE, own / TRUTH_FILE]
    if case.condition.image == NETWORK:
        path = Path(weights) if weights else resource_path("Weights")
        files += sorted(path.glob("*.pt")) if path.is_dir() else [path]
    hashes = [_hash(path) for path in files]
    # Who else belongs to a condition, and how often, changes nothing in a case.
    condition = replace(case.condition, subjects=(), seeds=1)
    return f"{condition!r} {case.subject} {case.seed} {' '.join(hashes)}"


@lru_cache(maxsize=64)
def _hash(path: Path) -> str:
    return sha256_of(path)


@contextmanager
def _appended(path: Path):
    try:
        with open(path, "a", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); choose another folder.") from error


def _read_partial(path: Path) -> dict[str, Rows]:
    """Return the finished cases; a last line that was cut short is no case."""
    found: dict[str, Rows] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            stored = json.loads(line)
            parts = zip(Rows._fields, TABLES.values(), strict=True)
            rows = Rows(*([kind(**row) for row in stored[name]] for name, kind in parts))
        except (ValueError, TypeError, KeyError):
            continue
        found[stored["key"]] = rows
    return found


# -- computing ---------------------------------------------------------------------------------------------------------


class _Worker:
    """Computes cases one after the other; keeps people and images between them."""

    def __init__(self, models: Path, data: str | Path | None, device: str, weights: str | None) -> None:
        self._device = device
        self._source = EvidenceSource(data, device, weights)
        self._truth = lru_cache(8)(lambda subject: Truth.of(read_left_out(models, subject)))

    def rows(self, case: AccuracyCase) -> Rows:
        return case_rows(self._truth(case.subject), case.condition, case.seed, self._source, self._device)


def _computed(cases: list[AccuracyCase], models: Path, data, jobs: int, device: str, weights):
    """Yield (case, rows) as they are done."""
    return computed_in_processes(_rows_by, (models, data, device, weights), cases, jobs)


def _rows_by(*arguments) -> Callable[[AccuracyCase], Rows]:
    return _Worker(*arguments).rows
