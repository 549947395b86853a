"""Everything the scene shows of the landmarks of a case while they are corrected: rings, epipolar line, watching."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ..study.appearance import LEVEL_COLORS
from .epipolar import EpipolarLine
from .film_nodes import is_film
from .landmark_history import LandmarkHistory
from .landmark_placing import LandmarkPlacing
from .landmark_rings import LandmarkRings
from .landmark_style import show_names
from .landmark_watch import LandmarkWatch
from .landmarks import PointRecord, is_landmark_list, key_of, set_locked

Point = tuple[str, int]


class LandmarkScene:
    """The landmark lists of both films, at work.

    Attributes:
        history: what was done to them.
        chosen: view name and point of the chosen landmark, or None.
    """

    def __init__(
        self,
        *,
        pressed: Callable[[Point], None],
        changed: Callable[[str, Sequence[int], bool], None],
        placed: Callable[[Point, bool], None],
    ) -> None:
        """Prepare; nothing is watched yet.

        Args:
            pressed: called when the mouse takes hold of a landmark in a view.
            changed: called with view name and points after landmarks have changed, and with whether that was a
                correction, and not a new detection.
            placed: called when placing a landmark has ended, with whether it was placed.
        """
        self._pressed, self._changed, self._placed = pressed, changed, placed
        self._pairs: dict[str, tuple[object, object]] = {}
        self._watch: LandmarkWatch | None = None
        self._rings: dict[str, LandmarkRings] = {}
        self._line: EpipolarLine | None = None
        self._placing = LandmarkPlacing(self._on_placed)
        self._placing_point: Point | None = None
        self._line_wanted = True
        self._to_check: Collection[Point] = ()
        self.history = LandmarkHistory()
        self.chosen: Point | None = None

    # -- which nodes -----------------------------------------------------------------------------------------------

    def follow(self, pairs: dict[str, tuple[object, object]]) -> bool:
        """Watch these films and landmark lists, by view name, and no others; pairs that are incomplete are left out.

        Returns:
            Whether they are others than before.
        """
        pairs = {
            name: (film, points) for name, (film, points) in pairs.items() if is_film(film) and is_landmark_list(points)
        }
        if self._same(pairs):
            return False
        self._let_go()
        self._pairs = pairs
        self._watch = LandmarkWatch(pairs, pressed=self._on_pressed, moving=self._on_moving, changed=self._on_changed)
        self._rings = {name: LandmarkRings(film) for name, (film, _points) in pairs.items()}
        self._line = EpipolarLine({name: film for name, (film, _points) in pairs.items()})
        lists = [points for _film, points in pairs.values()]
        for node in self.history.nodes:
            # Leaving the module takes all lists away for a while; another case takes them away for good.
            if node.GetScene() is None or (lists and node not in lists):
                self.history.forget(node)
        if self.chosen is not None and self.chosen[0] not in pairs:
            self.chosen = None
        return True

    def _same(self, pairs) -> bool:
        if pairs.keys() != self._pairs.keys():
            return False
        return all(new is old for name in pairs for new, old in zip(pairs[name], self._pairs[name], strict=True))

    def close(self) -> None:
        """Let go of all nodes and observers, and take rings and lines out of the scene."""
        self._let_go()
        self._pairs = {}
        self.history.forget()
        self.chosen = None
        self._to_check = ()

    def _let_go(self) -> None:
        self._placing.cancel()
        if self._watch is not None:
            self._watch.close()
        if self._line is not None:
            self._line.remove()
        for rings in self._rings.values():
            rings.remove()
        self._watch, self._line, self._rings = None, None, {}

    @property
    def view_names(self) -> tuple[str, ...]:
        """The films whose landmarks are watched."""
        return tuple(self._pairs)

    @property
    def busy(self) -> bool:
        """Whether a landmark is being dragged."""
        return self._watch is not None and self._watch.dragging

    @property
    def placing(self) -> Point | None:
        """The landmark that is being placed, or None."""
        return self._placing_point

    def node(self, view_name: str):
        """Return the landmark list of a film."""
        return self._pairs[view_name][1]

    def records(self, view_name: str) -> Sequence[PointRecord]:
        """Return the 100 points of a film as they stood after the last change."""
        return self._watch.records(view_name)

    def record(self, point: Point) -> PointRecord:
        """Return one point as it stood after the last change."""
        return self.records(point[0])[point[1]]

    # -- how they look ---------------------------------------------------------------------------------------------

    def set_look(self, *, locked: bool, names: bool, line: bool) -> None:
        """Lock the landmarks, show their names, show the epipolar line of the chosen one."""
        self._line_wanted = line
        for view_name in self._pairs:
            points = self.node(view_name)
            if bool(points.GetLocked()) != locked:
                set_locked(points, locked)
            show_names(points, names)

    def draw(self, to_check: Collection[Point], chosen: Point | None) -> None:
        """Draw the rings, those of doubtful landmarks dashed, and what belongs to the chosen landmark."""
        self._to_check, self.chosen = to_check, chosen
        for view_name, rings in self._rings.items():
            here = None if chosen is None or chosen[0] != view_name else chosen[1]
            rings.draw(self.records(view_name), {index for name, index in to_check if name == view_name}, here)
        record = None if chosen is None or chosen[0] not in self._pairs else self.record(chosen)
        if record is not None and record.shown:
            self._draw_line(chosen, record.observation.position_px)
        else:
            self._line_hidden()

    def _draw_line(self, point: Point, pixel: tuple[float, float]) -> None:
        if self._line is None:
            return
        if self._line_wanted:
            self._line.show(point[0], pixel, LEVEL_COLORS[key_of(point[1])[0]])
        else:
            self._line.hide()

    def _line_hidden(self) -> None:
        if self._line is not None:
            self._line.hide()

    # -- placing ---------------------------------------------------------------------------------------------------

    def place(self, point: Point) -> None:
        """Let the next click into its film place a landmark."""
        self._placing.cancel()
        self._placing_point = point
        self._watch.place(*point)
        self._placing.start(self.node(point[0]), point[1])

    def cancel_placing(self) -> None:
        """Give up placing, if any."""
        self._placing.cancel()

    def _on_placed(self, placed: bool) -> None:
        point, self._placing_point = self._placing_point, None
        if self._watch is not None and point is not None:
            self._watch.place(point[0], None)
            self._placed(point, placed)

    # -- what the watch tells --------------------------------------------------------------------------------------

    def _on_pressed(self, view_name: str, index: int) -> None:
        self._pressed((view_name, index))

    def _on_moving(self, view_name: str, index: int, pixel: tuple[float, float]) -> None:
        self._rings[view_name].choose(pixel)
        self._draw_line((view_name, index), pixel)

    def _on_changed(self, view_name: str, before: Sequence[PointRecord], after: Sequence[PointRecord]) -> None:
        self.history.note(self.node(view_name), before, after)
        changed = [index for index, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        corrected = all(after[index].detected == before[index].detected for index in changed)
        self._changed(view_name, changed, corrected)
