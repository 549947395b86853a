"""The section Detect: finding the landmarks and the lumbar-only image on both films."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..mrml.films import VIEW_NAMES
from ..mrml.lumbar_images import detection_parts, is_lumbar_image
from .films_text import film_title

if TYPE_CHECKING:
    from ..anatomy import FilmLandmarks
    from ..study import Step
    from .services import PanelServices

_LUMBAR_FIELDS = {"AP": "apLumbarImage", "lateral": "lateralLumbarImage"}


class DetectSection:
    """Runs the network, and says per film what it found and how sure it is.

    Args:
        services: what the panel offers.
    """

    def __init__(self, services: PanelServices) -> None:
        self._services = services
        self._running = False
        self._message = ""

    def connect(self) -> None:
        """Connect the signals of its widgets."""
        self._services.ui.detectButton.connect("clicked()", self._on_button)
        self._services.ui.levelNamesComboBox.connect("activated(int)", self._on_names)

    def cleanup(self) -> None:
        """Disconnect and let go of everything; the form is about to be deleted."""
        self._services.ui.detectButton.disconnect("clicked()", self._on_button)
        self._services.ui.levelNamesComboBox.disconnect("activated(int)", self._on_names)

    def scene_closing(self) -> None:
        """Let go of nodes; the scene is about to lose them."""
        self._running, self._message = False, ""
        self._services.ui.detectStatusLabel.text = ""

    def refresh(self) -> None:
        """Set texts, enabled states and tooltips from the case."""
        services, ui = self._services, self._services.ui
        busy = services.runner.running
        self._running = self._running and busy
        self._refresh_button(busy)
        ui.levelNamesComboBox.enabled = services.parameters is not None and not busy
        has_image = any(self._lumbar_image(name) is not None for name in VIEW_NAMES)
        ui.showLumbarImageCheckBox.enabled = has_image
        ui.lumbarOpacitySlider.enabled = has_image and ui.showLumbarImageCheckBox.checked
        ui.showLumbarImageCheckBox.toolTip = (
            _("Lay what the network takes for lumbar bone over the films.")
            if has_image
            else _("Detect the landmarks first: the lumbar-only image is found with them.")
        )
        ui.detectStatusLabel.text = self._status_text()

    def show_step(self, step: Step) -> None:
        """Say what a step of the detection is about; the panel calls it while anything runs."""
        if step.stage == "detection" and step.message != self._message:
            self._message = step.message
            self._services.ui.detectStatusLabel.text = self._status_text()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _refresh_button(self, busy: bool) -> None:
        button = self._services.ui.detectButton
        if self._running:
            button.text, button.enabled = _("Cancel"), True
            button.toolTip = _("Stop the detection. What was found on a finished film stays.")
            return
        button.text = _("Detect landmarks")
        reason = _("Another step is running; wait for it or cancel it.") if busy else self._missing()
        button.enabled = not reason
        button.toolTip = reason or _(
            "Find the landmarks and the lumbar-only image on both films. Landmarks that you corrected are kept."
        )

    def _missing(self) -> str:
        """Return what a detection lacks, in words; empty if nothing."""
        services = self._services
        if services.parameters is None:
            return _("Load an AP and a lateral film first.")
        ok, reason = services.logic.isReady()
        if not ok:
            return reason
        ok, reason = services.torch.ready()
        return "" if ok else reason

    def _on_button(self, *_args: Any) -> None:
        services = self._services
        if self._running and services.runner.running:
            services.cancel()
            return
        if services.runner.running:
            return
        self._message = ""
        self._running = True
        self._running = services.start(
            _("Detect"), services.logic.detectSteps, on_done=self._on_done, stages=("detection",)
        )
        self.refresh()

    def _on_names(self, *_args: Any) -> None:
        """Read the films again with the names that were chosen, if they have been read."""
        services = self._services
        if services.parameters is None or not any(self._lumbar_image(name) is not None for name in VIEW_NAMES):
            return
        if not services.runner.running and not self._missing():
            self._on_button()

    def _on_done(self, _step: Step | None) -> None:
        self._running = False

    def _lumbar_image(self, name: str) -> Any:
        node = getattr(self._services.parameters, _LUMBAR_FIELDS[name], None)
        return node if is_lumbar_image(node) else None

    def _status_text(self) -> str:
        if self._services.parameters is None:
            return ""
        lines = [line for name in VIEW_NAMES for line in self._film_lines(name)]
        if self._services.runner.running and self._message:
            lines.append(self._message)
        return "\n".join(lines)

    def _film_lines(self, name: str) -> list[str]:
        """Return what was found on a film."""
        logic = self._services.logic
        if logic.landmarkNode(name) is None:
            return []
        lines = [found_text(name, logic.landmarks(name))]
        image = self._lumbar_image(name)
        if image is not None:
            _pixels, _view, notes, weights = detection_parts(image)
            lines[0] += " " + _("Network {weights}.").format(weights=weights) if weights else ""
            lines += [_("{film}: {note}").format(film=film_title(name), note=note) for note in notes]
        return lines


def found_text(name: str, landmarks: FilmLandmarks) -> str:
    """Return in one line which levels and how many landmarks a film shows, and how sure the network is of them."""
    seen = landmarks.visible()
    if not len(seen):
        return _("{film}: no landmarks.").format(film=film_title(name))
    levels = seen.levels
    found = [item for item in seen.values() if not item.corrected]
    text = _("{film}: {count} landmarks of {first} to {last}").format(
        film=film_title(name), count=len(seen), first=levels[0].name, last=levels[-1].name
    )
    corrected = len(seen) - len(found)
    if found:
        confidence = sum(item.confidence for item in found) / len(found)
        text = _("{text}, mean confidence {confidence:.2f}").format(text=text, confidence=confidence)
    if corrected:
        text = _("{text}, {count} corrected").format(text=text, count=corrected)
    return text + "."
