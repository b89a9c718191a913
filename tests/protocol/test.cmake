# The same suite over the wire, against a node whose shares lie in a real S3 server or a real Swift.
foreach(store s3 openstack)
  sharestore_swift_test(protocol_over_${store}
    python3 ${PROJECT_SOURCE_DIR}/tests/protocol/over_store.py ${store}
    ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/protocol_test)
endforeach()
# A store whose clock is 20 minutes off, which refuses what is signed with ours.
sharestore_swift_test(protocol_over_s3_clock_behind
  python3 ${PROJECT_SOURCE_DIR}/tests/protocol/over_store.py s3
  ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/protocol_test behind SERVER "--clock=+20m")
sharestore_swift_test(protocol_over_s3_clock_ahead
  python3 ${PROJECT_SOURCE_DIR}/tests/protocol/over_store.py s3
  ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/protocol_test "ahead of" SERVER "--clock=-20m")
