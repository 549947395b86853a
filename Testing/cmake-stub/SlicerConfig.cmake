# Stands in for Slicer's own SlicerConfig.cmake, so that the extension can be configured, installed and its tests
# listed without a Slicer build: cmake -DSlicer_DIR=<this folder>.

# Slicer compares it with its own, so a project without a language cannot find Slicer.
if(NOT CMAKE_SIZEOF_VOID_P)
  message(FATAL_ERROR "Mismatch between bitness of '${CMAKE_PROJECT_NAME}' and 'Slicer' project: "
    "CMAKE_SIZEOF_VOID_P is not set")
endif()

set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/GenerateExtensionConfig.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/ExtensionCPack.cmake")
