// Shares over an object container, for the suites that run over every backend.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "tests/conformance/backend_cases.h"
#include "tests/support/object_place.h"
#include "tests/support/shared_container.h"

namespace sharestore {

class ObjectWorld : public BackendWorld {
 public:
  std::unique_ptr<Backend> open_backend() override {
    if (!container_) container_ = make_container();
    ObjectBackendOptions options = place_.options();
    options.part_bytes = part_bytes(options.part_bytes);
    return place_.open(std::make_unique<SharedContainer>(container_), journal, clock,
                       std::move(options));
  }

 protected:
  virtual std::shared_ptr<ObjectContainer> make_container() = 0;
  virtual std::uint64_t part_bytes(std::uint64_t usual) const { return usual; }
  boost::asio::any_io_executor executor() { return place_.executor(); }

 private:
  ObjectPlace place_;
  std::shared_ptr<ObjectContainer> container_;
};

}  // namespace sharestore
