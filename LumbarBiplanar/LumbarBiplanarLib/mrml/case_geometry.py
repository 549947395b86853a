"""The geometry of a case's films: how they were taken, from a file, typed, or assumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LumbarBiplanarError
from ..geometry import GeometrySettings, load_geometry, save_geometry
from .case_nodes import CaseNodes
from .films import VIEW_NAMES, pair_of_nodes, settings_of_nodes, standard_settings_of_nodes, view_of_node
from .geometry_change import change_geometry

if TYPE_CHECKING:
    from ..geometry import FilmPair, View


class CaseGeometry(CaseNodes):
    """Part of ``CaseLogic``: geometry."""

    def geometry(self) -> FilmPair | None:
        """Return the geometry of the case, or None while there are not two films with one."""
        settings = self.geometrySettings()
        return None if settings is None else settings.pair

    def geometrySettings(self) -> GeometrySettings | None:
        """Return the geometry number by number, with origins, or None while there are not two films with one."""
        nodes = [self.filmNode(name) for name in VIEW_NAMES]
        if None in nodes:
            return None
        try:
            return settings_of_nodes(*nodes)
        except LumbarBiplanarError:
            return None

    def setGeometry(self, pair: FilmPair, origin: str = "") -> None:
        """Give the films a geometry; landmarks keep their pixels, what was computed with another one is removed.

        Args:
            pair: the views.
            origin: where it came from, for the panel.

        Raises:
            StudyError: if a film is missing.
            GeometryError: if a view has another size than its film.
        """
        self.setGeometrySettings(GeometrySettings.from_pair(pair, origin))

    def setGeometrySettings(self, settings: GeometrySettings) -> None:
        """Give the films a geometry with its origins; otherwise as :meth:`setGeometry`."""
        nodes = self._film_nodes()
        before = self._views()
        change_geometry(nodes["AP"], nodes["lateral"], settings)
        if before != self._views():
            self._drop_result()

    def useStandardGeometry(self) -> None:
        """Give the films a usual geometry with what their headers state; otherwise as :meth:`setGeometry`."""
        nodes = self._film_nodes()
        self.setGeometrySettings(standard_settings_of_nodes(nodes["AP"], nodes["lateral"]))

    def loadGeometry(self, path: str | Path) -> FilmPair:
        """Give the films the geometry of a ``geometry.json`` and return it; errors as :meth:`setGeometry`."""
        self._film_nodes()
        pair = load_geometry(path)
        self.setGeometry(pair, Path(path).name)
        return pair

    def saveGeometry(self, path: str | Path) -> None:
        """Write the geometry of the case as ``geometry.json``; raises StudyError or GeometryError if there is none."""
        nodes = self._film_nodes()
        save_geometry(pair_of_nodes(nodes["AP"], nodes["lateral"]), path)

    def _views(self) -> dict[str, View]:
        return {name: view_of_node(node) for name in VIEW_NAMES if (node := self.filmNode(name)) is not None}

    def _drop_result(self) -> None:
        """Remove the result of the case, which the films no longer agree with."""
        raise NotImplementedError
