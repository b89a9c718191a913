# One static library per code folder, its sources found by globbing, so that a new file needs no
# edit here. Target `lib_<folder with _ for />`; a folder without sources is headers only.
#
#   sharestore_module(<folder> [PCH] LINKS <folders and libraries it may use>)
#
# LINKS is the layering: only what stands below may be named.
set_property(GLOBAL PROPERTY sharestore_modules "")

# What the fuzzers of tests/fuzz go through. They need its coverage to find their way; it doubles
# the time that compiling takes, so the rest of the tree has none. (What -fsanitize=fuzzer-no-link
# stands for, which would need a precompiled header of its own.)
set(SHARESTORE_FUZZED_MODULES
  backends/core backends/share_file backends/disk backends/s3 backends/openstack config
  storage_server/http storage_server/protocol storage_server/grid)
set(SHARESTORE_FUZZ_COVERAGE
  -fsanitize-coverage=inline-8bit-counters,indirect-calls,trace-cmp,pc-table)

function(sharestore_target_name folder out)
  string(REPLACE "/" "_" name ${folder})
  set(${out} lib_${name} PARENT_SCOPE)
endfunction()

function(sharestore_module folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "PCH" "" "LINKS")
  sharestore_target_name(${folder} target)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  set(links)
  foreach(link IN LISTS arg_LINKS)
    if(link MATCHES "^(backends|config|storage_server)(/|$)")
      sharestore_target_name(${link} link)
      if(NOT TARGET ${link})
        message(FATAL_ERROR "${folder} links ${link}, which is not below it")
      endif()
    endif()
    list(APPEND links ${link})
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    string(REPLACE "/" "_" name ${folder})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME sharestore_${name})
    target_link_libraries(${target} PUBLIC sharestore_options ${links})
    if(SHARESTORE_SANITIZER STREQUAL "asan" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND
       folder IN_LIST SHARESTORE_FUZZED_MODULES)
      target_compile_options(${target} PRIVATE ${SHARESTORE_FUZZ_COVERAGE})
    endif()
    if(arg_PCH)
      sharestore_use_pch(${target})
    endif()
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE sharestore_options ${links})
  endif()
  set_property(GLOBAL APPEND PROPERTY sharestore_modules ${target})
endfunction()

# The shared precompiled header: the expensive headers that most files need, built once.
# Clang writes no time stamp into it, so that ccache can recognise it.
if(SHARESTORE_PCH)
  add_library(sharestore_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
  target_link_libraries(sharestore_pch PUBLIC sharestore_options)
  target_precompile_headers(sharestore_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(sharestore_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endif()

function(sharestore_use_pch target)
  if(SHARESTORE_PCH)
    target_precompile_headers(${target} REUSE_FROM sharestore_pch)
  endif()
endfunction()

# For code that runs once: not optimised in release either, so that it compiles in half the time.
# What it calls in the modules is.
function(sharestore_compile_quickly target)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    sharestore_use_pch(${target})
    return()
  endif()
  set(quick -O0 -U_FORTIFY_SOURCE)
  target_compile_options(${target} PRIVATE ${quick})
  if(NOT SHARESTORE_PCH)
    return()
  endif()
  if(NOT TARGET sharestore_quick_pch)
    add_library(sharestore_quick_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
    target_link_libraries(sharestore_quick_pch PUBLIC sharestore_options)
    target_compile_options(sharestore_quick_pch PRIVATE ${quick})
    target_precompile_headers(sharestore_quick_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)
  endif()
  target_precompile_headers(${target} REUSE_FROM sharestore_quick_pch)
endfunction()
