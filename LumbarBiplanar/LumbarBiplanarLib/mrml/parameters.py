"""What a scene remembers of the panel: the case's nodes and the user's choices, as a typed parameter node."""

import enum
import functools
from typing import Annotated, Any

from slicer.i18n import tr as _

# Fields that hold a node.
NODE_FIELDS = (
    *("apFilm", "lateralFilm", "apLandmarks", "lateralLandmarks", "apLumbarImage", "lateralLumbarImage"),
    *("reconstruction", "measurements"),
)

# Annotations must be real types here, not text: Slicer's wrapper reads them when the class is made.


class Device(enum.Enum):
    """Where network and registration run; a scene stores the member's name."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"

    def label(self) -> str:
        """Return what the panel's list shows."""
        return {"auto": _("Automatic"), "cpu": _("CPU"), "cuda": _("CUDA GPU")}[self.value]


class PosteriorWeight(enum.Enum):
    """Weight of the transverse and spinous processes against the body; a scene stores the member's name."""

    ONE = 1
    TWO = 2
    FOUR = 4
    EIGHT = 8

    def label(self) -> str:
        """Return what the panel's list shows."""
        if self is PosteriorWeight.ONE:
            return _("1 (standard)")
        return str(self.value)


class LevelNames(enum.Enum):
    """How the levels that the network finds are renamed; a scene stores the member's name."""

    TWO_UP = -2
    UP = -1
    AS_FOUND = 0
    DOWN = 1
    TWO_DOWN = 2

    def label(self) -> str:
        """Return what the panel's list shows."""
        return {
            -2: _("Two up: L3 becomes L1"),
            -1: _("One up: L2 becomes L1"),
            0: _("As found"),
            1: _("One down: L1 becomes L2"),
            2: _("Two down: L1 becomes L3"),
        }[self.value]


@functools.lru_cache(maxsize=1)
def parameters_class() -> type:
    """Return the class ``CaseParameters``, made when first asked for: only Slicer has the wrapper it is made with."""
    from slicer import (
        vtkMRMLMarkupsFiducialNode,
        vtkMRMLScalarVolumeNode,
        vtkMRMLTableNode,
        vtkMRMLTextNode,
    )
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class CaseParameters:
        """The case of a scene; the names are also those of the panel's ``SlicerParameterName`` properties."""

        apFilm: vtkMRMLScalarVolumeNode
        lateralFilm: vtkMRMLScalarVolumeNode
        apLandmarks: vtkMRMLMarkupsFiducialNode
        lateralLandmarks: vtkMRMLMarkupsFiducialNode
        apLumbarImage: vtkMRMLScalarVolumeNode
        lateralLumbarImage: vtkMRMLScalarVolumeNode
        reconstruction: vtkMRMLTextNode
        measurements: vtkMRMLTableNode
        device: Device = Device.AUTO
        levelNames: LevelNames = LevelNames.AS_FOUND
        posteriorWeight: PosteriorWeight = PosteriorWeight.ONE
        liveOverlay: bool = True
        refitOnMove: bool = True
        showLumbarImage: bool = False
        lumbarOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.4
        lockLandmarks: bool = False
        showLandmarkLabels: bool = False
        showEpipolarLine: bool = True
        showMeasurementMarkups: bool = True
        showFilmsIn3D: bool = True

    return CaseParameters


def wrap_parameters(node: Any) -> Any:
    """Return a new ``CaseParameters`` over a parameter node.

    A wrapper made before or during the loading of a scene keeps None for nodes that the scene brings in, so make a new
    one after every import.
    """
    return parameters_class()(node)
