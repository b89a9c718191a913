# Programs that are run by hand or by side_by_side have names with a hyphen.
file(GLOB load_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/load/*.cpp)
target_sources(sharestore_load PRIVATE ${load_sources})
target_link_libraries(sharestore_load PRIVATE Boost::json OpenSSL::SSL
                      lib_storage_server_protocol)
set_target_properties(sharestore_load PROPERTIES OUTPUT_NAME sharestore-load)
set_target_properties(raw_durable PROPERTIES OUTPUT_NAME raw-durable)
set_target_properties(paced_store PROPERTIES OUTPUT_NAME paced-store)
# Suites count allocations; backends come with their stores.
file(GLOB measure_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/measure/*.cpp)
foreach(suite backend_bench hot_functions_bench)
  target_sources(${suite} PRIVATE ${measure_sources})
  sharestore_used_modules(modules ${measure_sources})
  target_link_libraries(${suite} PRIVATE ${modules} test_support)
endforeach()
