"""What a finished registration leaves of its image term, so that a refit need not set one up again.

After a landmark was moved the films, the pixels used and all but one vertebra are as they were. Setting the images up
about the present poses, and the derivatives of vertebrae that have not moved, would take most of the refit's time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .image_term import ImageTerm
from .least_squares import Unknowns
from .options import Options
from .poses import VertebraState

# A vertebra that has moved no further still lies well inside the pixels used.
_NEAR_MM, _STILL_MM = 4.0, 1e-3


@dataclass(frozen=True, eq=False)
class ImageFit:
    """The image term of the last stage of a registration, and the point it ended at.

    Attributes:
        stage: "coarse" or "fine".
        term: with pixels, weights and robust scale; and, if they were kept, the derivatives of the last time.
        unknowns: vertebrae, gain and background.
    """

    stage: str
    term: ImageTerm
    unknowns: Unknowns

    def gone_on_with(
        self,
        stage: str,
        vertebrae: Sequence[VertebraState],
        options: Options,
        view_names: Sequence[str],
        movement_mm: Callable[[VertebraState, VertebraState], float],
        modes: int,
    ) -> tuple[ImageTerm, Unknowns] | None:
        """Return a term and a point to go on from, or None if images must be set up again.

        If there are derivatives, those of vertebrae that have moved are renewed. Nothing of this fit changes.

        Args:
            stage: that the registration goes on with.
            vertebrae: as they are now.
            options: of the registration that goes on; another number of iterations makes no difference.
            view_names: of the films that it uses.
            movement_mm: how far a vertebra has moved.
            modes: free mode coefficients per vertebra.
        """
        before = {item.level: item for item in self.unknowns.vertebrae}
        ours = replace(self.term.options, coarse_iterations=options.coarse_iterations)
        if stage != self.stage or options != ours or len(self.unknowns.corrections):
            return None
        if [level.view.name for level in self.term.levels] != list(view_names):
            return None
        if list(before) != [item.level for item in vertebrae]:
            return None
        moved = [movement_mm(before[item.level], item) for item in vertebrae]
        if max(moved) > _NEAR_MM:
            return None
        unknowns = Unknowns(tuple(vertebrae), self.unknowns.nuisance, self.unknowns.corrections)
        return self.term.renewed(unknowns, modes, [i for i, off in enumerate(moved) if off > _STILL_MM]), unknowns
