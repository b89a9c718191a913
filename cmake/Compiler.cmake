# Chooses the compiler; included before project().
#
# g++ 12 miscompiles common `co_await` expressions (temporaries destroyed twice), so where the
# default compiler is an older g++ clang 19 is taken instead. Set CXX or CMAKE_CXX_COMPILER to
# choose by hand; cmake/Options.cmake refuses a g++ that is too old.
set(SHARESTORE_MIN_GCC 13)

if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
  find_program(SHARESTORE_DEFAULT_CXX NAMES c++ g++)
  set(default_is_usable FALSE)
  if(SHARESTORE_DEFAULT_CXX)
    execute_process(COMMAND ${SHARESTORE_DEFAULT_CXX} -dM -E -x c++ /dev/null
                    OUTPUT_VARIABLE predefined ERROR_QUIET)
    if(predefined MATCHES "#define __clang_major__ ([0-9]+)")
      if(CMAKE_MATCH_1 GREATER_EQUAL 19)
        set(default_is_usable TRUE)
      endif()
    elseif(predefined MATCHES "#define __GNUC__ ([0-9]+)")
      if(CMAKE_MATCH_1 GREATER_EQUAL SHARESTORE_MIN_GCC)
        set(default_is_usable TRUE)
      endif()
    endif()
  endif()
  if(NOT default_is_usable)
    find_program(SHARESTORE_CLANGXX NAMES clang++-19)
    if(SHARESTORE_CLANGXX)
      set(CMAKE_CXX_COMPILER ${SHARESTORE_CLANGXX})
    endif()
  endif()
endif()
