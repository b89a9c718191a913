// An S3 bucket as an ObjectContainer.
//
// Threads: as ObjectContainer. traits() is settled when open() has succeeded.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "backends/object/container.h"
#include "backends/s3/s3_client.h"

namespace sharestore::s3 {

// An object that is got whole is held in memory: state blobs have 16 MiB at most.
inline constexpr std::size_t kMaxWholeBytes = 17 << 20;
// "Each part must be at least 5 MB, except the last"; "maximum object size 5 TB"; "upload an object
// in a single operation: 5 GB" (S3 user guide, multipart upload limits).
inline constexpr std::uint64_t kMaxPutBytes = 5ULL << 30;
inline constexpr std::uint64_t kMaxObjectBytes = 5ULL << 40;
// S3 takes 10 000; stores that keep large objects as manifests take 1000.
inline constexpr std::uint32_t kMaxParts = 1000;
// Pages of a listing that one call may take: 1000 versions or uploads each.
inline constexpr int kMaxPages = 10'000;
// For everything that open() asks.
inline constexpr std::chrono::seconds kOpenBudget{20};
// How often an abort is repeated until the store says that the upload is gone.
inline constexpr int kMaxAborts = 5;

class S3Container final : public ObjectContainer {
 public:
  // `pool` and the executor's loop outlive the container.
  S3Container(const S3Options& options, IoPool& pool, boost::asio::any_io_executor executor);

  const ContainerTraits& traits() const override { return traits_; }
  Task<void> open(OpContext context) override;
  Task<void> close() override;
  Task<ObjectInfo> put(OpContext context, std::string key, ByteSourcePtr content,
                       PutCondition condition) override;
  Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                        std::uint64_t length, Freshness freshness) override;
  Task<ObjectInfo> head(OpContext context, std::string key, Freshness freshness) override;
  Task<void> remove(OpContext context, std::string key) override;
  Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                        std::size_t limit) override;
  Task<Multipart> begin_multipart(OpContext context, std::string key) override;
  Task<MultipartPart> upload_part(OpContext context, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content) override;
  Task<ObjectInfo> complete_multipart(OpContext context, Multipart upload,
                                      std::vector<MultipartPart> parts,
                                      PutCondition condition) override;
  Task<void> abort_multipart(OpContext context, Multipart upload) override;
  Task<std::vector<Multipart>> list_multiparts(OpContext context, std::string prefix,
                                               std::size_t limit) override;
  Task<void> create(OpContext context) override;
  ContainerStatus status() const override;

  S3Client& client() { return client_; }
  // Found out by the first listing.
  bool lists_version_1() const { return lists_version_1_; }

 private:
  Task<Listing> list_page(OpContext context, std::string prefix, std::string after,
                          std::size_t limit, bool version_1);
  // Whether conditions of a put are honoured, tried out on a throw-away key.
  boost::asio::awaitable<void> learn_conditions(OpContext context);
  // Whether a put goes through whose tag is that of the object, and in which form.
  boost::asio::awaitable<bool> learn_tags(OpContext context, std::string key, ObjectInfo there);
  void add_condition(HeaderList& headers, const PutCondition& condition) const;
  // Every version of the object, delete markers among them.
  Task<void> remove_versions(OpContext context, std::string key);
  // What the object is, without its bytes and without an error document.
  Task<ObjectInfo> head_only(OpContext context, std::string key);
  // The object, if it is one of that size and one of those tags; conflict, not_found.
  Task<ObjectInfo> written_object(OpContext context, std::string key, std::uint64_t size_bytes,
                                  std::string etag);
  // Whether the upload has no part left.
  Task<bool> upload_is_gone(OpContext context, Multipart upload);
  HeaderList object_headers() const;

  S3Client client_;
  ContainerTraits traits_;
  // The store answers listings of version 1 only.
  std::atomic<bool> lists_version_1_ = false;
  std::atomic<bool> versioned_ = false;
  // If-Match has the tag without its quotes.
  std::atomic<bool> bare_tags_ = false;
};

}  // namespace sharestore::s3
