"""Qt's enumerators as PythonQt gives them: integers, found under the class in the short form."""

from __future__ import annotations

import enum
import functools


class EnumValue(int):
    """An enumerator or a combination of flags; equal to its number, and joined with ``|``."""

    def __new__(cls, member: enum.Enum):
        value = member.value if isinstance(member.value, int) else int.from_bytes(bytes(member.value), "big")
        made = super().__new__(cls, value)
        made._member = member
        return made

    def __or__(self, other):
        if isinstance(other, EnumValue) and isinstance(self._member, enum.Flag):
            return EnumValue(self._member | other._member)
        return int(self) | int(other)

    def __and__(self, other):
        if isinstance(self._member, enum.Flag) and isinstance(other, EnumValue):
            return EnumValue(self._member & other._member)
        return int(self) & int(other)

    def __invert__(self):
        return EnumValue(~self._member) if isinstance(self._member, enum.Flag) else ~int(self)

    def __repr__(self) -> str:
        return f"{self._member} ({int(self)})"


@functools.cache
def short_forms(pyside_class: type) -> dict[str, enum.Enum]:
    """Return the enumerators of a Qt class and its bases by their own names, as C++ before ``enum class`` had them."""
    found: dict[str, enum.Enum] = {}
    for name in dir(pyside_class):
        member = getattr(pyside_class, name, None)
        if isinstance(member, type) and issubclass(member, enum.Enum):
            for key, value in member.__members__.items():
                found.setdefault(key, value)
    return found
