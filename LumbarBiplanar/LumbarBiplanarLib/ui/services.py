"""What the panel offers to its sections, and what it expects of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..study import Step


class PanelServices(Protocol):
    """What a section of the panel may use.

    Attributes:
        ui: the widgets of the form by object name.
        logic: the ``CaseLogic``; all work on the case goes through it.
        parameters: the present ``CaseParameters``, or None while there is no scene to work on. Ask for it each time:
            a scene that is closed or loaded brings a new one.
        runner: the ``JobRunner``.
        layout: the ``FilmLayout``, or None where there is no layout manager.
    """

    ui: Any
    logic: Any
    parameters: Any
    runner: Any
    layout: Any

    def status(self, text: str, fraction: float | None = None) -> None:
        """Show one line of text, and a share done (0 to 1) on the bar; None leaves the bar as it is."""

    def log(self, text: str) -> None:
        """Add a line to the panel's log and to Slicer's."""

    def error(self, title: str, exception: BaseException) -> None:
        """Tell the user of an error, once, in words; the details go to the log."""

    def changed(self) -> None:
        """Say that something in the case has changed; all sections refresh soon, once for many calls."""

    def start(
        self,
        title: str,
        steps_factory: Callable[[], Iterator[Step]],
        *,
        on_done: Callable[[Step | None], None] | None = None,
    ) -> bool:
        """Run a generator of steps while the panel stays alive.

        Args:
            title: what is being done, for status and log.
            steps_factory: called once to make the generator; its errors are shown like those of the steps.
            on_done: called with the last step when all went well.

        Returns:
            False if something else is running; then nothing is started.
        """

    def cancel(self) -> None:
        """Stop what is running; the case is as the last finished step left it."""


class Section(Protocol):
    """One part of the panel. It is made once, and lives as long as the form."""

    def connect(self) -> None:
        """Connect the signals of its widgets."""

    def refresh(self) -> None:
        """Set texts, enabled states and tooltips from the case; cheap, and without a case, without torch."""

    def scene_closing(self) -> None:
        """Let go of nodes and observers; the scene is about to lose them."""

    def cleanup(self) -> None:
        """Disconnect and let go of everything; the form is about to be deleted."""
