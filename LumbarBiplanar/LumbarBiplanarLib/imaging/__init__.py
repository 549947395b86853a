"""Reading films, and drawing films from a CT."""

from .film import Film, Polarity
from .integration import integrate_rays, integrate_volume
from .reading import read_film
from .resampling import resample_image
from .spacing import FilmSpacing, SpacingPlane, detector_spacing, film_spacing
from .volume import Volume, read_volume, write_volume
from .writing import is_relative, read_lumbar_image, write_film, write_lumbar_image

__all__ = [
    "Film",
    "FilmSpacing",
    "Polarity",
    "SpacingPlane",
    "Volume",
    "detector_spacing",
    "film_spacing",
    "integrate_rays",
    "integrate_volume",
    "is_relative",
    "read_film",
    "read_lumbar_image",
    "read_volume",
    "resample_image",
    "write_film",
    "write_lumbar_image",
    "write_volume",
]
