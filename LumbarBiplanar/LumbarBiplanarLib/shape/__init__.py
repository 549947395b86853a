"""The statistical shape model of the lumbar vertebrae: using it, fitting it, building it, judging it."""

from .model import Posterior, ShapeModel
from .storage import load_shape_model, save_shape_model
from .surfaces import Surface

__all__ = ["Posterior", "ShapeModel", "Surface", "load_shape_model", "save_shape_model"]
