"""Whether a film was given as what it is: an AP film as the AP one, a lateral film as the lateral one.

The networks find a spine on either whichever they are told, and are hardly less confident of the landmarks. The second
stage is surer of its vertebrae if it is told the truth, however hard the film is to read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..imaging import Film
from .first_stage import first_look, stretched
from .model import VIEW_NAMES
from .reading import Networks, Reading, found_on, load_networks, presence_of
from .refinement import look_closely
from .showing import way_of_showing

# Read as what they are, 69 of 84 drawn films of people left out and 30 of 40 real AP films are above this; read as the
# other view, turned over or not, none is (0.991 at most; docs/network.md).
_SURE = 0.994
_LESS_DOUBT = 0.6


@dataclass(frozen=True)
class ViewLook:
    """How sure the network is of a film as one of the view it was given for, and as one of the other view.

    Attributes:
        other: name of the other view, "AP" or "lateral".
        as_given: mean probability of the vertebrae found, 0 to 1; of a lateral film turned over if that is more.
        as_other: the same if the film is read as one of the other view; 0 if there was no reason to try.
    """

    other: str
    as_given: float
    as_other: float

    @property
    def is_given(self) -> bool:
        """Whether the film is what it was given as."""
        return self.as_given >= _SURE

    @property
    def is_other(self) -> bool:
        """Whether the film is one of the other view."""
        return self.as_other >= _SURE and 1.0 - self.as_other <= _LESS_DOUBT * (1.0 - self.as_given)


def look_at_view(
    film: Film,
    reading: Reading | None = None,
    device: str | torch.device = "auto",
    weights: str | Path | None = None,
) -> ViewLook | None:
    """Return which view a film looks like; None without a second stage, which alone can tell.

    Only a film of which the network is not sure as it was given is read again.

    Args:
        film: as it was given.
        reading: what ``detect`` read on it, if it could.
        device, weights: as for ``detect``.

    Raises:
        WeightsError: if the weights cannot be used.
        ValueError: if the view is neither AP nor lateral, or the device cannot be used.
    """
    networks = load_networks(weights, device) if reading is None else reading.networks
    if networks.refiner is None:
        return None
    other = VIEW_NAMES[1 - VIEW_NAMES.index(film.view.name)]
    if reading is None:
        shown = way_of_showing(film.view).of(film)
        image = stretched(shown)
        given = _presence(networks, shown, image)
    else:
        shown, image, given = reading.film, reading.image, presence_of(reading.close)
    turned = np.ascontiguousarray(image[:, ::-1])
    if given < _SURE and film.view.name == "lateral":  # an AP film looks alike turned over
        given = max(given, _presence(networks, shown, turned))
    if given >= _SURE:
        return ViewLook(other, given, 0.0)
    as_other = replace(shown, view=replace(shown.view, name=other))
    return ViewLook(other, given, max(_presence(networks, as_other, pixels) for pixels in (image, turned)))


def _presence(networks: Networks, film: Film, image: np.ndarray) -> float:
    look = first_look(networks.spine, film.view, image, networks.device)
    return presence_of(found_on(film, look_closely(networks.refiner, film.view, image, look, networks.device)))
