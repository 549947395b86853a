"""A case as nodes of a Slicer scene: films, landmarks, outlines, surfaces and tables. Uses slicer and vtk, no Qt."""
