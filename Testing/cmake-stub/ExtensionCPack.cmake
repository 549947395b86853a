# Slicer's packaging stops where the description of the extension is incomplete.
foreach(field IN ITEMS HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if("${EXTENSION_${field}}" STREQUAL "")
    message(FATAL_ERROR "EXTENSION_${field} is empty")
  endif()
endforeach()
