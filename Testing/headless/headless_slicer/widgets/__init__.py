"""Stand-ins, made of PySide widgets, for the Qt classes of CTK and Slicer that a module's panel meets.

They have the properties, signals and functions that the C++ classes have, as far as a panel needs them; anything else
is refused by the dialect. Python code sees them only through ``headless_slicer.dialect``.
"""
