"""Reading films, and drawing films from a CT."""

from .attenuation import attenuation_per_mm
from .contradictions import notes_on_pair, notes_on_view
from .drawing import DrawnFilms, draw_films, expose, level_paths
from .facts import film_facts
from .film import Film, Polarity
from .integration import integrate_rays, integrate_volume
from .labels import LABELS, guess_convention, lumbar_labels
from .reading import detector_spacing, film_spacing, read_film, read_film_alone
from .refining import refine_ct, refine_labels
from .resampling import resample_image
from .spacing import FilmSpacing, SpacingPlane
from .synthesis import draw_films_from_files, write_drawn_films
from .volume import Volume, read_volume, write_volume
from .writing import is_relative, read_lumbar_image, write_film, write_lumbar_image

__all__ = [
    "LABELS",
    "DrawnFilms",
    "Film",
    "FilmSpacing",
    "Polarity",
    "SpacingPlane",
    "Volume",
    "attenuation_per_mm",
    "detector_spacing",
    "draw_films",
    "draw_films_from_files",
    "expose",
    "film_facts",
    "film_spacing",
    "guess_convention",
    "integrate_rays",
    "integrate_volume",
    "is_relative",
    "level_paths",
    "lumbar_labels",
    "notes_on_pair",
    "notes_on_view",
    "read_film",
    "read_film_alone",
    "read_lumbar_image",
    "read_volume",
    "refine_ct",
    "refine_labels",
    "resample_image",
    "write_drawn_films",
    "write_film",
    "write_lumbar_image",
    "write_volume",
]
