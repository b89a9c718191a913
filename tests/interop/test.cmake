# What a stock client sent, once, is sent again to the program that was built. `run` needs a stock
# client and is started by hand.
find_program(PYTHON3 python3 REQUIRED)
sharestore_script_test(interop_replay
  ${PYTHON3} tests/interop/replay
    --sharestore ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/sharestore)
