"""The layout AP | lateral | 3D: shown while the module is open, and the user's own one put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer

from ..mrml.film_views import FilmKeeper, look_at_films, show_film
from ..mrml.films import VIEW_NAMES, is_film, scene_films, view_of_node

LAYOUT_ID = 7351
THREED_TAG = "1"
SLICE_TAGS = {"AP": "LumbarAP", "lateral": "LumbarLateral"}
# Jumps to a landmark move the views of one group together, and the two films must not move together.
VIEW_GROUPS = {"AP": 101, "lateral": 102}
_USUAL_ASPECT = 0.4
_SLICE_VIEW = """
  <item splitSize="350"><view class="vtkMRMLSliceNode" singletontag="{tag}">
    <property name="orientation" action="default">{orientation}</property>
    <property name="viewlabel" action="default">{label}</property>
    <property name="viewcolor" action="default">{color}</property>
    <property name="viewgroup" action="default">{group}</property>
  </view></item>"""
_LAYOUT = """<layout type="horizontal" split="true">{slices}
  <item splitSize="300"><view class="vtkMRMLViewNode" singletontag="{threed}">
    <property name="viewlabel" action="default">1</property>
  </view></item>
</layout>"""


def layout_description() -> str:
    """Return the layout in Slicer's XML."""
    looks = {"AP": ("Coronal", "AP", "#56B4E9"), "lateral": ("Sagittal", "Lat", "#E69F00")}
    slices = ""
    for name, (orientation, label, color) in looks.items():
        slices += _SLICE_VIEW.format(
            tag=SLICE_TAGS[name], orientation=orientation, label=label, color=color, group=VIEW_GROUPS[name]
        )
    return _LAYOUT.format(slices=slices, threed=THREED_TAG)


def register_layout() -> Any:
    """Tell Slicer what the layout looks like, and return its layout node; None without a main window.

    Called when Slicer starts, too: a scene file says only the number of the layout that it was saved with.
    """
    manager = slicer.app.layoutManager()
    if manager is None:
        return None
    node = manager.layoutLogic().GetLayoutNode()
    if node.IsLayoutDescription(LAYOUT_ID):
        node.SetLayoutDescription(LAYOUT_ID, layout_description())  # another one from before a reload
    else:
        node.AddLayoutDescription(LAYOUT_ID, layout_description())
    if node.GetViewArrangement() == LAYOUT_ID and node.GetCurrentLayoutDescription() != layout_description():
        # A scene has asked for the layout before it was known: the views are empty, and stay so until it is set here,
        # for the layout manager does nothing where the number is the same.
        node.SetViewArrangement(LAYOUT_ID)
    return node


class FilmLayout:
    """Shows the films in their views, and keeps them there.

    Only for a Slicer with a main window; ``slicer.app.layoutManager()`` is None without one.
    """

    def __init__(self) -> None:
        self._own_layout: int | None = None  # the user's, to go back to
        self._shown: dict[str, tuple[str, str] | None] = dict.fromkeys(VIEW_NAMES)
        self._films: dict[str, Any] = dict.fromkeys(VIEW_NAMES)
        # The views are as a scene file has left them; it may have been read before this was made.
        self._from_scene = bool(scene_films(slicer.mrmlScene))
        self._keepers: dict[str, FilmKeeper] = {}
        self._waiting: list[Callable[[], None]] = []
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._run_waiting)

    # -- entering and leaving the module -------------------------------------------------------------------------------

    def enter(self) -> None:
        """Switch to the layout; does nothing where there is none, or it is shown already."""
        node = register_layout()
        if node is None:
            return
        if node.GetViewArrangement() != LAYOUT_ID:
            self._own_layout = node.GetViewArrangement()
            slicer.app.layoutManager().setLayout(LAYOUT_ID)
        elif self._own_layout is None:
            self._own_layout = node.SlicerLayoutFourUpView  # a scene has brought ours; the user's is not known
        self._set_up_views()
        self._keep()

    def exit(self) -> None:
        """Go back to the layout from before, unless the user has chosen another one meanwhile."""
        self._let_go()
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        shows_ours = manager.layoutLogic().GetLayoutNode().GetViewArrangement() == LAYOUT_ID
        if shows_ours and self._own_layout is not None:
            manager.setLayout(self._own_layout)
        self._own_layout = None

    def cleanup(self) -> None:
        """Leave, and let go of everything."""
        self.exit()
        self._timer.stop()
        self._timer.disconnect("timeout()", self._run_waiting)

    def scene_closing(self) -> None:
        """Forget the films; the scene is about to lose them. The views stay."""
        self._waiting.clear()
        self._shown, self._films = dict.fromkeys(VIEW_NAMES), dict.fromkeys(VIEW_NAMES)

    def restore_view_groups(self) -> None:
        """Set the view groups; a loaded scene brings 1 for both films, because Slicer saves them as true or false.

        What the scene shows in the views, zoom and camera included, stays when its films are shown next.
        """
        self._from_scene = True
        self._set_up_views()

    def _set_up_views(self) -> None:
        for name in VIEW_NAMES:
            logic = self.slice_logic(name)
            if logic is None:
                continue
            if logic.GetSliceNode().GetViewGroup() != VIEW_GROUPS[name]:
                logic.GetSliceNode().SetViewGroup(VIEW_GROUPS[name])
            # Slicer shows every volume that it loads in all views that do not refuse; the film's would lose its film.
            logic.GetSliceCompositeNode().SetDoPropagateVolumeSelection(False)

    # -- views -----------------------------------------------------------------------------------------------------

    def slice_logic(self, view_name: str) -> Any:
        """Return the slice logic of a film's view, or None before the layout was shown for the first time."""
        manager = slicer.app.layoutManager()
        widget = manager.sliceWidget(SLICE_TAGS[view_name]) if manager is not None else None
        return widget.sliceLogic() if widget is not None else None

    def slice_node(self, view_name: str) -> Any:
        """Return the slice node of a film's view, or None before the layout was shown for the first time."""
        logic = self.slice_logic(view_name)
        return logic.GetSliceNode() if logic is not None else None

    def threed_node(self) -> Any:
        """Return the node of the 3D view, or None if there is none."""
        for node in slicer.util.getNodesByClass("vtkMRMLViewNode"):
            if node.GetLayoutName() == THREED_TAG:
                return node
        return None

    def show_films(
        self, films: Mapping[str, Any], overlays: Mapping[str, Any], opacity: float, in_3d: bool = True
    ) -> None:
        """Show each film in its own view and in 3D; cheap if nothing has changed.

        Args:
            films: film node or None by view name.
            overlays: lumbar-only image or None by view name.
            opacity: of the lumbar-only images, 0 to 1.
            in_3d: whether the films are shown in the 3D view.
        """
        self._films = {name: films.get(name) for name in VIEW_NAMES}
        new = False
        for name in VIEW_NAMES:
            logic = self.slice_logic(name)
            if logic is not None:
                new |= self._show(logic, name, overlays.get(name), opacity)
                logic.GetSliceNode().SetSliceVisible(bool(in_3d and self._films[name] is not None))
        if new:
            self.look_at_films()
        if any(self._films.values()):
            self._from_scene = False

    def fit(self) -> None:
        """Show the whole films."""
        for keeper in self._keepers.values():
            keeper.fit()

    def look_at_films(self) -> None:
        """Turn the 3D view so that it looks from the side of the sources at the spine, with the films behind it."""
        views = [view_of_node(film) for film in self._films.values() if is_film(film)]
        node = self.threed_node()
        if views and node is not None:
            look_at_films(node, views, self._threed_aspect())

    def jump_to(self, view_name: str, ras_mm: Any) -> None:
        """Bring a point of a film, (3,) RAS mm, to the middle of its view; the other view stays."""
        node = self.slice_node(view_name)
        if node is not None:
            node.JumpSliceByCentering(*(float(number) for number in ras_mm))

    def _threed_aspect(self) -> float:
        """Return width through height of the 3D view on the screen; before it is shown, that of a third of a screen."""
        manager = slicer.app.layoutManager()
        for number in range(manager.threeDViewCount if manager is not None else 0):
            view = manager.threeDWidget(number).threeDView()
            if view.mrmlViewNode().GetLayoutName() == THREED_TAG and view.visible and view.height > 0:
                return min(3.0, max(0.3, view.width / view.height))
        return _USUAL_ASPECT

    # -- inside ----------------------------------------------------------------------------------------------------

    def _show(self, logic: Any, name: str, overlay: Any, opacity: float) -> bool:
        """Show one film; return whether the view shows another film, or the film in another place, than before."""
        film = self._films[name]
        key = (film.GetID(), film.GetAttribute("LumbarBiplanar.Geometry")) if film is not None else None
        new = key != self._shown[name]
        background = logic.GetSliceCompositeNode().GetBackgroundVolumeID()
        if not new and (film is None or background != film.GetID()):
            return False  # nothing of ours to show, or the user has put another volume there
        self._shown[name] = key
        if self._from_scene and film is not None and background == film.GetID():
            new = False
        show_film(logic, film, overlay, opacity, fit=new)
        if new and name in self._keepers:
            self._keepers[name].fit()
        return new and film is not None

    def _keep(self) -> None:
        self._let_go()
        for name in VIEW_NAMES:
            logic = self.slice_logic(name)
            if logic is not None:
                film = lambda name=name: self._films[name]  # noqa: E731
                self._keepers[name] = FilmKeeper(logic, name, film, self._later)

    def _let_go(self) -> None:
        for keeper in self._keepers.values():
            keeper.stop()
        self._keepers = {}

    def _later(self, function: Callable[[], None]) -> None:
        self._waiting.append(function)
        self._timer.start()

    def _run_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for function in waiting:
            function()
