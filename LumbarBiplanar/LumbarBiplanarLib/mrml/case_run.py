"""Running a case: detection, registration, measurement, and the result in the scene."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..anatomy import REGION_WEIGHTS, Region
from ..errors import StudyError
from ..study.detecting import Detector, detect_case, finder
from ..study.registering import default_options, register_case
from ..study.steps import CaseResult, Step
from .case_folder import add_to_case
from .case_result import CaseResults
from .films import VIEW_NAMES, polarity_of, view_of_node
from .landmarks import renamed_by, set_renamed_by
from .lumbar_images import add_lumbar_image
from .torch_ready import require_torch

if TYPE_CHECKING:
    from ..network import Detection
    from ..registration import Options, RegistrationState

Progress = Callable[[Step], None]


class CaseRun(CaseResults):
    """Part of ``CaseLogic``: what computes."""

    def __init__(self) -> None:
        super().__init__()
        # A weights file to use in place of the one that comes with the module.
        self.weights: str | None = None
        # What to call in place of ``network.detect``, for another network.
        self.detector: Detector | None = None
        self._state: RegistrationState | None = None
        self._detection_s: tuple[list[str], float] | None = None  # films, and how long reading them took

    # -- detection -------------------------------------------------------------------------------------------------

    def detectSteps(self, device: str | None = None) -> Iterator[Step]:
        """Find landmarks and lumbar-only images of both films, step by step; close the generator to cancel.

        They are written into the scene as each film is done, and once more when both films have been made to agree; if
        levels are to be renamed (``levelNames`` of the parameter node) only then. Landmarks that a person has corrected
        stay where they are, and are renamed with the others; a result with other names is removed.

        Args:
            device: "auto", "cpu" or "cuda"; None means the parameter node's.

        Returns:
            A generator of ``study.Step``.

        Raises:
            StudyError: if a film or PyTorch is missing, or the device cannot be used.
            FilmError, GeometryError: if the films cannot be used.
            DetectionError: while it runs, if a film shows no lumbar spine.
        """
        require_torch()
        return self._detect(self.case(), self._device(device), self._film_nodes())

    def detect(self, progress: Progress | None = None, device: str | None = None) -> None:
        """Find landmarks and lumbar-only images of both films; arguments and errors as :meth:`detectSteps`."""
        self._run(self.detectSteps(device), progress)

    def _detect(self, case: Any, device: str, films: dict[str, Any]) -> Iterator[Step]:
        begin, kept, level_shift = time.perf_counter(), {}, self.parameters.levelNames.value
        lists = [node for node in map(self.landmarkNode, VIEW_NAMES) if node is not None]
        # What a film shows by itself has the network's own names; and a run that is cancelled must not leave two films
        # of which one is renamed.
        at_once = bool(level_shift) or any(map(renamed_by, lists))
        how = {"device": device, "weights": self.weights, "detector": self.detector, "model": self.shapeModel()}
        for step in detect_case(case, level_shift=level_shift, **how):
            found = {} if at_once and step.fraction < 1.0 else step.detections
            for name, detection in found.items():
                if kept.get(name) is not detection:
                    self._check_films(films, case)
                    self._keep_detection(name, detection)
                    kept[name] = detection
            yield step
        self._detection_s = _ids(films), time.perf_counter() - begin

    def _keep_detection(self, name: str, detection: Detection) -> None:
        film = self.filmNode(name)
        image = add_lumbar_image(self.scene, film, detection)
        add_to_case(self.scene, image, film)
        self._set_node(name, "LumbarImage", image)
        node, level_shift = self.landmarkNode(name), self.parameters.levelNames.value
        if node is not None and renamed_by(node) != level_shift:
            set_renamed_by(node, level_shift, move=True)
            self._drop_result()  # its vertebrae have the names of before
        self._keep_landmarks(name, detection.landmarks)

    # -- registration ----------------------------------------------------------------------------------------------

    def registerSteps(
        self, device: str | None = None, start: RegistrationState | str | None = "auto"
    ) -> Iterator[Step]:
        """Register the shape model to both films and measure it, step by step; close the generator to cancel.

        The scene gets the result when it is measured, and once more with its intervals in the last step; before that it
        stays as it was.

        Args:
            device: "auto", "cpu" or "cuda"; None means the parameter node's.
            start: "auto" goes on from the present result if only landmarks were moved since, else starts afresh; None
                starts afresh; a state goes on from there.

        Returns:
            A generator of ``study.Step``; the last one carries the result.

        Raises:
            StudyError: if a film or PyTorch is missing, or the device cannot be used.
            LandmarkError: if there are no landmarks, or, while it runs, impossible ones.
            RegistrationError: while it runs, if films and geometry do not fit each other.
        """
        require_torch()
        case, films = self.case(), self._film_nodes()
        landmarks = {name: self.landmarks(name) for name in VIEW_NAMES}
        options, detections = self._options(case), self._detections()
        if start == "auto":
            start = self._state_to_go_on_from(options)
        steps = register_case(
            case,
            detections,
            landmarks=landmarks,
            model=self.shapeModel(),
            options=options,
            device=self._device(device),
            start=start,
            find=finder(self.detector, self._device(device), self.weights),
        )
        return self._register(steps, films, case)

    def register(
        self,
        progress: Progress | None = None,
        device: str | None = None,
        start: RegistrationState | str | None = "auto",
    ) -> CaseResult:
        """Register and measure; return the result. Arguments and errors as :meth:`registerSteps`."""
        return self._run(self.registerSteps(device, start), progress).result

    def presentState(self) -> RegistrationState | None:
        """Return the latest state of the registration that is running, or None; to go on from after a change."""
        return self._state

    def _register(self, steps: Iterator[Step], films: dict[str, Any], case: Any) -> Iterator[Step]:
        try:
            for step in steps:
                if step.state is not None:
                    self._state = step.state
                if step.result is not None:
                    self._check_films(films, case)
                    step = self._timed(step)
                    self._keep_result(step.result)
                yield step
        finally:
            self._state = None
            steps.close()

    def _timed(self, step: Step) -> Step:
        """Return the last step with the time of the detection that went before."""
        films, spent = self._detection_s or (None, 0.0)
        if films != _ids(self._film_nodes()):
            spent = 0.0  # of other films
        seconds = {"detection": spent, **step.result.seconds}
        seconds["total"] += spent
        return replace(step, result=replace(step.result, seconds=seconds))

    def allSteps(self, device: str | None = None) -> Iterator[Step]:
        """Detect, register and measure, step by step; arguments and errors as the two steps."""
        detection = self.detectSteps(device)
        return self._all(detection, device)

    def _all(self, detection: Iterator[Step], device: str | None) -> Iterator[Step]:
        yield from detection
        yield from self.registerSteps(device, start=None)

    def _state_to_go_on_from(self, options: Options) -> RegistrationState | None:
        """Return the last result's state if a landmark was moved since and nothing else was changed."""
        result = self.result()
        if result is None or result.options != options:
            return None
        state = result.reconstruction.final_state
        same_views = tuple(film.view for film in state.evidence) == self.case().pair.views
        return state if same_views and self._landmarks_moved(state) else None

    def sceneClosing(self) -> None:
        """Forget everything that belongs to the scene; called before it is closed."""
        super().sceneClosing()
        self._state = self._detection_s = None

    def settingsChanged(self) -> bool:
        """Return whether there is a result, made with other settings than a reconstruction would take now.

        They are the weight of the processes, and what is said of the geometry: calibrated, simultaneous, uncertainty.
        """
        result = self.result()
        if result is None:
            return False
        case = self.case()
        weights = result.options.region_weights, self._options(case).region_weights
        facts = [(pair.calibrated, pair.simultaneous, dict(pair.uncertainty)) for pair in (result.case.pair, case.pair)]
        return dict(weights[0]) != dict(weights[1]) or facts[0] != facts[1]

    def _options(self, case: Any) -> Options:
        weight = float(self.parameters.posteriorWeight.value)
        weights = {**REGION_WEIGHTS, Region.TRANSVERSE: weight, Region.SPINOUS: weight}
        return replace(default_options(case), region_weights=weights)

    def _device(self, device: str | None) -> str:
        return self.parameters.device.value if device is None else device

    def _check_films(self, films: dict[str, Any], case: Any) -> None:
        """Raise StudyError if a film was exchanged or removed since the run began, or is read otherwise by now."""
        for name, node in films.items():
            if not self.scene.IsNodePresent(node) or self.filmNode(name) is not node:
                raise StudyError(
                    _("The {view} film was removed or exchanged during the run; nothing was changed.").format(view=name)
                )
            film = case.films[name == "lateral"]
            if view_of_node(node) != film.view or polarity_of(node) is not film.polarity:
                text = _("Geometry or polarity of the {view} film was changed during the run. Start it again.")
                raise StudyError(text.format(view=name))

    @staticmethod
    def _run(steps: Iterator[Step], progress: Progress | None) -> Step:
        last = None
        for last in steps:
            if progress is not None:
                progress(last)
        if last is None:
            raise StudyError(_("Nothing was done. Start it again."))
        return last


def _ids(films: dict[str, Any]) -> list[str]:
    return [node.GetID() for node in films.values()]
