"""The result of a case in the scene: written when a run ends, and made again from its nodes in a later session."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..anatomy import FilmLandmarks, Level
from ..errors import LumbarBiplanarError
from ..measurement import measure, vertebrae_from_reconstruction
from ..study.evidence import evidence_of
from ..study.steps import CaseResult
from .case_folder import add_to_case
from .case_landmarks import CaseLandmarks
from .film_nodes import keep_corrected_view
from .films import VIEW_NAMES
from .lumbar_images import detection_parts
from .measurement_table import write_table
from .other_cases import keep_with_film
from .reconstruction_certainty import deviations_in, quality_of, with_certainty
from .reconstruction_node import (
    options_of,
    read_reconstruction,
    reconstruction_of,
    state_of,
    with_facts,
    write_reconstruction,
)

if TYPE_CHECKING:
    from ..network import Detection
    from ..registration import RegistrationState
    from ..shape import ShapeModel


class CaseResults(CaseLandmarks):
    """Part of ``CaseLogic``: the result."""

    def __init__(self) -> None:
        super().__init__()
        self._model: ShapeModel | None = None
        self._result: tuple[Any, CaseResult | None, str] | None = None

    def result(self) -> CaseResult | None:
        """Return the result of the case, or None; after a scene was loaded it is made again from its nodes.

        It is None too if the scene holds a result that this version cannot go on with; :meth:`resultProblem` says why.
        """
        return self._stored_result()[0]

    def resultProblem(self) -> str:
        """Return why the result in the scene cannot be used, for example another shape model; empty if it can."""
        return self._stored_result()[1]

    def _stored_result(self) -> tuple[CaseResult | None, str]:
        node = self.parameters.reconstruction
        if node is None or any(self.filmNode(name) is None for name in VIEW_NAMES):
            return None, ""
        key = (node.GetID(), node.GetText())
        if self._result is None or self._result[0] != key:
            try:
                self._result = key, self._read_result(node), ""
            except LumbarBiplanarError as problem:
                self._result = key, None, str(problem)
        return self._result[1:]

    def isResultCurrent(self) -> bool:
        """Return whether there is a result, and no landmark was changed since."""
        result = self.result()
        if result is None or not self.hasLandmarks():
            return False
        return not self._landmarks_moved(result.reconstruction.final_state)

    def shapeModel(self) -> ShapeModel:
        """Return the shape model of the module."""
        if self._model is None:
            from ..shape import load_shape_model

            self._model = load_shape_model()
        return self._model

    def sceneClosing(self) -> None:
        """Forget everything that belongs to the scene; called before it is closed."""
        super().sceneClosing()
        self._result = None

    def _keep_result(self, result: CaseResult) -> None:
        """Write a result into the scene."""
        parameters, film = self.parameters, self.filmNode("AP")
        modified = parameters.StartModify()
        try:
            node = write_reconstruction(self.scene, parameters.reconstruction, result)
            parameters.reconstruction = node
            table = write_table(self.scene, parameters.measurements, result.measurements, film, result.quality)
            parameters.measurements = table
        finally:
            parameters.EndModify(modified)
        for made in (node, table):
            add_to_case(self.scene, made, film)
            keep_with_film(made, film)
        for name, view in zip(VIEW_NAMES, result.reconstruction.final_state.corrected_views, strict=True):
            keep_corrected_view(self.filmNode(name), view)
        self._result = (node.GetID(), node.GetText()), result, ""
        self._show_result(result)

    def _read_result(self, node: Any) -> CaseResult:
        content = read_reconstruction(node)
        case, model, detections = self.case(), self.shapeModel(), self._detections()
        case = replace(case, pair=with_facts(content, case.pair))
        state = state_of(content, model, evidence_of(case, detections))
        reconstruction = reconstruction_of(content, state)
        vertebrae = vertebrae_from_reconstruction(model, reconstruction)
        return CaseResult(
            case,
            model,
            detections,
            state.evidence,
            options_of(content),
            reconstruction,
            vertebrae,
            with_certainty(content, measure(vertebrae)),
            content["seconds"],
            content["device"],
            tuple(content["warnings"]),
            quality_of(content),
            deviations_in(content, model.vertex_count),
        )

    def _landmark_residuals(self) -> dict[str, dict[tuple[Level, str], float]]:
        result = self.result()
        if result is None:
            return {}
        found = result.reconstruction.final_state.landmark_residuals
        return {name: {key: value[0] for key, value in items.items()} for name, items in found.items()}

    def _detections(self) -> dict[str, Detection]:
        """Return what is known of the network's work, with the landmarks as they stand now."""
        from ..network import Detection

        found = {}
        for film in self.case().films:
            name = film.view.name
            image = self.lumbarImageNode(name)
            if image is not None:
                lumbar_mm, view, notes, weights = detection_parts(image)
                landmarks = FilmLandmarks() if self.landmarkNode(name) is None else self.landmarks(name)
                found[name] = Detection(film.view, lumbar_mm, view, landmarks, notes=notes, weights=weights)
        return found

    def _landmarks_moved(self, state: RegistrationState) -> bool:
        return any(
            dict(film.landmarks.visible()) != dict(self.landmarks(film.view.name).visible()) for film in state.evidence
        )

    def _show_result(self, result: CaseResult) -> None:
        """Draw a result."""
        raise NotImplementedError
