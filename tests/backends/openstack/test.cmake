# The cases that need a real Swift; one more beside a Swift whose tokens are short.
sharestore_swift_test(openstack_real_swift
  ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/backends_openstack_test --gtest_filter=RealSwift.*
  SERVER --names 10001)
sharestore_swift_test(openstack_short_tokens
  ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/backends_openstack_test --gtest_filter=RealSwift.TokensThat*
  SERVER --token-life 3)
