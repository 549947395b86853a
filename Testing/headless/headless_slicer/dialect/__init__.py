"""PythonQt's dialect, spoken by PySide objects: what ``import qt`` means to Python code in Slicer.

Properties are attributes and cannot be called; a function named like a property is hidden by it; unknown names are
refused on reading and on writing; constructors take no keywords; signals are named in C++ and checked against the
object's class; slots get as many arguments as they take; value classes keep their functions; enumerators have the short
form only; lists come back as tuples; Qt classes are no subclasses of each other.
"""
