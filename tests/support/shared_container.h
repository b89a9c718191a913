// An ObjectContainer that forwards to one that several hold, so that a backend can be opened again
// over the same store. Tests derive from it to inject faults.
//
// Any thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/object/container.h"

namespace sharestore {

class SharedContainer : public ObjectContainer {
 public:
  explicit SharedContainer(std::shared_ptr<ObjectContainer> inner) : inner_(std::move(inner)) {}

  const ContainerTraits& traits() const override { return inner_->traits(); }
  Task<void> open(OpContext context) override { return inner_->open(context); }
  Task<void> close() override { co_return Status{}; }
  Task<ObjectInfo> put(OpContext context, std::string key, ByteSourcePtr content,
                       PutCondition condition) override {
    return inner_->put(context, std::move(key), std::move(content), std::move(condition));
  }
  Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                        std::uint64_t length, Freshness freshness) override {
    return inner_->get(context, std::move(key), offset, length, freshness);
  }
  Task<ObjectInfo> head(OpContext context, std::string key, Freshness freshness) override {
    return inner_->head(context, std::move(key), freshness);
  }
  Task<void> remove(OpContext context, std::string key) override {
    return inner_->remove(context, std::move(key));
  }
  Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                        std::size_t limit) override {
    return inner_->list(context, std::move(prefix), std::move(after), limit);
  }
  Task<Multipart> begin_multipart(OpContext context, std::string key) override {
    return inner_->begin_multipart(context, std::move(key));
  }
  Task<MultipartPart> upload_part(OpContext context, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content) override {
    return inner_->upload_part(context, std::move(upload), number, std::move(content));
  }
  Task<ObjectInfo> complete_multipart(OpContext context, Multipart upload,
                                      std::vector<MultipartPart> parts,
                                      PutCondition condition) override {
    return inner_->complete_multipart(context, std::move(upload), std::move(parts),
                                      std::move(condition));
  }
  Task<void> abort_multipart(OpContext context, Multipart upload) override {
    return inner_->abort_multipart(context, std::move(upload));
  }
  Task<std::vector<Multipart>> list_multiparts(OpContext context, std::string prefix,
                                               std::size_t limit) override {
    return inner_->list_multiparts(context, std::move(prefix), limit);
  }
  Task<void> create(OpContext context) override { return inner_->create(context); }
  ContainerStatus status() const override { return inner_->status(); }

 protected:
  const std::shared_ptr<ObjectContainer> inner_;
};

}  // namespace sharestore
