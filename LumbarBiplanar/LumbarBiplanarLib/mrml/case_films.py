"""The films of a case: loading, choosing and exchanging them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import FilmError, LumbarBiplanarError, StudyError
from ..imaging import Film, Polarity, read_film_alone
from ..resources import resource_path
from ..study.case import Case, case_of_films, load_case
from .case_folder import add_to_case
from .case_geometry import CaseGeometry
from .film_nodes import VIEW
from .films import (
    VIEW_NAMES,
    add_film,
    adopt_volume,
    exchange,
    film_of_node,
    pair_of_nodes,
    set_film_view,
    set_pair,
    set_polarity,
    settle_geometry,
    view_of_node,
)
from .geometry_change import bring_along
from .landmarks import find_landmark_list, is_landmark_list, renamed_by
from .lumbar_images import find_lumbar_image
from .other_cases import partner_of
from .parameters import LevelNames


class CaseFilms(CaseGeometry):
    """Part of ``CaseLogic``: films."""

    def __init__(self) -> None:
        super().__init__()
        self._case: tuple[Any, Case] | None = None

    # -- loading ---------------------------------------------------------------------------------------------------

    def loadFilm(self, path: str | Path, viewName: str) -> Any:
        """Read a film from a file and make it the AP or the lateral film of the case.

        Geometry comes from the file's header, and is assumed and marked so where the header is silent; a geometry that
        was loaded or typed before stays if it fits the film.

        Args:
            path: DICOM, PNG, TIFF, NRRD, MHA or NIfTI file of one image.
            viewName: "AP" or "lateral".

        Returns:
            The film node.

        Raises:
            FilmError: if the file is no film, or the one that is loaded as the other film already.
            GeometryError: if its header states impossible numbers.
        """
        self._check_view(viewName)
        film = read_film_alone(Path(path), viewName)
        self._refuse_same(film, viewName)
        return self._take_new_film(add_film(self.scene, film), viewName)

    def loadFilms(
        self, apPath: str | Path, lateralPath: str | Path, geometryPath: str | Path | None = None
    ) -> tuple[Any, Any]:
        """Read both films of a case, and their geometry; a case that was there before waits in the scene.

        Args:
            apPath, lateralPath: the films.
            geometryPath: ``geometry.json`` of the pair; None takes what the files state and assumes the rest.

        Returns:
            The film nodes, (AP, lateral).

        Raises:
            FilmError: if a file is no film, or both are the same.
            GeometryError: if the geometry cannot be used or does not fit the films.
        """
        if geometryPath is None:
            paths = (apPath, lateralPath)
            films = tuple(read_film_alone(Path(path), name) for path, name in zip(paths, VIEW_NAMES, strict=True))
            _refuse_same_film(*films)
            pair = None
        else:
            case = load_case(apPath, lateralPath, geometryPath)
            films, pair = case.films, case.pair
        ap, lateral = (add_film(self.scene, film) for film in films)
        if pair is None:
            settle_geometry(ap, lateral)
        else:
            set_pair(ap, lateral, pair, Path(geometryPath).name)
        self._take_case(ap, lateral)
        return ap, lateral

    def loadSampleStudy(self) -> tuple[Any, Any]:
        """Load the study that comes with the module; returns its film nodes, (AP, lateral)."""
        files = (resource_path("SampleStudy", name) for name in ("ap.png", "lateral.png", "geometry.json"))
        return self.loadFilms(*files)

    def useVolume(self, node: Any, viewName: str) -> Any:
        """Make a volume of the scene the AP or the lateral film; a volume that Slicer loaded is copied, not changed.

        A film of another case of the scene brings its other film, and whatever else belongs to that case, with it.

        Args:
            node: a film of this module, or a volume of one slice.
            viewName: "AP" or "lateral".

        Returns:
            The film node.

        Raises:
            FilmError: if the volume is no film, or shows the same image as the other film.
        """
        self._check_view(viewName)
        film = adopt_volume(self.scene, node, viewName)
        if film is not node:
            return self._take_new_film(film, viewName)
        if film is self._other(viewName):
            raise FilmError(
                _("{film} is the {view} film already. Choose another one, or press Swap films.").format(
                    film=film.GetName(), view=_other_name(viewName)
                )
            )
        partner = partner_of(film) if film.GetAttribute(VIEW) == viewName else None
        if partner is not None and partner is not self._other(viewName):
            self._take_case(*((film, partner) if viewName == "AP" else (partner, film)))
            return film
        return self._take_film(film, viewName)

    def swapFilms(self) -> None:
        """Exchange the two films of the case. Landmarks and images that were found on them are removed: they are wrong.

        Raises:
            StudyError, FilmError, GeometryError: if there are not two films with a geometry.
        """
        nodes = self._film_nodes()
        exchange(nodes["AP"], nodes["lateral"])
        self._drop_result()
        for name in VIEW_NAMES:
            self._remove(self.landmarkNode(name))
            self._remove(self.lumbarImageNode(name))
        for name in VIEW_NAMES:
            self._place_film(nodes[_other_name(name)], name)

    def setPolarity(self, viewName: str, polarity: Polarity | None) -> None:
        """Say whether bone is bright or dark in a film; None takes what its file states.

        The lumbar-only image of the film, found with the other polarity, is removed, and so is a result.
        """
        node = self.filmNode(viewName)
        if node is None:
            raise StudyError(_("The {view} film is missing. Load it.").format(view=viewName))
        before = film_of_node(node).polarity
        set_polarity(node, polarity)
        if film_of_node(node).polarity is not before:
            self._drop_result()
            self._remove(self.lumbarImageNode(viewName))

    # -- the case --------------------------------------------------------------------------------------------------

    def case(self) -> Case:
        """Return films and geometry as the library takes them.

        Raises:
            StudyError: if a film is missing.
            FilmError: if both films show the same image, or one is no film.
            GeometryError: if a geometry is missing or damaged.
        """
        nodes = self._film_nodes()
        key = tuple((node.GetID(), node.GetMTime(), _image_time(node)) for node in nodes.values())
        if self._case is None or self._case[0] != key:
            pair = pair_of_nodes(nodes["AP"], nodes["lateral"])
            films = film_of_node(nodes["AP"]), film_of_node(nodes["lateral"])
            self._case = key, case_of_films(films, pair)
        return self._case[1]

    def isReady(self) -> tuple[bool, str]:
        """Return whether there are two films with a geometry, and if not, what is missing."""
        try:
            nodes = self._film_nodes()
            pair_of_nodes(nodes["AP"], nodes["lateral"])
        except LumbarBiplanarError as problem:
            return False, str(problem)
        return True, ""

    def sceneClosing(self) -> None:
        """Forget everything that belongs to the scene; called before it is closed."""
        super().sceneClosing()
        self._case = None

    # -- parts -----------------------------------------------------------------------------------------------------

    def _take_case(self, ap: Any, lateral: Any) -> None:
        """Go to the case of two films, with what belongs to them; the case of before stays in the scene."""
        self._leave_case()
        for name, node in zip(VIEW_NAMES, (ap, lateral), strict=True):
            self._place_film(node, name)
        self._come_to_case()

    def _take_new_film(self, node: Any, view_name: str) -> Any:
        """Take a film that was just added; after an error it is not in the scene any more."""
        try:
            return self._take_film(node, view_name)
        except LumbarBiplanarError:
            self._remove(node)
            raise

    def _take_film(self, node: Any, view_name: str) -> Any:
        other, previous = self._other(view_name), self.geometrySettings()
        before = {name: item for name, item in (("new", node), ("other", other)) if item is not None}
        views = {name: view_of_node(item) for name, item in before.items()}
        if other is not None:
            settle_geometry(*((node, other) if view_name == "AP" else (other, node)), previous)
        elif view_of_node(node).name != view_name:
            set_film_view(node, replace(view_of_node(node), name=view_name))
        if node is not self.filmNode(view_name) or any(views[name] != view_of_node(before[name]) for name in views):
            self._drop_result()
        for name, item in before.items():
            bring_along(item, views[name])
        self._place_film(node, view_name)
        return node

    def _place_film(self, node: Any, view_name: str) -> None:
        """Make a film that of a view, with the landmarks and the lumbar-only image that belong to it."""
        self._set_node(view_name, "Film", node)
        self._set_node(view_name, "Landmarks", find_landmark_list(node))
        self._set_node(view_name, "LumbarImage", find_lumbar_image(node))
        add_to_case(self.scene, node, self._other(view_name) or node)
        self._show_landmarks_of(view_name)
        # Names were chosen for a patient, not for the next one.
        shifts = {renamed_by(item) for item in map(self.landmarkNode, VIEW_NAMES) if item is not None}
        self.parameters.levelNames = LevelNames(shifts.pop() if len(shifts) == 1 else 0)

    def _show_landmarks_of(self, view_name: str) -> None:
        """Show the landmarks of the film in use, and hide those of other films that were used in its place."""
        chosen = self.landmarkNode(view_name)
        for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode", self.scene):
            display = node.GetDisplayNode()
            if display is not None and is_landmark_list(node) and node.GetAttribute(VIEW) == view_name:
                display.SetVisibility(node is chosen)

    def _leave_case(self) -> None:
        """Let go of films, landmarks and result; they stay in the scene."""
        raise NotImplementedError

    def _come_to_case(self) -> None:
        """Take up and show the result that belongs to the films, if there is one."""
        raise NotImplementedError

    def _other(self, view_name: str) -> Any:
        return self.filmNode(_other_name(view_name))

    def _refuse_same(self, film: Film, view_name: str) -> None:
        other = self._other(view_name)
        if other is not None:
            _refuse_same_film(film, film_of_node(other))

    def _remove(self, node: Any) -> None:
        if node is not None and self.scene.IsNodePresent(node):
            self.scene.RemoveNode(node)

    @staticmethod
    def _check_view(view_name: str) -> None:
        if view_name not in VIEW_NAMES:
            raise StudyError(_("There is no {name} film; use AP or lateral.").format(name=repr(view_name)))


def _image_time(node: Any) -> int:
    image = node.GetImageData()
    return 0 if image is None else image.GetMTime()


def _other_name(view_name: str) -> str:
    return "lateral" if view_name == "AP" else "AP"


def _refuse_same_film(first: Film, second: Film) -> None:
    if first.sha256 is not None and first.sha256 == second.sha256:
        raise FilmError(
            _("{first} and {second} are the same image; give the AP film and the lateral film.").format(
                first=first.path, second=second.path
            )
        )
