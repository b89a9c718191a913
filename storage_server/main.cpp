#include <iostream>

#include "config/environment.h"
#include "storage_server/cli/command.h"

int main(int argc, char** argv) {
  sharestore::cli::CommandIo io{std::cout, std::cerr, sharestore::current_environment()};
  return sharestore::cli::run_command_line(argc, argv, io);
}
