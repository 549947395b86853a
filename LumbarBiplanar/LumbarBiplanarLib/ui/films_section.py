"""The section Films: choosing the two films, their polarity and their geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from ..errors import LumbarBiplanarError
from ..geometry import GeometrySettings
from ..imaging import Polarity
from ..mrml.films import VIEW_NAMES, belongs_to_pair, chosen_polarity, is_film, put_back, stated_polarity
from ..mrml.landmarks import find_landmark_list
from ..mrml.other_cases import partner_of
from .dicom_browser import choose_films
from .films_text import film_title, geometry_text, selector_tip
from .geometry_table import GeometryTable
from .remembered_folder import ask_open_file, ask_save_file

if TYPE_CHECKING:
    from .services import PanelServices

# Choices of the polarity boxes, by index.
_POLARITIES = (None, Polarity.BONE_BRIGHT, Polarity.BONE_DARK)
_FIELDS = {"AP": "apFilm", "lateral": "lateralFilm"}
_FOLDER = "Films"


class FilmsSection:
    """Loads, chooses and exchanges films, and shows and changes their geometry.

    Args:
        services: what the panel offers.
    """

    def __init__(self, services: PanelServices) -> None:
        self._services = services
        ui = services.ui
        self._selectors = {"AP": ui.apFilmSelector, "lateral": ui.lateralFilmSelector}
        self._polarities = {"AP": ui.apPolarityComboBox, "lateral": ui.lateralPolarityComboBox}
        self._table = GeometryTable(ui.geometryTable, self._use_settings, self._refuse_number)
        self._accepted: dict[str, str | None] = dict.fromkeys(VIEW_NAMES)
        self._accepting = False
        self._connections: list[tuple[Any, str, Callable[..., None]]] = []

    # -- life ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect the signals of its widgets."""
        ui = self._services.ui
        for box in self._polarities.values():
            for text in (_("Automatic"), _("Bone bright"), _("Bone dark")):
                box.addItem(text)
        self._connections = [
            (ui.loadApButton, "clicked()", self._load_ap),
            (ui.loadLateralButton, "clicked()", self._load_lateral),
            (ui.sampleStudyButton, "clicked()", self._load_sample),
            (ui.loadDicomButton, "clicked()", self._load_dicom),
            (ui.swapFilmsButton, "clicked()", self._swap),
            (ui.loadGeometryButton, "clicked()", self._load_geometry),
            (ui.saveGeometryButton, "clicked()", self._save_geometry),
            (ui.standardGeometryButton, "clicked()", self._use_standard),
            (self._polarities["AP"], "activated(int)", self._turn_ap),
            (self._polarities["lateral"], "activated(int)", self._turn_lateral),
            # Also sent when the film gets another name.
            (self._selectors["AP"], "currentNodeChanged(vtkMRMLNode*)", self._on_selector),
            (self._selectors["lateral"], "currentNodeChanged(vtkMRMLNode*)", self._on_selector),
        ]
        for widget, signal, slot in self._connections:
            widget.connect(signal, slot)
        self._table.connect()

    def cleanup(self) -> None:
        """Disconnect and let go of everything; the form is about to be deleted."""
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections = []
        self._table.cleanup()

    def scene_closing(self) -> None:
        """Let go of nodes; the scene is about to lose them."""
        self._accepted = dict.fromkeys(VIEW_NAMES)
        self._table.show(None)
        if self._services.layout is not None:
            self._services.layout.scene_closing()

    def node_going(self, node: Any) -> None:
        """Let go of a film before it leaves the scene.

        A selector whose node is removed under it chooses the next one of its list, which nobody has chosen as a film.
        """
        parameters = self._services.parameters
        if parameters is None or slicer.mrmlScene.IsClosing():
            return
        for field in _FIELDS.values():
            if getattr(parameters, field) is node:
                setattr(parameters, field, None)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Set texts, enabled states and tooltips from the case, and show the films in their views."""
        services = self._services
        self._accept_selected()
        films = self._films()
        settings = services.logic.geometrySettings() if services.parameters is not None else None
        idle = services.parameters is not None and not services.runner.running
        for name, film in films.items():
            put_back(film)
            self._selectors[name].enabled = idle
            self._selectors[name].toolTip = selector_tip(film)
            self._show_polarity(name, film, idle)
        self._allow_buttons(idle, all(films.values()), settings is not None)
        self._table.show(settings, idle)
        services.ui.geometryStatusLabel.text = geometry_text(films, settings)
        self._show_films(films)

    def _films(self) -> dict[str, Any]:
        """Return the films of the case by view name, None where there is none."""
        parameters = self._services.parameters
        nodes = {name: getattr(parameters, field, None) for name, field in _FIELDS.items()}
        return {name: node if is_film(node) else None for name, node in nodes.items()}

    def _show_polarity(self, name: str, film: Any, idle: bool) -> None:
        box = self._polarities[name]
        box.enabled = idle and film is not None
        tip = _("Whether bone is bright or dark in the file. Automatic takes what the file states.")
        if film is not None:
            bright = stated_polarity(film) is Polarity.BONE_BRIGHT
            states = _("Here that is: bone bright.") if bright else _("Here that is: bone dark.")
            tip = f"{tip} {states}"
        box.toolTip = tip
        box.setCurrentIndex(_POLARITIES.index(chosen_polarity(film)) if film is not None else 0)

    def _allow_buttons(self, idle: bool, both: bool, has_geometry: bool) -> None:
        ui = self._services.ui
        busy = _("Wait until the present step has ended, or cancel it.")
        for button in (ui.loadApButton, ui.loadLateralButton, ui.sampleStudyButton, ui.loadDicomButton):
            button.enabled = idle
        missing = _("Load the AP and the lateral film first.")
        for button, allowed, tip in (
            (ui.swapFilmsButton, both, _("Use the AP film as the lateral one and the other way round.")),
            (ui.loadGeometryButton, both, _("Read geometry.json of the pair.")),
            (ui.standardGeometryButton, both, _("Use a usual set-up with what the files state; the rest is assumed.")),
            (ui.saveGeometryButton, has_geometry, _("Write the geometry shown above to a geometry.json.")),
        ):
            button.enabled = idle and allowed
            button.toolTip = missing if not allowed else tip if idle else busy

    def _show_films(self, films: dict[str, Any]) -> None:
        services = self._services
        if services.layout is None or services.parameters is None:
            return
        parameters = services.parameters
        overlays = dict.fromkeys(VIEW_NAMES)
        if parameters.showLumbarImage:
            overlays = {"AP": parameters.apLumbarImage, "lateral": parameters.lateralLumbarImage}
        services.layout.show_films(films, overlays, parameters.lumbarOpacity, parameters.showFilmsIn3D)

    def _on_selector(self, *_args: Any) -> None:
        self._services.changed()

    # -- choosing a film -------------------------------------------------------------------------------------------

    def _accept_selected(self) -> None:
        """Make films of the volumes that the user has chosen in the selectors; what cannot be one is put back."""
        parameters = self._services.parameters
        if parameters is None or self._accepting or self._services.runner.running:
            return
        self._accepting = True
        try:
            # What was chosen comes first: the other film may belong to another case only since then.
            for name in sorted(VIEW_NAMES, key=lambda name: self._is_accepted(parameters, name)):
                self._accept(parameters, name)
        finally:
            self._accepting = False

    def _is_accepted(self, parameters: Any, name: str) -> bool:
        node = getattr(parameters, _FIELDS[name])
        return node is not None and node.GetID() == self._accepted[name]

    def _accept(self, parameters: Any, name: str) -> None:
        node = getattr(parameters, _FIELDS[name])
        other = getattr(parameters, _FIELDS["lateral" if name == "AP" else "AP"])
        logic = self._services.logic
        # A copy of a film that somebody made in the Data module has its geometry, and none of its landmarks.
        if node is None or (
            _belong_together(node, other, name) and logic.landmarkNode(name) is find_landmark_list(node)
        ):
            self._accepted[name] = node.GetID() if node is not None else None
            return
        # The logic needs the case as it was before the choice: the geometry stays if it fits the new film.
        before = slicer.mrmlScene.GetNodeByID(self._accepted[name] or "")
        setattr(parameters, _FIELDS[name], before)
        try:
            film = logic.useVolume(node, name)
        except LumbarBiplanarError as error:
            self._services.error(film_title(name), error)
            return
        self._accepted[name] = film.GetID()
        self._services.log(_("{film}: {name}").format(film=film_title(name), name=film.GetName()))

    # -- buttons ---------------------------------------------------------------------------------------------------

    def _load_ap(self, *_args: Any) -> None:
        self._load_film("AP")

    def _load_lateral(self, *_args: Any) -> None:
        self._load_film("lateral")

    def _load_film(self, name: str) -> None:
        films = _(
            "Films (*.dcm *.dicom *.png *.tif *.tiff *.nrrd *.nhdr *.mha *.mhd *.nii *.nii.gz *.jpg *.jpeg *.bmp)"
        )
        title = _("Load the {view} film").format(view=name)
        path = ask_open_file(_FOLDER, title, f"{films};;{_('All files (*)')}")
        if path:
            loaded = _("{file} loaded").format(file=Path(path).name)
            self._do(film_title(name), lambda: self._services.logic.loadFilm(path, name), loaded)

    def _load_sample(self, *_args: Any) -> None:
        self._do(_("Sample study"), self._services.logic.loadSampleStudy, _("loaded"))

    def _load_dicom(self, *_args: Any) -> None:
        chosen = choose_films()
        if not chosen:
            return
        logic, title = self._services.logic, _("Films from the DICOM database")
        if len(chosen) == len(VIEW_NAMES):
            self._do(title, lambda: logic.loadFilms(chosen["AP"], chosen["lateral"]), _("loaded"))
        else:
            ((name, path),) = chosen.items()
            self._do(title, lambda: logic.loadFilm(path, name), _("loaded"))

    def _swap(self, *_args: Any) -> None:
        self._do(_("Swap films"), self._services.logic.swapFilms, _("done"))

    def _load_geometry(self, *_args: Any) -> None:
        title = _("Load geometry")
        path = ask_open_file(_FOLDER, title, f"{_('Geometry (*.json)')};;{_('All files (*)')}")
        if path:
            loaded = _("{file} loaded").format(file=Path(path).name)
            self._do(_("Geometry"), lambda: self._services.logic.loadGeometry(path), loaded)

    def _save_geometry(self, *_args: Any) -> None:
        title = _("Save geometry")
        path = ask_save_file(_FOLDER, title, "geometry.json", _("Geometry (*.json)"))
        if path:
            saved = _("{file} saved").format(file=Path(path).name)
            self._do(_("Geometry"), lambda: self._services.logic.saveGeometry(path), saved)

    def _use_standard(self, *_args: Any) -> None:
        self._do(_("Standard geometry"), self._services.logic.useStandardGeometry, _("used; check what is assumed"))

    def _turn_ap(self, index: int = 0, *_args: Any) -> None:
        self._turn("AP", index)

    def _turn_lateral(self, index: int = 0, *_args: Any) -> None:
        self._turn("lateral", index)

    def _turn(self, name: str, index: int) -> None:
        title = _("Polarity of the {view} film").format(view=name)
        self._do(title, lambda: self._services.logic.setPolarity(name, _POLARITIES[index]), _("changed"))

    def _use_settings(self, settings: GeometrySettings) -> None:
        """Take what was typed into the table; its errors go back there."""
        self._services.logic.setGeometrySettings(settings)
        self._services.status(_("The geometry was changed."))
        self._services.changed()

    def _refuse_number(self, error: LumbarBiplanarError) -> None:
        self._services.error(_("Geometry"), error)
        self._services.changed()

    def _do(self, title: str, function: Callable[[], Any], done: str) -> None:
        """Do something with the case, and say in one message how it went."""
        try:
            function()
        except Exception as error:
            self._services.error(title, error)
        else:
            self._services.status(_("{title}: {done}.").format(title=title, done=done))
            self._services.log(_("{title}: {done}.").format(title=title, done=done))
        self._services.changed()


def _belong_together(node: Any, other: Any, view_name: str) -> bool:
    """Tell whether a node can be the film of a view as it stands, and is not of another copy of the case."""
    if not belongs_to_pair(node, other, view_name):
        return False
    return other is None or partner_of(node) in (None, other) or partner_of(other) is node
