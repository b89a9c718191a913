// One request on its way through curl: its handle, its answer so far, its deadlines.
//
// Everything on the driver's strand, but for construction.
#pragma once

#include <boost/asio/cancellation_signal.hpp>

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/core/op_context.h"
#include "backends/http/body_feed.h"
#include "backends/http/http_client.h"

namespace sharestore::http_client {

// What OpenSSL said about the last certificate it refused: curl tells only that it did.
struct TrustReport {
  std::string sentence;
};

class Transfer {
 public:
  Transfer(OpContext context, HttpRequest request);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Makes the easy handle. `need_body` is called when curl wants bytes that are not loaded.
  // False: curl refuses the request.
  bool prepare(const HttpClientOptions& options, TrustReport& trust);
  CURL* easy() const { return easy_.get(); }

  // When to look again, and why the transfer ends if nothing has happened by then.
  struct Deadline {
    Monotonic when;
    HttpFailure::Kind kind;
  };
  Deadline next_deadline(const HttpClientOptions& options);

  // What curl's result means.
  HttpOutcome outcome(CURLcode result, const TrustReport& trust);
  HttpFailure failure(HttpFailure::Kind kind, std::string why);

  const OpContext context;
  const HttpRequest request;
  BodyFeed feed;
  // Called once with the outcome; posts to the caller's executor.
  std::move_only_function<void(HttpOutcome)> complete;
  bool finished = false;
  boost::asio::cancellation_signal stop_watching;

 private:
  struct Deleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  bool prepare_method();
  bool prepare_headers();
  bool prepare_tls(TrustReport& trust);
  HttpFailure untrusted(const TrustReport& trust);
  bool sent() const;
  template <class Value>
  bool set(CURLoption option, Value value) {
    return curl_easy_setopt(easy_.get(), option, value) == CURLE_OK;
  }

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* into, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);

  std::unique_ptr<CURL, Deleter> easy_;
  std::unique_ptr<curl_slist, Deleter> header_list_;
  char error_text_[CURL_ERROR_SIZE] = {};
  HeaderList headers_;
  std::vector<std::byte> body_;
  std::size_t head_bytes_ = 0;
  bool too_large_ = false;
  bool answering_ = false;
  bool repeated_ = false;
  const Monotonic begun_;
  Monotonic last_progress_;
};

}  // namespace sharestore::http_client
