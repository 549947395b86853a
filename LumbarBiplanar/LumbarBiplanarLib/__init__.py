"""LumbarBiplanar: 3-D reconstruction of the lumbar spine from an AP and a lateral X-ray."""

__version__ = "0.1.0"
