# How every target is compiled and linked: standard, warnings, optimisation, sanitizers, hardening,
# ccache, lld. Targets get it by linking `sharestore_options`.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND
   CMAKE_CXX_COMPILER_VERSION VERSION_LESS SHARESTORE_MIN_GCC)
  message(FATAL_ERROR
    "g++ ${CMAKE_CXX_COMPILER_VERSION} miscompiles common co_await expressions (temporaries are "
    "destroyed twice). Install clang-19 (apt-get install clang-19), or set CXX to clang++-19 or "
    "to a g++ of ${SHARESTORE_MIN_GCC} or newer, and configure in an empty build folder.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

set(SHARESTORE_SANITIZER "" CACHE STRING "Sanitizers: empty, asan (with UBSan and fuzzers) or tsan")
set_property(CACHE SHARESTORE_SANITIZER PROPERTY STRINGS "" asan tsan)
option(SHARESTORE_WERROR "Warnings are errors" ON)
option(SHARESTORE_PCH "Use the shared precompiled header" ON)
option(SHARESTORE_CCACHE "Use ccache where it is present" ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
# Not optimised: compiling takes a third of the time of -O1, and the suites run about as fast.
set(CMAKE_CXX_FLAGS_SANITIZE "-O0 -g1 -fno-omit-frame-pointer -fno-optimize-sibling-calls")

add_library(sharestore_options INTERFACE)
target_include_directories(sharestore_options INTERFACE ${PROJECT_SOURCE_DIR})

target_compile_options(sharestore_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast
  -Wcast-align -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Wextra-semi -Wunused
  -Wnull-dereference -Wdouble-promotion)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Sizes and offsets are 64-bit: a silent cut to 32 bits is the conversion that harms here.
  target_compile_options(sharestore_options INTERFACE
    -Wshorten-64-to-32 -Wshadow-field -Wunreachable-code-return -Wunreachable-code-break)
endif()
if(SHARESTORE_WERROR)
  target_compile_options(sharestore_options INTERFACE -Werror)
endif()

# libstdc++'s cheap checks (indices, empty containers) stay on in every build: a node that stops
# is better than one that writes past a buffer.
target_compile_definitions(sharestore_options INTERFACE _GLIBCXX_ASSERTIONS)

if(SHARESTORE_SANITIZER STREQUAL "asan")
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(SHARESTORE_SANITIZER STREQUAL "tsan")
  set(sanitize -fsanitize=thread)
elseif(NOT SHARESTORE_SANITIZER STREQUAL "")
  message(FATAL_ERROR "SHARESTORE_SANITIZER=${SHARESTORE_SANITIZER}: expected asan, tsan or empty")
endif()
if(SHARESTORE_SANITIZER)
  target_compile_options(sharestore_options INTERFACE ${sanitize})
  target_link_options(sharestore_options INTERFACE ${sanitize})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(sharestore_options INTERFACE -fstack-protector-strong)
  target_compile_definitions(sharestore_options INTERFACE _FORTIFY_SOURCE=2)
endif()
# By hand, not by CMake's property, which would differ between libraries (-fPIC) and programs
# (-fPIE) and so forbid one precompiled header for both.
target_compile_options(sharestore_options INTERFACE -fPIE)
target_link_options(sharestore_options INTERFACE -pie -Wl,-z,relro,-z,now,--as-needed)

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  find_program(SHARESTORE_LLD NAMES ld.lld-19 ld.lld)
  if(SHARESTORE_LLD)
    target_link_options(sharestore_options INTERFACE -fuse-ld=lld)
  endif()
endif()

if(SHARESTORE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(SHARESTORE_CCACHE_PROGRAM ccache)
  if(SHARESTORE_CCACHE_PROGRAM)
    # The two sloppiness flags are what ccache needs to cache uses of a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_NOHASHDIR=1
      ${SHARESTORE_CCACHE_PROGRAM})
  endif()
endif()
