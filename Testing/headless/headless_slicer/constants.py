"""A way around PySide 6.12 on Python 3.10 and 3.11.

With each call it gives back a reference to None, True or False that it never took, because these objects cannot die
from Python 3.12 on. In older ones they do after some ten thousand calls, and take the process with them.
"""

from __future__ import annotations

import ctypes
import sys

# More than any run of tests gives back.
_MANY = 1 << 40


def keep_alive() -> None:
    """Give None, True and False so many references that they are never freed; not needed from Python 3.12 on."""
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    for constant in (None, True, False):
        if sys.getrefcount(constant) < _MANY:
            # The count is the first field of every object of a CPython built for speed.
            ctypes.c_ssize_t.from_address(id(constant)).value += _MANY
