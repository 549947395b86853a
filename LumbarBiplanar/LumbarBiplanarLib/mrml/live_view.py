"""What a case shows of its reconstruction, while it runs and when it is done: outlines, and surfaces in 3D."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import slicer

from .overlay import Silhouettes
from .vertebrae import Vertebrae

if TYPE_CHECKING:
    from ..registration import RegistrationState
    from ..shape import ShapeModel


_SAME = 1e-3  # mm or pixels


class LiveView:
    """Draws a running registration cheaply and its result in full.

    While it runs, surfaces are drawn from the model's coarse mesh and less often than outlines, in models of their own:
    the models of the last result are only hidden, so that a canceled run leaves nothing behind.

    Example::

        view = LiveView(slicer.mrmlScene, {"AP": ap_node, "lateral": lateral_node}, load_shape_model())
        for state in register(model, evidence):
            view.show(state)
        view.finish(state)
    """

    def __init__(
        self,
        scene,
        film_nodes: Mapping[str, slicer.vtkMRMLScalarVolumeNode],
        model: ShapeModel,
        *,
        surfaces_every_s: float = 0.15,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Prepare; nothing is added to the scene before the first state.

        Args:
            scene: the MRML scene.
            film_nodes: per view name ("AP", "lateral") the film.
            model: shape model of the states.
            surfaces_every_s: least time between two updates of the surfaces.
            clock: tells the time in seconds.
        """
        film = film_nodes.get("AP") or film_nodes.get("lateral")
        self._every_s, self._clock = surfaces_every_s, clock
        self._surfaces_at: float | None = None
        self._state: RegistrationState | None = None
        self.silhouettes = Silhouettes(scene, film_nodes)
        self.vertebrae = Vertebrae(scene, np.asarray(model.faces), film)
        self.preview = Vertebrae(scene, np.asarray(model.coarse_faces), film, preview=True)

    def show(self, state: RegistrationState, surfaces: bool | None = None) -> None:
        """Draw a state of a running registration; one that looks like what is shown already costs nothing.

        Args:
            state: the state.
            surfaces: whether to draw the surfaces too; None means whenever the time has come.
        """
        before, self._state = self._state, state
        if before is not None and _look_alike(before, state):
            return
        # Computed before the first node is touched: a view that is asked twice draws in between if it takes long.
        points, outlines = state.coarse_points_ras_mm, state.silhouettes_px
        self.silhouettes.update(outlines)
        now = self._clock()
        if surfaces is None:
            surfaces = self._surfaces_at is None or now - self._surfaces_at >= self._every_s
        if surfaces:
            self._surfaces_at = now
            self.vertebrae.hide()
            self.preview.update(points)
            self.preview.unhide()

    def finish(self, state: RegistrationState) -> None:
        """Draw the last state in full, into the models that are saved with the scene."""
        self.vertebrae.update(state.points_ras_mm)
        # Kept for the next run: a refit that adds and removes five models draws three frames more.
        self.preview.hide()
        self._end(state)

    def restore(self, state: RegistrationState | None) -> None:
        """Go back to the last result after a run that was given up; the models still show it.

        Args:
            state: the last result's state; None if there is none.
        """
        if state is None:
            self.vertebrae.remove()
        self.preview.remove()
        self._end(state)

    def give_up(self) -> None:
        """Take what a run has drawn out of the scene, and the outlines; the models of the last result stay."""
        self.preview.remove()
        self._end(None)

    def set_outlines_visible(self, visible: bool) -> None:
        """Show or hide the outlines."""
        self.silhouettes.set_visible(visible)

    def remove(self) -> None:
        """Take everything that was drawn out of the scene."""
        self.preview.remove()
        self._end(None)
        self.vertebrae.remove()

    def _end(self, state: RegistrationState | None) -> None:
        self._state, self._surfaces_at = state, None
        self.vertebrae.unhide()
        if state is None:
            self.silhouettes.remove()
        else:
            self.silhouettes.update(state.silhouettes_px)


def _look_alike(one: RegistrationState, other: RegistrationState) -> bool:
    """Return whether two states show the same spine, as a refit's first one and the last result do."""
    if one is other:
        return True
    drawn = [(one.coarse_points_ras_mm, other.coarse_points_ras_mm)]
    if one.silhouettes_px.keys() != other.silhouettes_px.keys():
        return False
    drawn += [(outlines, other.silhouettes_px[name]) for name, outlines in one.silhouettes_px.items()]
    return all(
        mine.keys() == yours.keys()
        and all(np.allclose(mine[level], yours[level], rtol=0.0, atol=_SAME, equal_nan=True) for level in mine)
        for mine, yours in drawn
    )
