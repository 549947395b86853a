"""What a case shows: outlines on the films and surfaces in 3D, of a running registration and of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import StudyError
from .case_folder import add_to_case
from .case_run import CaseRun
from .films import VIEW_NAMES
from .live_view import LiveView
from .measurement_markups import clear as clear_measurement_markups
from .other_cases import result_nodes, show_one_case, vertebrae_left
from .parameters import NODE_FIELDS
from .vertebrae import find as find_vertebrae

if TYPE_CHECKING:
    from ..registration import RegistrationState
    from ..study.steps import CaseResult


class CaseDisplay(CaseRun):
    """Part of ``CaseLogic``: what is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self._live: tuple[Any, LiveView] | None = None
        self._drawn: CaseResult | None = None

    def showState(self, state: RegistrationState) -> None:
        """Draw a state of a running registration; cheap enough for every state that is worth seeing."""
        view = self._live_view()
        if view is not None:
            view.set_outlines_visible(True)
            view.show(state)

    def hideState(self) -> None:
        """Hide the outlines on the films."""
        if self._live is not None:
            self._live[1].set_outlines_visible(False)

    def restoreShown(self) -> None:
        """Draw the result of the case again, or nothing without one; after a run that was given up or failed."""
        if self._live is None:
            return
        drawn = self._live[1]
        result, view = self.result(), self._live_view()
        if view is None:  # a film was removed during the run
            drawn.give_up()
        if view is not None:
            view.set_outlines_visible(self.parameters.liveOverlay)
            view.restore(None if result is None else result.reconstruction.final_state)

    def showResult(self) -> None:
        """Draw the result of the case, if there is one; outlines are not saved with a scene.

        Raises:
            StudyError: if the result was made with another shape model or version, or is damaged.
        """
        result, problem = self._stored_result()
        if problem:
            raise StudyError(problem)
        if result is not None and result is not self._drawn:
            self._show_result(result)

    def showOneCase(self) -> None:
        """Take what other cases of the scene show out of the views, for example after a scene was added to this one."""
        show_one_case(self.scene, {name: self.filmNode(name) for name in VIEW_NAMES})
        for name in VIEW_NAMES:
            if self.filmNode(name) is not None:
                self._show_landmarks_of(name)

    def clearShown(self) -> None:
        """Take outlines and the surfaces of a run out of the scene; what is saved with the scene stays.

        Called before the panel goes: nobody else would know these nodes again.
        """
        if self._live is not None:
            self._live[1].give_up()
        self._live = self._drawn = None

    def sceneClosing(self) -> None:
        """Forget everything that belongs to the scene; called before it is closed."""
        super().sceneClosing()
        self._live = self._drawn = None

    def _show_result(self, result: CaseResult) -> None:
        view = self._live_view()
        if view is None:
            return
        self._drawn = result
        view.set_outlines_visible(self.parameters.liveOverlay)
        view.finish(result.reconstruction.final_state)
        view.vertebrae.mark(result.quality)
        film = self.filmNode("AP")
        for node in view.vertebrae.nodes.values():
            add_to_case(self.scene, node, film)

    def _drop_result(self) -> None:
        """Remove the result of the case, which the films no longer agree with."""
        parameters, film = self.parameters, self.filmNode("AP")
        if self._live is not None:
            self._live[1].remove()
        self._live = self._result = self._drawn = None
        if parameters.reconstruction is not None:
            if film is None:
                found = vertebrae_left(self.scene, parameters.reconstruction)
            else:
                found = find_vertebrae(self.scene, film).values()
            for node in found:
                self._remove(node)
        clear_measurement_markups(self.scene)
        self._remove(parameters.reconstruction)
        self._remove(parameters.measurements)

    def _leave_case(self) -> None:
        if any(self.filmNode(name) is None for name in VIEW_NAMES):
            self._drop_result()  # without its films nobody could come back to it
        if self._live is not None:
            self._live[1].give_up()
        self._live = self._result = self._drawn = None
        clear_measurement_markups(self.scene)
        modified = self.parameters.StartModify()
        for field in NODE_FIELDS:
            setattr(self.parameters, field, None)
        self.parameters.EndModify(modified)

    def _come_to_case(self) -> None:
        parameters = self.parameters
        parameters.reconstruction, parameters.measurements = result_nodes(self.scene, self.filmNode("AP"))
        self.showOneCase()
        result = self.result()
        if result is not None:
            self._show_result(result)

    def _live_view(self) -> LiveView | None:
        """Return what draws on the films of the case; None while one is missing."""
        films = {name: self.filmNode(name) for name in VIEW_NAMES}
        if None in films.values():
            return None
        key = tuple(node.GetID() for node in films.values())
        if self._live is None or self._live[0] != key:
            if self._live is not None:  # films were exchanged during a run, or another case was gone to
                self._live[1].give_up()
                self.showOneCase()
            self._live = key, LiveView(self.scene, films, self.shapeModel())
        return self._live[1]
