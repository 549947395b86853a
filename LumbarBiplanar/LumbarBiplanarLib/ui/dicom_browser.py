"""Choosing the two films among the radiographs in Slicer's DICOM database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

VIEW_NAMES = ("AP", "lateral")
MODALITIES = ("CR", "DX", "RF", "XA")
# DICOM View Positions that make a film the AP or the lateral one.
_FRONTAL, _LATERAL = ("AP", "PA"), ("LL", "RL", "LAT", "LLO", "RLO")
_TAGS = {
    "modality": "0008,0060",
    "patient": "0010,0010",
    "patient_id": "0010,0020",
    "date": "0008,0020",
    "view_position": "0018,5101",
    "series": "0008,103E",
    "study": "0008,1030",
    "rows": "0028,0010",
    "columns": "0028,0011",
    "frames": "0028,0008",
}


@dataclass(frozen=True)
class Radiograph:
    """One image of the DICOM database, as far as its header tells.

    Attributes:
        path: its file.
        study_uid: study it belongs to.
        patient, date, view_position, description, size, modality: for people.
    """

    path: str
    study_uid: str
    patient: str
    date: str
    view_position: str
    description: str
    size: str
    modality: str

    @property
    def view_name(self) -> str | None:
        """The film that its View Position makes it, or None if it does not tell."""
        if self.view_position in _FRONTAL:
            return "AP"
        return "lateral" if self.view_position in _LATERAL else None


def radiographs(database: Any) -> list[Radiograph]:
    """Return the radiographs of a ctkDICOMDatabase, newest study first; none if it is missing or closed."""
    if database is None or not database.isOpen:
        return []
    found = [item for study in _studies(database) for item in _radiographs_of_study(database, study)]
    return sorted(found, key=lambda item: item.date, reverse=True)


def _studies(database: Any) -> Iterator[str]:
    for patient in database.patients():
        yield from database.studiesForPatient(patient)


def _radiographs_of_study(database: Any, study_uid: str) -> Iterator[Radiograph]:
    for series_uid in database.seriesForStudy(study_uid):
        instances = database.instancesForSeries(series_uid)
        # All images of a series have one modality: of a CT's thousands only one is asked.
        if not instances or database.instanceValue(instances[0], _TAGS["modality"]) not in MODALITIES:
            continue
        for uid in instances:
            item = _radiograph(database, study_uid, uid)
            if item is not None:
                yield item


def _radiograph(database: Any, study_uid: str, uid: str) -> Radiograph | None:
    tags = {name: str(database.instanceValue(uid, tag) or "").strip() for name, tag in _TAGS.items()}
    path = database.fileForInstance(uid)
    if not path or not tags["rows"] or tags["frames"] not in ("", "1"):
        return None
    name = " ".join(tags["patient"].replace("^", " ").split())
    # Names alone do not tell patients apart.
    patient = f"{name} ({tags['patient_id']})" if name and tags["patient_id"] else name or tags["patient_id"]
    return Radiograph(
        path,
        study_uid,
        patient,
        _readable_date(tags["date"]),
        tags["view_position"].upper(),
        tags["series"] or tags["study"],
        f"{tags['columns']} x {tags['rows']}",
        tags["modality"],
    )


def _readable_date(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 and date.isdigit() else date


def suggestion(films: Sequence[Radiograph]) -> dict[str, int]:
    """Return which films are likely the AP and the lateral one, as indices by view name.

    The first study that has both, by their View Positions; otherwise nothing is suggested.
    """
    for study in dict.fromkeys(film.study_uid for film in films):
        of_study = {}
        for index, film in enumerate(films):
            if film.study_uid == study and film.view_name is not None:
                of_study.setdefault(film.view_name, index)
        if len(of_study) == len(VIEW_NAMES):
            return of_study
    return {}


class FilmChooser:
    """Dialog that lists radiographs and asks which is the AP and which the lateral film.

    Args:
        films: what to list.
        parent: widget that the dialog belongs to, or None.
    """

    def __init__(self, films: Sequence[Radiograph], parent: Any = None) -> None:
        self._films = list(films)
        self.dialog = qt.QDialog(parent)
        self.dialog.setWindowTitle(_("Films from the DICOM database"))
        self.dialog.resize(820, 380)
        layout = qt.QVBoxLayout(self.dialog)
        self.table = qt.QTableWidget()
        self.message = qt.QLabel()
        self.message.setWordWrap(True)
        self.buttons = qt.QDialogButtonBox()
        self.buttons.setStandardButtons(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel)
        for widget in (self.table, self.message, self.buttons):
            layout.addWidget(widget)
        self.buttons.connect("accepted()", self.dialog.accept)
        self.buttons.connect("rejected()", self.dialog.reject)
        self._boxes: list[Any] = []
        self._fill()
        self._check()

    def chosen(self) -> dict[str, str]:
        """Return the paths of the chosen films by view name; a view that was not chosen is absent."""
        chosen = {}
        for box, film in zip(self._boxes, self._films, strict=True):
            if box.currentIndex > 0:
                chosen[VIEW_NAMES[box.currentIndex - 1]] = film.path
        return chosen

    def use_as(self, row: int, view_name: str | None) -> None:
        """Choose a row as the film of a view, or as none."""
        self._boxes[row].setCurrentIndex(0 if view_name is None else 1 + VIEW_NAMES.index(view_name))

    def _fill(self) -> None:
        titles = [_("Use as"), _("Patient"), _("Date"), _("View"), _("Description"), _("Size"), _("Kind")]
        table = self.table
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.setRowCount(len(self._films))
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)
        likely = suggestion(self._films)
        for row, film in enumerate(self._films):
            box = qt.QComboBox()
            for text in ("–", _("AP film"), _("Lateral film")):
                box.addItem(text)
            self._boxes.append(box)
            table.setCellWidget(row, 0, box)
            for view_name in VIEW_NAMES:
                if likely.get(view_name) == row:
                    self.use_as(row, view_name)
            box.connect("currentIndexChanged(int)", self._check)
            texts = (film.patient, film.date, film.view_position, film.description, film.size, film.modality)
            for column, text in enumerate(texts, start=1):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        table.resizeColumnsToContents()

    def _check(self, *_args: Any) -> None:
        indices = [box.currentIndex for box in self._boxes if box.currentIndex > 0]
        twice = [VIEW_NAMES[index - 1] for index in (1, 2) if indices.count(index) > 1]
        patients = {film.patient for box, film in zip(self._boxes, self._films, strict=True) if box.currentIndex > 0}
        if twice:
            self.message.text = _("Two films are chosen as the {view} film; choose one.").format(view=twice[0])
        elif len(patients) > 1:
            self.message.text = _("The two films are of different patients; choose films of one patient.")
        elif not indices:
            self.message.text = _("Choose the AP and the lateral film in the first column.")
        else:
            self.message.text = ""
        self.buttons.button(qt.QDialogButtonBox.Ok).setEnabled(len(patients) == 1 and not twice)


def choose_films(database: Any = None) -> Mapping[str, str] | None:
    """Let the user choose films of the DICOM database.

    Args:
        database: a ctkDICOMDatabase; None means Slicer's own.

    Returns:
        Paths by view name, or None if the user thought better of it or there are no radiographs, which is said.
    """
    database = getattr(slicer, "dicomDatabase", None) if database is None else database
    films = radiographs(database)
    if not films:
        text = _(
            "Slicer's DICOM database holds no radiographs ({modalities}). Import them with the DICOM module first, or "
            "use the Load… buttons."
        )
        slicer.util.infoDisplay(text.format(modalities=", ".join(MODALITIES)), windowTitle=_("DICOM database"))
        return None
    chooser = FilmChooser(films, slicer.util.mainWindow())
    accepted = chooser.dialog.exec_() == qt.QDialog.Accepted
    chosen = chooser.chosen() if accepted else None
    chooser.dialog.deleteLater()
    return chosen
