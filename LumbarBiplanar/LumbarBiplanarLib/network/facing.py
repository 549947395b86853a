"""Which way a film shows the patient, by its geometry, where the networks know only one way.

They know AP films with the patient's right on the left, and lateral films on which the patient faces left. Of an AP
film seen from behind it is enough to turn over what they are shown: left and right then are where they should be. A
lateral film turned over shows the other side of the patient, see ``reading.read``.
"""

from __future__ import annotations

from ..geometry import View
from ..geometry.sides import BACK, LEFT, left_side


def faces_right(view: View) -> bool:
    """Return whether the patient faces right on a lateral film."""
    return view.name == "lateral" and left_side(view) == BACK


def seen_from_behind(view: View) -> bool:
    """Return whether the patient's left is on the left of an AP film."""
    return view.name == "AP" and left_side(view) == LEFT
