"""How a film is shown to the networks, which know only one way of seeing a patient.

They know films as seen from the source, and lateral films on which the patient faces left with the source at the
patient's left. Any other film is one of those, turned over or not, of the patient or of the mirrored patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ..geometry import View
from ..geometry.sides import RIGHT, source_side
from ..imaging.film import Film
from .detection import Detection

_Item = TypeVar("_Item", View, Film, Detection)


@dataclass(frozen=True)
class Showing:
    """A way of showing a film.

    Attributes:
        turned_over: the columns are in reverse order.
        mirrored_patient: the patient is mirrored at x = 0 of RAS; left and right are exchanged.
    """

    turned_over: bool = False
    mirrored_patient: bool = False

    def of(self, item: _Item) -> _Item:
        """Return what is shown of an item of the film as it is, and the item of what is shown of it."""
        if self.turned_over:
            item = item.turned_over()
        return item.of_mirrored_patient() if self.mirrored_patient else item


def way_of_showing(view: View, mirrored_patient: bool | None = None) -> Showing:
    """Return how a film is shown.

    Args:
        view: of the film.
        mirrored_patient: whether it is to be one of the mirrored patient; None: if it is a lateral film that is one of
            those that the networks know only of the mirrored patient.
    """
    if mirrored_patient is None:
        mirrored_patient = view.name == "lateral" and source_side(view) == RIGHT
    return Showing(view.mirrored != mirrored_patient, mirrored_patient)
