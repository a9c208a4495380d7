# Debian packages, made by cpack (`make deb`): bitloss, and beside it bitloss-mpi and bitloss-cuda, whose
# libraries not everybody wants, where their plugins were built.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME bitloss)
set(CPACK_PACKAGE_CONTACT "The bitloss authors <authors@bitloss.invalid>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)

set(CPACK_COMPONENTS_ALL program)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# Each depends on the packages of the libraries that it was linked with.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME bitloss)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "${PROJECT_DESCRIPTION}")
foreach(plugin mpi cuda)
  if(TARGET bitloss_${plugin})
    string(TOUPPER ${plugin} PLUGIN)
    list(APPEND CPACK_COMPONENTS_ALL ${plugin})
    set(CPACK_DEBIAN_${PLUGIN}_PACKAGE_NAME bitloss-${plugin})
    set(CPACK_DEBIAN_${PLUGIN}_PACKAGE_DEPENDS "bitloss (= ${PROJECT_VERSION})")
    set(CPACK_COMPONENT_${PLUGIN}_DESCRIPTION "bitloss: the plugin for ${PLUGIN}")
  endif()
endforeach()
include(CPack)
