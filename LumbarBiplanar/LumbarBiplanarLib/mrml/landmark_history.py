"""What was done to landmarks, step by step, so that it can be taken back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from slicer.i18n import tr as _

from .film_nodes import VIEW
from .landmarks import PointRecord, label_of, write_records

LONGEST = 200


@dataclass
class Step:
    """One change: per landmark list, the points as they were before it."""

    before: list[tuple[object, dict[int, PointRecord]]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What was changed, for a button."""
        touched = [(node, index) for node, points in self.before for index in points]
        if len(touched) == 1:
            node, index = touched[0]
            return _("{landmark} on the {view} film").format(landmark=label_of(index), view=node.GetAttribute(VIEW))
        return _("{count} landmarks").format(count=len(touched))


class LandmarkHistory:
    """The changes of the landmarks of a case since they were detected or loaded, newest last.

    Records hold pixels, so a step can be taken back after the geometry was changed, too.

    Example::

        history = LandmarkHistory()
        before = read_records(node)
        set_landmark(node, Level.L3, "pedicle_left", (120.0, 80.0))
        history.note(node, before, read_records(node))
        history.undo()
    """

    def __init__(self) -> None:
        """Begin with nothing to take back."""
        self._steps: list[Step] = []
        self._group: Step | None = None
        self._undoing = False

    def note(self, node, before: Sequence[PointRecord], after: Sequence[PointRecord]) -> None:
        """Add what differs between the records of a list before and after a change.

        A new detection is not taken back: with it, the history of the list ends.
        """
        if self._undoing:
            return
        changed = {index: old for index, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
        if any(after[index].detected != old.detected for index, old in changed.items()):
            self.forget(node)
        elif changed:
            step = Step() if self._group is None else self._group
            step.before.append((node, changed))
            if self._group is None:
                self._add(step)

    @contextlib.contextmanager
    def one_step(self) -> Iterator[None]:
        """Make what is noted in the block one step."""
        self._group = Step()
        try:
            yield
        finally:
            step, self._group = self._group, None
            if step.before:
                self._add(step)

    def undo(self) -> Mapping[object, tuple[int, ...]]:
        """Take back the newest step.

        Returns:
            {landmark list: points}, what was put back; empty if there was nothing to take back.
        """
        while self._steps:
            step = self._steps.pop()
            put_back: dict[object, tuple[int, ...]] = {}
            self._undoing = True
            try:
                for node, points in reversed(step.before):
                    if node.GetScene() is not None:
                        write_records(node, points)
                        put_back[node] = tuple(points)
            finally:
                self._undoing = False
            if put_back:
                return put_back
        return {}

    @property
    def title(self) -> str | None:
        """What the next ``undo`` takes back, or None."""
        return self._steps[-1].title if self._steps else None

    @property
    def nodes(self) -> list[object]:
        """The lists that there are steps of."""
        return [node for step in self._steps for node, _points in step.before]

    def forget(self, node=None) -> None:
        """Forget the steps of one list, or all."""
        for step in self._steps:
            step.before = [(item, points) for item, points in step.before if node is not None and item is not node]
        self._steps = [step for step in self._steps if step.before]

    def _add(self, step: Step) -> None:
        self._steps = [*self._steps, step][-LONGEST:]
