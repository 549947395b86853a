"""Errors that a user can cause.

Every message names the file and the value at fault and says what to do about it.
"""


class LumbarBiplanarError(ValueError):
    """Base of all errors that the user's input can cause."""


class FilmError(LumbarBiplanarError):
    """A film cannot be read, or holds nothing that can be used."""


class VolumeError(LumbarBiplanarError):
    """A CT or label volume cannot be read, or does not fit its purpose."""


class GeometryError(LumbarBiplanarError):
    """A view or a film pair is malformed, or does not match its film."""


class LandmarkError(LumbarBiplanarError):
    """Landmarks are missing, malformed or impossible."""


class ShapeModelError(LumbarBiplanarError):
    """A shape model file, or the data to build one from, cannot be used."""


class WeightsError(LumbarBiplanarError):
    """Network weights are missing, foreign or damaged."""


class DetectionError(LumbarBiplanarError):
    """The network finds no lumbar spine in the film."""


class RegistrationError(LumbarBiplanarError):
    """The registration cannot start or has diverged."""


class MeasurementError(LumbarBiplanarError):
    """A quantity cannot be measured on the surfaces given."""


class StudyError(LumbarBiplanarError):
    """A case on disk cannot be read, its output cannot be written, or what is needed for it is not there."""


class OutputError(StudyError):
    """A result cannot be written: the place is taken, read-only or full."""
