# Third-party libraries: Debian's packages (scripts/packages.build), nothing downloaded.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL 3 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(tinyxml2 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(CLI11 REQUIRED)

# Debian's libsodium-dev has no CMake package.
find_path(SODIUM_INCLUDE_DIR sodium.h REQUIRED)
find_library(SODIUM_LIBRARY sodium REQUIRED)
add_library(sodium UNKNOWN IMPORTED)
set_target_properties(sodium PROPERTIES IMPORTED_LOCATION ${SODIUM_LIBRARY}
                                        INTERFACE_INCLUDE_DIRECTORIES ${SODIUM_INCLUDE_DIR})

# Every target sees the same definitions, which is what lets all share one precompiled header.
target_link_libraries(sharestore_options INTERFACE Threads::Threads Boost::headers fmt::fmt
                                                   spdlog::spdlog)
target_compile_definitions(sharestore_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_DATE_TIME)
