"""``slicer.dicomDatabase``: patients, studies and series of the DICOM files that a test has added."""

from __future__ import annotations

from PySide6 import QtCore
from PySide6.QtCore import Property, Signal


class ctkDICOMDatabase(QtCore.QObject):
    """CTK's database, kept in memory; tags are asked for as "0028,0030", and a missing one is ""."""

    databaseChanged = Signal()

    def __init__(self):
        super().__init__()
        self._files: dict[str, object] = {}
        self._is_open = True

    isOpen = Property(bool, lambda self: self._is_open)
    databaseFilename = Property(str, lambda self: ":memory:")

    def _add(self, path) -> None:
        import pydicom

        self._files[str(path)] = pydicom.dcmread(str(path), stop_before_pixels=True)
        self.databaseChanged.emit()

    def _clear(self) -> None:
        self._files.clear()
        self.databaseChanged.emit()

    def _distinct(self, keyword: str, where: str | None = None, value: str | None = None) -> list[str]:
        found = (data for data in self._files.values() if where is None or str(data.get(where, "")) == value)
        return list(dict.fromkeys(str(data.get(keyword, "")) for data in found))

    def patients(self):
        return self._distinct("PatientID")

    def studiesForPatient(self, patient):
        return self._distinct("StudyInstanceUID", "PatientID", patient)

    def seriesForStudy(self, study):
        return self._distinct("SeriesInstanceUID", "StudyInstanceUID", study)

    def filesForSeries(self, series, hits=-1):
        found = [path for path, data in self._files.items() if str(data.get("SeriesInstanceUID", "")) == series]
        return found if hits < 0 else found[:hits]

    def instancesForSeries(self, series, hits=-1):
        return self._distinct("SOPInstanceUID", "SeriesInstanceUID", series)

    def fileForInstance(self, instance):
        found = (path for path, data in self._files.items() if str(data.get("SOPInstanceUID", "")) == instance)
        return next(found, "")

    def fileValue(self, path, tag):
        data = self._files.get(path)
        group, element = (int(part, 16) for part in tag.split(","))
        found = data.get((group, element)) if data is not None else None
        if found is None or found.value is None:
            return ""
        value = found.value
        return "\\".join(map(str, value)) if found.VM > 1 else str(value)

    def instanceValue(self, instance, tag):
        return self.fileValue(self.fileForInstance(instance), tag)

    def fileValueExists(self, path, tag):
        return bool(self.fileValue(path, tag))

    def _described(self, keyword: str, value: str, wanted: str) -> str:
        return next((str(d.get(wanted, "")) for d in self._files.values() if str(d.get(keyword, "")) == value), "")

    def nameForPatient(self, patient):
        return self._described("PatientID", patient, "PatientName")

    def descriptionForStudy(self, study):
        return self._described("StudyInstanceUID", study, "StudyDescription")

    def descriptionForSeries(self, series):
        return self._described("SeriesInstanceUID", series, "SeriesDescription")
