"""The panel in 3D Slicer: its sections, the job runner and the layout of the views. Uses Qt through PythonQt."""
