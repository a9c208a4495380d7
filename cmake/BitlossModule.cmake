# The headers that nearly every file includes, parsed once: a quarter of all compile time. Files
# include what they use all the same.
function(bitloss_common_headers name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBRARIES;OPTIONS;HEADERS")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${name}.cc CONTENT "")
  add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/${name}.cc)
  target_link_libraries(${name} PRIVATE fmt::fmt bitloss::warnings ${arg_LIBRARIES})
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  target_precompile_headers(${name} PRIVATE
    <algorithm> <array> <chrono> <cmath> <cstddef> <cstdint> <cstring> <filesystem> <fstream> <functional>
    <map> <memory> <mutex> <numeric> <optional> <set> <span> <sstream> <string> <string_view> <thread>
    <unordered_map> <utility> <variant> <vector> <fmt/format.h> ${arg_HEADERS})
endfunction()
bitloss_common_headers(bitloss_common_headers)

function(bitloss_precompiled target)
  target_precompile_headers(${target} REUSE_FROM bitloss_common_headers)
endfunction()

# What tests say is run once: the time of their compilation is what costs, and GoogleTest names lines itself.
set(bitloss_test_options -O0 -g0)
if(BITLOSS_TESTS)
  find_package(GTest REQUIRED)
  bitloss_common_headers(bitloss_test_headers LIBRARIES GTest::gmock nlohmann_json::nlohmann_json
                         OPTIONS ${bitloss_test_options} HEADERS <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp>)
endif()

# For files whose loops take no share of a study's time.
set(bitloss_not_hot_options -O1)

# bitloss_module(tensor DEPENDS base SOURCES tensor.cc LIBRARIES fmt::fmt TESTS tensor_test.cc)
#
# One library for each folder of src/bitloss.
#   DEPENDS    the complete list of folders whose headers it may include; the test
#              `floors` holds the sources against it, so the picture in DESIGN.md
#              cannot drift from the code
#   LIBRARIES  what is not ours
#   TESTS      one GoogleTest program each, run in parallel by ctest
#   NO_UNITY   its files are compiled one by one even where others are not (BITLOSS_UNITY): instruction sets, or
#              names that several of its files use for their own
#   NOT_HOT    no loop of it takes a share of a study's time: compiled with -O1, which is faster
function(bitloss_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NOT_HOT;NO_UNITY" "" "DEPENDS;SOURCES;LIBRARIES;TESTS")
  add_library(bitloss_${name} STATIC ${arg_SOURCES})
  add_library(bitloss::${name} ALIAS bitloss_${name})
  target_include_directories(bitloss_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)

  list(TRANSFORM arg_DEPENDS PREPEND bitloss:: OUTPUT_VARIABLE floors_below)
  target_link_libraries(bitloss_${name} PUBLIC ${floors_below} ${arg_LIBRARIES}
                        PRIVATE bitloss::warnings)
  bitloss_precompiled(bitloss_${name})
  if(BITLOSS_UNITY AND NOT arg_NO_UNITY)
    set_target_properties(bitloss_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
  if(arg_NOT_HOT)
    target_compile_options(bitloss_${name} PRIVATE ${bitloss_not_hot_options})
  endif()
  string(REPLACE ";" " " depends "${arg_DEPENDS}")
  file(APPEND ${PROJECT_BINARY_DIR}/floors.txt "${name}: ${depends}\n")

  foreach(test IN LISTS arg_TESTS)
    bitloss_test(${test} DEPENDS ${name})
  endforeach()
endfunction()

# bitloss_build_of(VARIABLE SOURCE...): what names the sources that a plugin and the program that loads
# it were both made of.
function(bitloss_build_of variable)
  list(SORT ARGN)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(hashes "")
  foreach(source IN LISTS ARGN)
    file(SHA256 ${source} hash)
    string(APPEND hashes ${hash})
  endforeach()
  string(SHA256 hash "${hashes}")
  string(SUBSTRING ${hash} 0 12 hash)
  set(${variable} "${PROJECT_VERSION}-${hash}" PARENT_SCOPE)
endfunction()

# bitloss_test(tensor_test.cc DEPENDS tensor [LABELS slow])
#
# A GoogleTest program of its own, if tests are built (BITLOSS_TESTS). Tests without a label run in `make test`; the
# labels are `slow`, `acceptance` (needs BITLOSS_SHARED_DATA) and `peer` (needs
# another project's tools).
function(bitloss_test source)
  if(NOT BITLOSS_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LABELS")
  cmake_path(GET source STEM test_name)
  add_executable(${test_name} ${source})
  # In one folder, from where they find the model that ships as an installed program does.
  set_target_properties(${test_name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  list(TRANSFORM arg_DEPENDS PREPEND bitloss:: OUTPUT_VARIABLE libraries)
  target_link_libraries(${test_name} PRIVATE ${libraries} GTest::gmock GTest::gtest_main
                        nlohmann_json::nlohmann_json bitloss::json bitloss::warnings)
  target_precompile_headers(${test_name} REUSE_FROM bitloss_test_headers)
  target_compile_options(${test_name} PRIVATE ${bitloss_test_options})
  target_compile_definitions(${test_name} PRIVATE
    BITLOSS_SOURCE_DIR="${PROJECT_SOURCE_DIR}" BITLOSS_SHARED_DATA="${BITLOSS_SHARED_DATA}")
  add_test(NAME ${test_name} COMMAND ${test_name})
  # Generous: a busy machine is no failure.
  set_tests_properties(${test_name} PROPERTIES TIMEOUT 1200)
  # Those that run whole studies take longest: side by side, they must begin first.
  if(test_name MATCHES "_(program|workflow|ranks)_test$")
    set_tests_properties(${test_name} PROPERTIES COST 100)
  endif()
  if(arg_LABELS)
    set_tests_properties(${test_name} PROPERTIES LABELS "${arg_LABELS}")
  endif()
endfunction()
