# Slicer writes <extension>Config.cmake here; nothing of it is needed to check the lists of files.
