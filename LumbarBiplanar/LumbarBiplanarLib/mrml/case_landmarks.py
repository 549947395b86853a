"""The landmarks of a case: reading and correcting them, and their file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ..anatomy import FilmLandmarks, Level, parse_level
from ..errors import LandmarkError
from ..study.case import check_landmarks
from ..study.landmarks_file import FilmEntry, read_landmarks, write_landmarks
from .case_films import CaseFilms
from .case_folder import add_to_case
from .films import VIEW_NAMES
from .landmarks import (
    add_landmark_list,
    landmarks_of_node,
    reset_landmarks,
    set_landmark,
    set_renamed_by,
    unset_landmark,
    write_landmarks_to_node,
)


class CaseLandmarks(CaseFilms):
    """Part of ``CaseLogic``: landmarks."""

    def landmarks(self, viewName: str) -> FilmLandmarks:
        """Return the landmarks of a film in its pixels, as they stand: detected, corrected or loaded.

        Raises:
            LandmarkError: if there are none yet.
        """
        node = self.landmarkNode(viewName)
        if node is None:
            raise LandmarkError(
                _("The {view} film has no landmarks yet. Press Detect landmarks, or load some.").format(view=viewName)
            )
        return landmarks_of_node(node, self.filmNode(viewName))

    def hasLandmarks(self) -> bool:
        """Return whether both films have landmark lists."""
        return all(self.landmarkNode(name) is not None for name in VIEW_NAMES)

    def moveLandmark(self, viewName: str, level: Level | str, name: str, positionPx: tuple[float, float]) -> None:
        """Put a landmark at a pixel of its film, as a person would; it then counts as certain.

        Args:
            viewName: "AP" or "lateral".
            level: the vertebra, for example "L3".
            name: one of ``anatomy.LANDMARK_NAMES``.
            positionPx: (x, y), pixels of the film, (0, 0) is the centre of the top-left pixel.

        Raises:
            LandmarkError: if there is no such landmark, or the pixel lies outside the film.
        """
        film = self._film_nodes()[viewName]
        node = self.landmarkNode(viewName)
        if node is None:
            node = self._keep_landmarks(viewName, FilmLandmarks())
        x, y = (float(value) for value in positionPx)
        width, height = self.case().films[viewName == "lateral"].view.size_px
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise LandmarkError(
                _("The pixel ({x}, {y}) lies outside {film}, which has {width} x {height} pixels.").format(
                    x=x, y=y, film=film.GetName(), width=width, height=height
                )
            )
        set_landmark(node, _level(level), name, (x, y))

    def unsetLandmark(self, viewName: str, level: Level | str, name: str) -> None:
        """Say that a film does not show a landmark, so that it carries no weight; raises LandmarkError if unknown."""
        self.landmarks(viewName)
        unset_landmark(self.landmarkNode(viewName), _level(level), name)

    def resetLandmarks(
        self, viewName: str | None = None, level: Level | str | None = None, name: str | None = None
    ) -> None:
        """Put landmarks back to where they were detected.

        Args:
            viewName: the film; None means both.
            level, name: one landmark; None means all.

        Raises:
            LandmarkError: if there are no landmarks, or no such landmark.
        """
        keys = None if level is None or name is None else [(_level(level), name)]
        for view_name in VIEW_NAMES if viewName is None else (viewName,):
            self.landmarks(view_name)
            reset_landmarks(self.landmarkNode(view_name), keys)

    def loadLandmarks(self, path: str | Path) -> list[str]:
        """Read the landmarks of both films from a ``landmarks.json``; they replace those that are there.

        Returns:
            What is doubtful about them, in sentences.

        Raises:
            StudyError: if a film is missing.
            LandmarkError: if the file cannot be used, or belongs to other films.
        """
        case = self.case()
        entries = read_landmarks(path)
        warnings = check_landmarks(Path(path), entries, case.films)
        for name in VIEW_NAMES:
            self._keep_landmarks(name, entries[name].landmarks, keep_corrected=False)
        return warnings

    def saveLandmarks(self, path: str | Path) -> None:
        """Write the landmarks of both films to a ``landmarks.json``, with their residuals if there is a result.

        Raises:
            StudyError, LandmarkError: if there are none, or the file cannot be written.
        """
        residuals, entries = self._landmark_residuals(), {}
        for film in self.case().films:
            name = film.view.name
            file = None if film.path is None else film.path.name
            landmarks = self.landmarks(name)
            entries[name] = FilmEntry(landmarks, film.view.size_px, file, film.sha256, residuals.get(name))
        write_landmarks(path, entries)

    def _keep_landmarks(self, view_name: str, landmarks: FilmLandmarks, *, keep_corrected: bool = True) -> Any:
        """Write landmarks into the list of a film, which is made if there is none; return it."""
        film, node = self.filmNode(view_name), self.landmarkNode(view_name)
        if node is None:
            node = add_landmark_list(self.scene, film)
            add_to_case(self.scene, node, film)
            self._set_node(view_name, "Landmarks", node)
        write_landmarks_to_node(node, film, landmarks, keep_corrected=keep_corrected)
        set_renamed_by(node, self.parameters.levelNames.value)
        return node

    def _landmark_residuals(self) -> dict[str, dict[tuple[Level, str], float]]:
        """Return how far each landmark is from the reconstruction, mm in the object plane; nothing without one."""
        raise NotImplementedError


def _level(level: Level | str) -> Level:
    return level if isinstance(level, Level) else parse_level(level)
