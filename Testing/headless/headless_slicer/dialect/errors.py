"""Python errors that Slicer only prints: those in slots and in VTK observers."""

from __future__ import annotations

import sys
import traceback


class PythonErrors(list):
    """The exceptions so far that reached Qt or VTK and were only printed there."""

    def record(self, error: BaseException) -> None:
        """Keep and print an exception, and go on, as PythonQt does."""
        self.append(error)
        traceback.print_exception(error)

    def watch_observers(self) -> None:
        """From now on keep the exceptions of VTK observers too, which VTK hands to ``sys.excepthook``."""
        before = sys.excepthook

        def hook(kind, error, trace):
            self.append(error if error is not None else kind())
            before(kind, error, trace)

        sys.excepthook = hook


python_errors = PythonErrors()
