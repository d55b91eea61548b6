# SPDX-License-Identifier: Apache-2.0
# The three helper functions of the build (thorong_library, thorong_test, thorong_bench), and the generator
# of include lists for the "a file each" folders. Sources are globbed with CONFIGURE_DEPENDS: a new file is picked up
# by the next plain build and there is no list to keep.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The sloppiness is what ccache asks for before it takes a precompiled header into account.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${CCACHE_PROGRAM}")
endif()

add_library(thorong_options INTERFACE)
target_include_directories(thorong_options INTERFACE "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}/generated")
target_compile_options(
  thorong_options
  INTERFACE -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wcast-qual
            -Wdouble-promotion -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Wundef)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 warns about std::string's own concatenation (GCC bug 105651), and more so behind a precompiled header.
  target_compile_options(thorong_options INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(THORONG_WERROR)
  target_compile_options(thorong_options INTERFACE -Werror)
endif()

# What most files include, parsed once: half of the compiler's time for a typical file. The files include what they use
# all the same; the dev preset, which parses each file alone, finds those that forget to.
set(thorong_common_headers <algorithm> <array> <cmath> <cstdint> <cstring> <filesystem> <functional> <map> <memory> <optional>
    <set> <span> <string> <string_view> <utility> <vector> <fmt/format.h>)

# thorong_precompile(NAME OBJECT|EXECUTABLE LIBRARIES a HEADERS b): a target whose precompiled header others use again. Its kind, library or
# executable, must be theirs: position-independent code has other flags in each.
function(thorong_precompile name kind)
  cmake_parse_arguments(arg "" "" "LIBRARIES;HEADERS" ${ARGN})
  set(source "${PROJECT_BINARY_DIR}/generated/${name}.cc")
  file(CONFIGURE OUTPUT "${source}" CONTENT "int main() {}\n")
  if(kind STREQUAL "EXECUTABLE")
    add_executable(${name} EXCLUDE_FROM_ALL "${source}")
  else()
    add_library(${name} OBJECT EXCLUDE_FROM_ALL "${source}")
  endif()
  target_link_libraries(${name} PRIVATE thorong_options ${arg_LIBRARIES})
  target_precompile_headers(${name} PRIVATE ${thorong_common_headers} ${arg_HEADERS})
endfunction()

function(thorong_version_header)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/thorong/version.h"
       CONTENT "#pragma once\n#define THORONG_VERSION \"${PROJECT_VERSION}\"\n")
endfunction()

# thorong_library(NAME [TOGETHER [ALONE dir/*.cc]] DEPENDS a b [GLOBS dir/*.cc]): target thorong_NAME (alias
# thorong::NAME) from the folder's *.cc, and thorong_NAME_test from its *_test.cc. With TOGETHER eight files are compiled
# as one, which a folder of many small files gains most from; ALONE names those that share names on purpose.
function(thorong_library name)
  cmake_parse_arguments(arg "TOGETHER" "" "DEPENDS;GLOBS;ALONE;TEST_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc ${arg_GLOBS})
  list(FILTER sources EXCLUDE REGEX "_(test|bench|fuzz|main)\\.cc$")
  add_library(thorong_${name} STATIC ${sources})
  add_library(thorong::${name} ALIAS thorong_${name})
  target_link_libraries(thorong_${name} PUBLIC ${arg_DEPENDS} thorong_options)
  target_precompile_headers(thorong_${name} REUSE_FROM thorong_precompiled)
  if(arg_TOGETHER AND THORONG_SHARED_PARSING)
    set_target_properties(thorong_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    file(GLOB alone ${arg_ALONE})
    set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  thorong_test(${name} ${arg_TEST_DEPENDS})
  thorong_bench(${name})
  thorong_fuzz(${name})
endfunction()

function(thorong_test name)
  if(NOT THORONG_BUILD_TESTS)
    return()
  endif()
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS *_test.cc)
  if(tests)
    add_executable(thorong_${name}_test ${tests})
    target_link_libraries(thorong_${name}_test PRIVATE thorong_${name} ${ARGN} GTest::gtest_main)
    target_compile_definitions(thorong_${name}_test PRIVATE THORONG_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_precompile_headers(thorong_${name}_test REUSE_FROM thorong_test_precompiled)
    add_test(NAME ${name} COMMAND thorong_${name}_test)
  endif()
endfunction()

function(thorong_bench name)
  file(GLOB_RECURSE benches CONFIGURE_DEPENDS *_bench.cc)
  if(benches AND THORONG_BUILD_BENCHMARKS AND benchmark_FOUND)
    add_executable(thorong_${name}_bench ${benches})
    target_link_libraries(thorong_${name}_bench PRIVATE thorong_${name} benchmark::benchmark_main)
  endif()
endfunction()

function(thorong_fuzz name)
  file(GLOB_RECURSE fuzzers CONFIGURE_DEPENDS *_fuzz.cc)
  if(fuzzers AND THORONG_BUILD_FUZZERS)
    foreach(fuzzer ${fuzzers})
      get_filename_component(stem ${fuzzer} NAME_WE)
      add_executable(${stem} ${fuzzer})
      target_link_libraries(${stem} PRIVATE thorong_${name} -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()

# thorong_file_table(TARGET DIRECTORY OUTPUT SUFFIX): writes OUTPUT into the build tree with one THORONG_ENTRY(stem)
# line per file of DIRECTORY, sorted; for headers (SUFFIX .h) also the include lines under THORONG_INCLUDES.
function(thorong_file_table target directory output suffix)
  file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${directory}/*${suffix}")
  list(FILTER files EXCLUDE REGEX "_(test|bench|fuzz)\\.cc$")
  list(SORT files)
  set(includes "")
  set(entries "")
  foreach(file ${files})
    get_filename_component(stem ${file} NAME_WE)
    if(suffix STREQUAL ".h")
      string(APPEND includes "#include \"${directory}/${stem}.h\"\n")
    endif()
    string(APPEND entries "THORONG_ENTRY(${stem})\n")
  endforeach()
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/${output}_includes.inc" CONTENT "${includes}")
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/${output}.inc" CONTENT "${entries}")
endfunction()
