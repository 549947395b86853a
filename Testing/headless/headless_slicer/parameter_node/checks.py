"""Conditions on a field's value, given in its annotation."""

from __future__ import annotations


class Validator:
    """A condition on a value."""

    def validate(self, value) -> None:
        """Raise ValueError or TypeError if the value does not meet the condition."""
        raise NotImplementedError


class NotNone(Validator):
    """The value is not None."""

    def validate(self, value) -> None:
        if value is None:
            raise ValueError("None is no value of this parameter")


class IsInstance(Validator):
    """The value is None or of one of the given types; numpy's scalars are no Python numbers."""

    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"{value!r} is of type {type(value).__name__}, not {self.classtype}")


class WithinRange(Validator):
    """The value lies between two numbers or is one of them."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


class Minimum(Validator):
    """The value is not below a number."""

    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value) -> None:
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


class Maximum(Validator):
    """The value is not above a number."""

    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


class Choice(Validator):
    """The value is one of a list."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


class Exclude(Validator):
    """The value is none of a list."""

    def __init__(self, excludedValues):
        self.excludedValues = excludedValues

    def validate(self, value) -> None:
        if value in self.excludedValues:
            raise ValueError(f"{value!r} is not allowed")
