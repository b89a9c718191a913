# Tests, fuzzers and benchmarks, found by globbing: a new file needs no edit here.
#
#   tests/<folder>/*_test.cpp     one GoogleTest program `<folder with _>_test` of all *.cpp in the
#                                 folder, one ctest entry of that name
#   tests/<folder>/*_tool.cpp     a program of its own for tests to run, named after the file
#   tests/<folder>/test.cmake     optional; may set `test_timeout_s`, `test_libraries`, and call
#                                 sharestore_script_test(<name> <command> ...) or
#                                 sharestore_swift_test(<name> <command> ...)
#   tests/support/*.cpp           library `test_support`
#   tests/fuzz/<name>_fuzz.cpp    program `<name>_fuzz` (asan preset), corpus tests/fuzz/corpus/<name>
#   bench/*_bench.cpp             a Google Benchmark program named after the file
#   bench/*.cpp                   a program of its own named after the file
#
# A program links the modules whose headers its sources include (and those below them), so that it
# builds without the rest of the tree.

option(BUILD_TESTING "Build tests, fuzzers and benchmarks" ON)
if(NOT BUILD_TESTING)
  return()
endif()
enable_testing()
find_package(GTest 1.12 REQUIRED)
find_package(benchmark 1.7 REQUIRED)

add_custom_target(concurrent_tests)
add_custom_target(fuzzers)
add_custom_target(header_checks)

# The suites that run threads against each other: ThreadSanitizer runs these (label `concurrent`).
set(SHARESTORE_CONCURRENT_TESTS
  backends_core_test
  backends_memory_test
  backends_disk_test
  backends_object_test
  bucket_test
  backends_http_test
  conformance_test
  protocol_test
  storage_server_http_test
  storage_server_index_test
  storage_server_shares_test
  storage_server_protocol_test
  CACHE INTERNAL "")
set(SHARESTORE_TEST_TIMEOUT_S 600)

# The modules that the files named use, in `out`; files of tests/support and bench are followed.
function(sharestore_used_modules out)
  set(pending ${ARGN})
  set(seen)
  set(modules)
  while(pending)
    list(POP_FRONT pending file)
    if(file IN_LIST seen OR NOT EXISTS ${file})
      continue()
    endif()
    list(APPEND seen ${file})
    set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(STRINGS ${file} lines REGEX "^#include \"[a-z_0-9/]+\\.h\"")
    foreach(line IN LISTS lines)
      string(REGEX MATCH "\"(([a-z_0-9/]+)/[a-z_0-9]+)\\.h\"" ignored "${line}")
      set(stem "${CMAKE_MATCH_1}")
      set(folder "${CMAKE_MATCH_2}")
      if(folder MATCHES "^(tests|bench)(/|$)")
        list(APPEND pending ${PROJECT_SOURCE_DIR}/${stem}.h
                            ${PROJECT_SOURCE_DIR}/${stem}.cpp)
      elseif(folder)
        sharestore_target_name(${folder} module)
        # backend.h beside the factory is an interface; only the factory needs the library.
        if(TARGET ${module} AND NOT line MATCHES "backends/backend\\.h")
          list(APPEND modules ${module})
        endif()
      endif()
    endforeach()
  endwhile()
  list(REMOVE_DUPLICATES modules)
  set(${out} ${modules} PARENT_SCOPE)
endfunction()

# A program of tests or bench: compiled like the rest, knows where the tree and the node are.
function(sharestore_test_program target)
  add_executable(${target} ${ARGN})
  sharestore_used_modules(modules ${ARGN})
  target_link_libraries(${target} PRIVATE ${modules} sharestore_options)
  # Before the archives: otherwise a template that GoogleTest wants from libstdc++ is taken from
  # any object of an archive that happens to hold a copy, with all that this object needs.
  target_link_options(${target} PRIVATE -lstdc++)
  target_compile_definitions(${target} PRIVATE
    SHARESTORE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    SHARESTORE_PROGRAM="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/sharestore")
endfunction()

# A test written as a script; the command sees SHARESTORE_SOURCE_DIR, SHARESTORE_PROGRAM and
# SHARESTORE_BUILD_DIR. Exit 77 is a skip: the script prints why.
function(sharestore_script_test name)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${SHARESTORE_TEST_TIMEOUT_S} SKIP_RETURN_CODE 77 LABELS script
    ENVIRONMENT "SHARESTORE_SOURCE_DIR=${PROJECT_SOURCE_DIR};SHARESTORE_PROGRAM=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/sharestore;SHARESTORE_BUILD_DIR=${PROJECT_BINARY_DIR};GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/gtest/${name}.xml")
endfunction()

# A test that needs a real OpenStack Swift: `command` runs beside one of its own, whose addresses are in
# its environment (tests/support/swift_server.py has the names), also as an S3 store.
#   sharestore_swift_test(<name> <command> ... [SERVER <options of swift_server.py>])
function(sharestore_swift_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SERVER")
  find_program(PYTHON3 python3 REQUIRED)
  sharestore_script_test(${name} ${PYTHON3} tests/support/swift_server.py ${arg_SERVER} --
                         ${arg_UNPARSED_ARGUMENTS})
endfunction()

file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.cpp)
list(FILTER support_sources EXCLUDE REGEX "_(test|tool)\\.cpp$")
if(support_sources)
  add_library(test_support STATIC ${support_sources})
  # Third parties by name; the modules that support uses are linked by each program, so that a
  # test of one folder builds without the others.
  target_link_libraries(test_support PUBLIC
    sharestore_options GTest::gmock OpenSSL::SSL sodium CURL::libcurl SQLite::SQLite3 Boost::json
    Boost::url)
  target_compile_definitions(test_support PRIVATE
    SHARESTORE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    SHARESTORE_PROGRAM="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/sharestore")
  sharestore_use_pch(test_support)
else()
  add_library(test_support INTERFACE)
  target_link_libraries(test_support INTERFACE GTest::gmock)
endif()

function(sharestore_test_folder folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*.cpp)
  set(tools ${sources})
  list(FILTER tools INCLUDE REGEX "_tool\\.cpp$")
  foreach(tool IN LISTS tools)
    get_filename_component(name ${tool} NAME_WE)
    sharestore_test_program(${name} ${tool})
    sharestore_use_pch(${name})
    target_link_libraries(${name} PRIVATE test_support)
  endforeach()
  list(FILTER sources EXCLUDE REGEX "_tool\\.cpp$")
  if(folder STREQUAL "support")
    list(FILTER sources INCLUDE REGEX "_test\\.cpp$")
  endif()

  set(test_timeout_s ${SHARESTORE_TEST_TIMEOUT_S})
  set(test_libraries)
  string(REPLACE "/" "_" name ${folder})
  include(${PROJECT_SOURCE_DIR}/tests/${folder}/test.cmake OPTIONAL)
  set(has_tests ${sources})
  list(FILTER has_tests INCLUDE REGEX "_test\\.cpp$")
  if(NOT has_tests)
    return()
  endif()
  sharestore_test_program(${name}_test ${sources})
  sharestore_compile_quickly(${name}_test)
  target_link_libraries(${name}_test PRIVATE test_support ${test_libraries}
                                             GTest::gmock GTest::gtest_main)
  if(TARGET lib_${name})
    target_link_libraries(${name}_test PRIVATE lib_${name})
  endif()
  add_test(NAME ${name}_test COMMAND ${name}_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  # A file of its own: programs that run side by side under one name would share one.
  set_tests_properties(${name}_test PROPERTIES TIMEOUT ${test_timeout_s}
    ENVIRONMENT "GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/gtest/${name}_test.xml")
  if(${name}_test IN_LIST SHARESTORE_CONCURRENT_TESTS)
    set_tests_properties(${name}_test PROPERTIES LABELS concurrent)
    add_dependencies(concurrent_tests ${name}_test)
  endif()
endfunction()

file(GLOB_RECURSE test_files CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/tests/*.cpp ${PROJECT_SOURCE_DIR}/tests/test.cmake)
set(test_folders)
foreach(file IN LISTS test_files)
  get_filename_component(folder ${file} DIRECTORY)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/tests ${folder})
  list(APPEND test_folders ${folder})
endforeach()
list(REMOVE_DUPLICATES test_folders)
list(FILTER test_folders EXCLUDE REGEX "^(fuzz|)$")
foreach(folder IN LISTS test_folders)
  sharestore_test_folder(${folder})
endforeach()

if(SHARESTORE_SANITIZER STREQUAL "asan" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  file(GLOB fuzzers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp)
  foreach(source IN LISTS fuzzers)
    get_filename_component(name ${source} NAME_WE)
    sharestore_test_program(${name} ${source})
    sharestore_use_pch(${name})
    file(STRINGS ${source} lines REGEX "^#include \"(backends|config|storage_server)/")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^#include \"(.*)/[a-z_0-9]+\\.h\"$" "\\1" folder "${line}")
      if(NOT folder IN_LIST SHARESTORE_FUZZED_MODULES)
        message(FATAL_ERROR "${source} uses ${folder}: add it to SHARESTORE_FUZZED_MODULES")
      endif()
    endforeach()
    set_target_properties(${name} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    target_link_libraries(${name} PRIVATE test_support)
    target_compile_options(${name} PRIVATE ${SHARESTORE_FUZZ_COVERAGE})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name})
  endforeach()
endif()

file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
foreach(source IN LISTS bench_sources)
  get_filename_component(name ${source} NAME_WE)
  sharestore_test_program(${name} ${source})
  sharestore_use_pch(${name})
  target_link_libraries(${name} PRIVATE CLI11::CLI11 test_support)
  if(name MATCHES "_bench$")
    target_link_libraries(${name} PRIVATE benchmark::benchmark_main benchmark::benchmark)
    # So that it cannot rot: every case once or a little more. Figures come from a run by hand.
    add_test(NAME ${name} COMMAND ${name} --benchmark_min_time=0.001
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${SHARESTORE_TEST_TIMEOUT_S} LABELS bench)
  endif()
endforeach()

include(${PROJECT_SOURCE_DIR}/bench/bench.cmake OPTIONAL)

# Each header alone, without the precompiled header: what it forgot to include shows here.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/backends/*.h ${PROJECT_SOURCE_DIR}/config/*.h
     ${PROJECT_SOURCE_DIR}/storage_server/*.h)
get_property(modules GLOBAL PROPERTY sharestore_modules)
set(header_sources)
foreach(header IN LISTS headers)
  file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${header})
  set(source ${PROJECT_BINARY_DIR}/header_checks/${name}.cpp)
  if(NOT EXISTS ${source})
    file(WRITE ${source} "#include \"${name}\"\n")
  endif()
  list(APPEND header_sources ${source})
endforeach()
if(header_sources)
  add_library(header_checks_objects OBJECT EXCLUDE_FROM_ALL ${header_sources})
  target_link_libraries(header_checks_objects PRIVATE ${modules})
  target_compile_options(header_checks_objects PRIVATE -O0 -g0)
  add_dependencies(header_checks header_checks_objects)
endif()
