# Every sentence of backend.h over a real S3 server.
sharestore_swift_test(conformance_real_s3
  ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/conformance_test --gtest_filter=*/real_s3)
# The same over a real Swift.
sharestore_swift_test(conformance_real_swift
  ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/conformance_test --gtest_filter=*/real_swift)
