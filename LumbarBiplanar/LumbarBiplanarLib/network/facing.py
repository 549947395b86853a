"""Which way a film shows the patient, by its geometry, where the networks know only one way.

They know AP films with the patient's right on the left. Of one that is seen from behind it is enough to turn over what
they are shown: left and right then are where they should be. What more there is, ``showing`` sees to.
"""

from __future__ import annotations

from ..geometry import View
from ..geometry.sides import LEFT, left_side


def seen_from_behind(view: View) -> bool:
    """Return whether the patient's left is on the left of an AP film."""
    return view.name == "AP" and left_side(view) == LEFT
