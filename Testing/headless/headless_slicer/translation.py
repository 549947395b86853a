"""Stand-in for slicer.i18n: English stays English, but a placeholder that a translator would lose is noticed."""

from __future__ import annotations

import string
import sys
from types import ModuleType


def tr(text: str) -> str:
    """Return the text, which has to be a literal with named or empty placeholders that ``str.format`` understands.

    Raises:
        TypeError: if it is not a string.
        ValueError: if its braces are no placeholders.
    """
    return translate(sys._getframe(1).f_globals.get("__name__", ""), text)


def translate(context: str, text: str) -> str:
    """Return the text as Slicer shows it in English; ``context`` is where a translator would find it."""
    if not isinstance(text, str) or not isinstance(context, str):
        raise TypeError(f"translate() takes two strings, not {context!r} and {text!r}")
    if "<style" not in text:
        list(string.Formatter().parse(text))
    return text


def install(slicer) -> None:
    """Make ``slicer.i18n`` importable."""
    module = ModuleType("slicer.i18n")
    module.tr, module.translate = tr, translate
    module.getContext = lambda source_file: source_file
    sys.modules["slicer.i18n"] = slicer.i18n = module
