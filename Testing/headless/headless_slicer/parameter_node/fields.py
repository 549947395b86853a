"""How a field of each type is kept in a vtkMRMLScriptedModuleNode."""

from __future__ import annotations

import enum
from pathlib import Path, PurePath
from typing import Annotated, get_args, get_origin

import slicer

from .checks import IsInstance, NotNone, Validator


def split(annotation) -> tuple[type, list]:
    """Return an annotation's type and what is written behind it in ``Annotated``."""
    if get_origin(annotation) is Annotated:
        kind, *rest = get_args(annotation)
        return kind, rest
    return annotation, []


class Field:
    """One field of a wrapper class: reads and writes its value as the node's parameter of the same name."""

    def __init__(self, name: str, annotation):
        self.name, self.annotation = name, annotation
        self.kind, extras = split(annotation)
        self.checks = [*self._own_checks(), *(extra for extra in extras if isinstance(extra, Validator))]

    def _own_checks(self) -> list[Validator]:
        return [NotNone(), IsInstance((int, float) if self.kind is float else self.kind)]

    def default(self):
        """Return the value of a field whose class gives none."""
        return self.kind()

    def text(self, value) -> str:
        """Return what is stored for a value."""
        return str(value)

    def value(self, text: str):
        """Return the value of a stored text."""
        return self.kind(text)

    def is_in(self, node) -> bool:
        """Return whether the node has a value of this field."""
        return node.HasParameter(self.name)

    def write(self, node, value) -> None:
        """Check a value and store it.

        Raises:
            TypeError: if it is of another type.
            ValueError: if it does not meet the field's conditions.
        """
        for check in self.checks:
            check.validate(value)
        self.store(node, value)

    def store(self, node, value) -> None:
        """Store a checked value."""
        node.SetParameter(self.name, self.text(value))

    def read(self, node):
        """Return the stored value."""
        return self.value(node.GetParameter(self.name))


class BoolField(Field):
    """Stored as True or False."""

    def value(self, text: str) -> bool:
        """Return whether the text is True."""
        return text == "True"


class EnumField(Field):
    """Stored by the member's name."""

    def default(self):
        """Return the first member."""
        return next(iter(self.kind))

    def text(self, value) -> str:
        """Return the member's name."""
        return value.name

    def value(self, text: str):
        """Return the member of that name."""
        return self.kind[text]


class NodeField(Field):
    """A reference to a node; None is a value."""

    def _own_checks(self) -> list[Validator]:
        return [IsInstance(self.kind)]

    def default(self):
        """Return None."""
        return

    def store(self, node, value) -> None:
        """Refer to a node of the scene, or to none."""
        node.SetParameter(self.name, "")
        node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)

    def read(self, node):
        """Return the node referred to, None if it is not in the scene (yet)."""
        return node.GetNodeReference(self.name)


def make_field(name: str, annotation) -> Field:
    """Return the field for an annotation.

    Raises:
        NotImplementedError: if this stand-in does not know the type; Slicer may.
    """
    kind, _ = split(annotation)
    if isinstance(kind, str):
        raise TypeError(f"{name}: the annotation {kind!r} is a text; the wrapper's file needs real types")
    if kind is bool:
        return BoolField(name, annotation)
    if kind in (int, float, str, Path, PurePath):
        return Field(name, annotation)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return EnumField(name, annotation)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeField(name, annotation)
    raise NotImplementedError(f"{name}: the headless Slicer has no parameter field of type {annotation}")
