#include "bench/load/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "storage_server/protocol/authorization.h"
#include "storage_server/protocol/cbor.h"

namespace sharestore::load {
namespace {

// What clients of one grid member present; any would do.
const std::string& lease_lines() {
  static const std::string lines = fmt::format(
      "X-Tahoe-Authorization: lease-renew-secret {}\r\n"
      "X-Tahoe-Authorization: lease-cancel-secret {}\r\n",
      base64_encode(std::string(kLeaseSecretBytes, 'r')),
      base64_encode(std::string(kLeaseSecretBytes, 'c')));
  return lines;
}
const std::string& upload_line() {
  static const std::string line = fmt::format("X-Tahoe-Authorization: upload-secret {}\r\n",
                                              base64_encode(std::string(20, 'u')));
  return line;
}
const std::string& enabler_line() {
  static const std::string line = fmt::format("X-Tahoe-Authorization: write-enabler {}\r\n",
                                              base64_encode(std::string(kLeaseSecretBytes, 'w')));
  return line;
}

std::string common_lines(const Target& target) {
  return fmt::format("Host: {}\r\nAuthorization: Tahoe-LAFS {}\r\n", target.host,
                     base64_encode(target.swissnum));
}

// Parts that several scripts share.
class Requests : public Script {
 public:
  explicit Requests(Plan& plan) : plan_(plan), lines_(common_lines(plan.target)) {}

 protected:
  // Begins a head: request line and common lines.
  void begin(Request& request, std::string_view method, std::string_view path) const {
    request.head.clear();
    request.body_bytes = 0;
    request.expects_share = false;
    request.head.append(method).append(" /storage/v1/").append(path).append(" HTTP/1.1\r\n");
    request.head.append(lines_);
  }
  static void end(Request& request) { request.head.append("\r\n"); }
  static void end(Request& request, ByteSpan cbor) {
    fmt::format_to(std::back_inserter(request.head),
                   "Accept: application/cbor\r\nContent-Type: application/cbor\r\n"
                   "Content-Length: {}\r\n\r\n",
                   cbor.size());
    request.head.append(as_text(cbor));
  }

  // Bytes of prepared share `share`, which are compared with what was stored.
  void read_range(Request& request, std::uint64_t share, std::uint64_t offset,
                  std::uint64_t bytes) const {
    begin(request, "GET", "immutable/" + plan_.names[share] + "/0");
    fmt::format_to(std::back_inserter(request.head), "Range: bytes={}-{}\r\n", offset,
                   offset + bytes - 1);
    request.expects_share = true;
    request.expected_share = share;
    request.expected_offset = offset;
    end(request);
  }

  static Verdict wrong(std::string_view what, const Answer& answer) {
    Verdict verdict;
    verdict.operation_done = true;
    verdict.error = fmt::format("{}: status {}, {} bytes", what, answer.status, answer.body_bytes);
    return verdict;
  }
  static Verdict done(std::uint64_t payload) { return {true, payload, {}}; }

  Plan& plan_;
  const std::string lines_;
};

class VersionScript final : public Requests {
 public:
  using Requests::Requests;
  void next(Request& request) override {
    begin(request, "GET", "version");
    request.head.append("Accept: application/cbor\r\n");
    end(request);
  }
  Verdict answered(const Answer& answer) override {
    constexpr std::string_view kKey = "http://allmydata.org/tahoe/protocols/storage/v1";
    const bool good = answer.status == 200 && answer.text.find(kKey) != std::string::npos;
    return good ? done(0) : wrong("version", answer);
  }
};

// Scripts over the prepared shares, chosen at random.
class PreparedScript : public Requests {
 public:
  PreparedScript(Plan& plan, std::uint64_t number)
      : Requests(plan), random_(mix(plan.run + number)) {}

 protected:
  const std::string& choose() {
    share_ = random_() % plan_.names.size();
    return plan_.names[share_];
  }

  std::mt19937_64 random_;
  std::uint64_t share_ = 0;
};

class ListScript final : public PreparedScript {
 public:
  using PreparedScript::PreparedScript;
  void next(Request& request) override {
    begin(request, "GET", "immutable/" + choose() + "/shares");
    request.head.append("Accept: application/cbor\r\n");
    end(request);
  }
  Verdict answered(const Answer& answer) override {
    constexpr std::string_view kOnlyZero("\xd9\x01\x02\x81\x00", 5);
    return answer.status == 200 && answer.text == kOnlyZero ? done(0) : wrong("list", answer);
  }
};

class ReadScript final : public PreparedScript {
 public:
  ReadScript(Plan& plan, std::uint64_t number, bool ranged)
      : PreparedScript(plan, number),
        ranged_(ranged && plan.range_bytes < plan.share_bytes),
        bytes_(ranged_ ? plan.range_bytes : plan.share_bytes) {}

  void next(Request& request) override {
    begin(request, "GET", "immutable/" + choose() + "/0");
    request.expects_share = true;
    request.expected_share = share_;
    request.expected_offset = 0;
    if (ranged_) {
      request.expected_offset = random_() % (plan_.share_bytes - bytes_ + 1);
      fmt::format_to(std::back_inserter(request.head), "Range: bytes={}-{}\r\n",
                     request.expected_offset, request.expected_offset + bytes_ - 1);
    }
    end(request);
  }
  Verdict answered(const Answer& answer) override {
    const bool good = answer.status == (ranged_ ? 206 : 200) && answer.body_bytes == bytes_;
    if (!good) return wrong("read", answer);
    return answer.matches ? done(bytes_) : wrong("read: other bytes than were stored", answer);
  }

 private:
  const bool ranged_;
  const std::uint64_t bytes_;
};

// One operation is one share, read from its start to its end.
class SequenceScript final : public Requests {
 public:
  SequenceScript(Plan& plan, std::uint64_t number)
      : Requests(plan), share_(number % plan.names.size()) {}

  void next(Request& request) override {
    bytes_ = std::min(plan_.range_bytes, plan_.share_bytes - offset_);
    read_range(request, share_, offset_, bytes_);
  }
  Verdict answered(const Answer& answer) override {
    const bool good = answer.status == 206 && answer.body_bytes == bytes_ && answer.matches;
    offset_ += bytes_;
    if (good && offset_ < plan_.share_bytes) return {};
    offset_ = 0;
    share_ = (share_ + 1) % plan_.names.size();
    return good ? done(plan_.share_bytes) : wrong("read in sequence", answer);
  }

 private:
  std::uint64_t share_;
  std::uint64_t offset_ = 0;
  std::uint64_t bytes_ = 0;
};

// Reads that find nothing in a cache of blocks and are no sequence: each begins in another place of
// the shares, and what lies between two places is wider than a block. The first place of a share is
// its very start; in the others a range begins anywhere.
class ScatteredScript final : public PreparedScript {
 public:
  ScatteredScript(Plan& plan, std::uint64_t number)
      : PreparedScript(plan, number),
        bytes_(std::min(plan.range_bytes, kPlaceBytes - kGapBytes)),
        places_(std::max<std::uint64_t>(plan.share_bytes / kPlaceBytes, plan.first_place + 1)) {}

  void next(Request& request) override {
    const std::uint64_t number = plan_.scattered++;
    share_ = number % plan_.names.size();
    const std::uint64_t turns = number / plan_.names.size();
    const std::uint64_t place = plan_.first_place + turns % (places_ - plan_.first_place);
    const std::uint64_t within =
        place == 0 ? 0 : random_() % (kPlaceBytes - kGapBytes - bytes_ + 1);
    read_range(request, share_, place * kPlaceBytes + within, bytes_);
  }
  Verdict answered(const Answer& answer) override {
    const bool good = answer.status == 206 && answer.body_bytes == bytes_ && answer.matches;
    return good ? done(bytes_) : wrong("scattered read", answer);
  }

 private:
  static constexpr std::uint64_t kPlaceBytes = 768 * 1024;
  static constexpr std::uint64_t kGapBytes = 256 * 1024;

  const std::uint64_t bytes_;
  const std::uint64_t places_;
};

class LeaseScript final : public PreparedScript {
 public:
  using PreparedScript::PreparedScript;
  void next(Request& request) override {
    begin(request, "PUT", "lease/" + choose());
    request.head.append(lease_lines()).append("Content-Length: 0\r\n");
    end(request);
  }
  Verdict answered(const Answer& answer) override {
    return answer.status == 204 ? done(0) : wrong("lease", answer);
  }
};

// POST, then PATCHes until the server says 201. `fixed`: that prepared share, otherwise each
// operation a new one.
class UploadScript final : public Requests {
 public:
  UploadScript(Plan& plan, std::optional<std::uint64_t> fixed) : Requests(plan), fixed_(fixed) {}

  void next(Request& request) override {
    if (offset_) return patch(request);
    number_ = fixed_ ? *fixed_ : kFirstUpload + plan_.uploads++;
    name_ =
        fixed_ ? storage_index_text(plan_.set, number_) : storage_index_text(plan_.run, number_);
    begin(request, "POST", "immutable/" + name_);
    request.head.append(lease_lines()).append(upload_line());
    cbor_.clear();
    CborWriter writer(cbor_);
    writer.map(2);
    writer.text("share-numbers");
    writer.set(1);
    writer.uint(0);
    writer.text("allocated-size");
    writer.uint(plan_.share_bytes);
    end(request, cbor_);
  }

  Verdict answered(const Answer& answer) override {
    constexpr std::string_view kOnlyZero("\xd9\x01\x02\x81\x00", 5);
    if (!offset_) {
      const std::size_t allocated = answer.text.find("allocated");
      const std::size_t have = answer.text.find("already-have");
      if (answer.status != 200 || allocated == std::string::npos) return wrong("allocate", answer);
      if (fixed_ && have != std::string::npos &&
          std::string_view(answer.text).substr(have + 12, 5) == kOnlyZero) {
        return done(0);
      }
      if (std::string_view(answer.text).substr(allocated + 9, 5) != kOnlyZero) {
        return wrong("allocate: the share was not allocated", answer);
      }
      offset_ = 0;
      return {};
    }
    const bool last = *offset_ + sent_ == plan_.share_bytes;
    if (answer.status != (last ? 201 : 200)) {
      offset_.reset();
      return wrong("write", answer);
    }
    *offset_ += sent_;
    if (!last) return {};
    offset_.reset();
    return done(plan_.share_bytes);
  }

 private:
  void patch(Request& request) {
    sent_ = std::min(plan_.piece_bytes, plan_.share_bytes - *offset_);
    begin(request, "PATCH", "immutable/" + name_ + "/0");
    request.head.append(upload_line());
    fmt::format_to(std::back_inserter(request.head),
                   "Accept: application/cbor\r\nContent-Range: bytes {}-{}/*\r\n"
                   "Content-Length: {}\r\n\r\n",
                   *offset_, *offset_ + sent_ - 1, sent_);
    request.body_share = number_;
    request.body_offset = *offset_;
    request.body_bytes = sent_;
  }

  const std::optional<std::uint64_t> fixed_;
  std::uint64_t number_ = 0;
  std::string name_;
  std::optional<std::uint64_t> offset_;  // nothing: not allocated yet
  std::uint64_t sent_ = 0;
  std::vector<std::byte> cbor_;
};

class CheckScript final : public Requests {
 public:
  CheckScript(Plan& plan, std::uint64_t upload) : Requests(plan), number_(kFirstUpload + upload) {}
  void next(Request& request) override {
    begin(request, "GET", "immutable/" + storage_index_text(plan_.run, number_) + "/0");
    request.expects_share = true;
    request.expected_share = number_;
    request.expected_offset = 0;
    end(request);
  }
  Verdict answered(const Answer& answer) override {
    const bool good =
        answer.status == 200 && answer.body_bytes == plan_.share_bytes && answer.matches;
    return good ? done(plan_.share_bytes) : wrong("reading an uploaded share back", answer);
  }

 private:
  const std::uint64_t number_;
};

// Overwrites one piece of its own slot: tests the first bytes there, reads them, writes others.
class ReadTestWriteScript final : public Requests {
 public:
  ReadTestWriteScript(Plan& plan, std::uint64_t number)
      : Requests(plan),
        name_(storage_index_text(plan.run, number)),
        random_(mix(plan.run + number)) {
    pieces_ = std::max<std::uint64_t>(1, plan.share_bytes / plan.piece_bytes);
    bytes_ = plan.share_bytes / pieces_;
    written_.assign(pieces_, 0);
  }

  void next(Request& request) override {
    // The first operations fill the slot.
    piece_ = filled_ < pieces_ ? filled_ : random_() % pieces_;
    const std::uint64_t offset = piece_ * bytes_;
    const std::size_t tested = written_[piece_] == 0 ? 0 : kTestedBytes;
    expected_ = as_text(plan_.content.at(written_[piece_], offset, tested));
    begin(request, "POST", "mutable/" + name_ + "/read-test-write");
    request.head.append(lease_lines()).append(enabler_line());
    cbor_.clear();
    CborWriter writer(cbor_);
    writer.map(2);
    writer.text("test-write-vectors");
    writer.map(1);
    writer.uint(0);
    writer.map(3);
    writer.text("test");
    writer.array(1);
    writer.map(3);
    writer.text("offset");
    writer.uint(offset);
    writer.text("size");
    writer.uint(tested);
    writer.text("specimen");
    writer.bytes(expected_);
    writer.text("write");
    writer.array(1);
    writer.map(2);
    writer.text("offset");
    writer.uint(offset);
    writer.text("data");
    next_ = ++generation_;
    writer.bytes_head(bytes_);
    for (std::uint64_t at = 0; at < bytes_;) {
      const ByteSpan run =
          plan_.content.at(next_, offset + at, static_cast<std::size_t>(bytes_ - at));
      cbor_.insert(cbor_.end(), run.begin(), run.end());
      at += run.size();
    }
    writer.text("new-length");
    writer.null();
    writer.text("read-vector");
    writer.array(1);
    writer.map(2);
    writer.text("offset");
    writer.uint(offset);
    writer.text("size");
    writer.uint(tested);
    end(request, cbor_);
  }

  Verdict answered(const Answer& answer) override {
    constexpr std::string_view kSuccess = "success\xf5";
    const bool good = answer.status == 200 && answer.text.find(kSuccess) != std::string::npos &&
                      answer.text.find(expected_) != std::string::npos;
    if (!good) return wrong("read-test-write", answer);
    written_[piece_] = next_;
    if (filled_ < pieces_) ++filled_;
    return done(bytes_);
  }

 private:
  static constexpr std::size_t kTestedBytes = 41;  // of a client's checkstring

  const std::string name_;
  std::mt19937_64 random_;
  std::uint64_t pieces_ = 1;
  std::uint64_t bytes_ = 0;
  std::vector<std::uint64_t> written_;  // which content each piece has; 0: none yet
  std::uint64_t filled_ = 0;
  std::uint64_t piece_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t next_ = 0;
  std::string_view expected_;
  std::vector<std::byte> cbor_;
};

// A client that looks around, reads much and writes a little.
class MixedScript final : public Script {
 public:
  MixedScript(Plan& plan, std::uint64_t number)
      : random_(mix(plan.run ^ number)),
        version_(plan),
        list_(plan, number),
        read_(plan, number, true),
        upload_(plan, std::nullopt) {}

  void next(Request& request) override {
    if (!current_) current_ = choose();
    current_->next(request);
  }
  Verdict answered(const Answer& answer) override {
    Verdict verdict = current_->answered(answer);
    if (verdict.operation_done) current_ = nullptr;
    return verdict;
  }

 private:
  Script* choose() {
    const std::uint64_t draw = random_() % 100;  // per cent
    if (draw < 60) return &read_;
    if (draw < 80) return &version_;
    if (draw < 90) return &list_;
    return &upload_;
  }

  std::mt19937_64 random_;
  VersionScript version_;
  ListScript list_;
  ReadScript read_;
  UploadScript upload_;
  Script* current_ = nullptr;
};

}  // namespace

std::unique_ptr<Script> make_script(Plan& plan, std::uint64_t number) {
  switch (plan.mode) {
    case Mode::version: return std::make_unique<VersionScript>(plan);
    case Mode::list: return std::make_unique<ListScript>(plan, number);
    case Mode::get: return std::make_unique<ReadScript>(plan, number, false);
    case Mode::range: return std::make_unique<ReadScript>(plan, number, true);
    case Mode::sequence: return std::make_unique<SequenceScript>(plan, number);
    case Mode::scattered: return std::make_unique<ScatteredScript>(plan, number);
    case Mode::upload: return std::make_unique<UploadScript>(plan, std::nullopt);
    case Mode::mixed: return std::make_unique<MixedScript>(plan, number);
    case Mode::lease: return std::make_unique<LeaseScript>(plan, number);
    case Mode::read_test_write: return std::make_unique<ReadTestWriteScript>(plan, number);
    case Mode::handshake:
    case Mode::resume:
    case Mode::idle: break;
  }
  return nullptr;
}

std::unique_ptr<Script> make_preparation(Plan& plan, std::uint64_t share) {
  return std::make_unique<UploadScript>(plan, share);
}

std::unique_ptr<Script> make_check(Plan& plan, std::uint64_t upload) {
  return std::make_unique<CheckScript>(plan, upload);
}

std::string prepared_path(const Plan& plan, std::uint64_t share) {
  return "storage/v1/immutable/" + storage_index_text(plan.set, share) + "/0";
}

}  // namespace sharestore::load
