#include "bitloss/hub/fetch_file.h"

#include <charconv>
#include <optional>
#include <system_error>

#include "bitloss/hub/partial_blob.h"

namespace bitloss {
namespace {

namespace fs = std::filesystem;

bool IsWhole(const fs::path& blob, const HubFile& file) {
  std::error_code error;
  return fs::is_regular_file(blob, error) && fs::file_size(blob, error) == file.size;
}

std::optional<uint64_t> NumberIn(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "bytes 100-199/200" as the file's bytes from 100 to its end.
bool IsRestFrom(std::string_view range, uint64_t from, uint64_t size) {
  return range == fmt::format("bytes {}-{}/{}", from, size - 1, size) ||
         range == fmt::format("bytes {}-{}/*", from, size - 1);
}

// Writes what a server sends to the partial blob, as far as it is what was announced.
class Receiver : public BodySink {
 public:
  Receiver(PartialBlob& partial, const HubFile& file, const ByteCounter& counter)
      : partial_(partial), file_(file), counter_(counter) {}

  bool Begin(const HttpAnswer& head) override { return Keep(CheckHead(head)); }
  bool Take(std::span<const std::byte> bytes) override { return Keep(Write(bytes)); }

  const Status& status() const { return status_; }

  Status StartAgain() {
    counter_(-static_cast<int64_t>(partial_.size()));
    return partial_.StartAgain();
  }

 private:
  bool Keep(Status status) {
    status_ = std::move(status);
    return status_.ok();
  }

  Status CheckHead(const HttpAnswer& head) {
    if (head.status == 206) {
      const std::string range = head.Header("content-range");
      if (IsRestFrom(range, partial_.size(), file_.size)) return Ok();
      return BadInput("asked for the bytes from {} of {}, it sends others", partial_.size(),
                      file_.size);
    }
    if (partial_.size() > 0) BITLOSS_DO(StartAgain());  // it sends all, whatever was asked for
    const auto length = NumberIn(head.Header("content-length"));
    if (!length || *length == file_.size) return Ok();
    return BadInput("{} bytes in the listing, {} are sent", file_.size, *length);
  }

  Status Write(std::span<const std::byte> bytes) {
    if (bytes.size() > file_.size - partial_.size()) {
      return BadInput("more than the {} bytes of the listing are sent", file_.size);
    }
    BITLOSS_DO(partial_.Append(bytes));
    counter_(static_cast<int64_t>(bytes.size()));
    return Ok();
  }

  PartialBlob& partial_;
  const HubFile& file_;
  const ByteCounter& counter_;
  Status status_;
};

// The bytes of one file, until they are all there.
class Transfer {
 public:
  Transfer(HubClient& client, const FileSource& source, const HubFile& file)
      : client_(client),
        source_(source),
        file_(file),
        what_(fmt::format("{}: {}", source.name.id, file.path)) {}

  Status Run(PartialBlob& partial, const ByteCounter& counter) {
    while (partial.size() < file_.size) {
      if (address_.empty()) {
        BITLOSS_TRY(address_, client_.Locate(source_.name, source_.commit, file_));
      }
      Receiver receiver(partial, file_, counter);
      const uint64_t before = partial.size();
      const HttpAnswer answer = client_.Get(address_, before, receiver);
      if (!receiver.status().ok()) return Refuse(partial, receiver.status().error());
      if (partial.size() > before) failures_ = 0;
      if (partial.size() < file_.size) BITLOSS_DO(GoOn(answer, receiver));
    }
    return Ok();
  }

  const std::string& what() const { return what_; }

 private:
  // A hub that sends something else: nothing is kept that a later attempt would build on. A full
  // disk is not the hub's fault.
  Error Refuse(PartialBlob& partial, const Error& error) const {
    if (error.kind == ErrorKind::kBadInput) partial.Drop();
    return Within(what_, error);
  }

  // After an answer that did not bring all: decides whether to ask again, and where.
  Status GoOn(HttpAnswer answer, Receiver& receiver) {
    constexpr int kMaxAddresses = 4;
    const bool was_body = answer.status == 200 || answer.status == 206;
    if (was_body && answer.failure.empty()) {
      answer.failure = "the file ends early";
      answer.transient = true;
    }
    if (answer.failure.empty() && answer.status == 416) BITLOSS_DO(receiver.StartAgain());
    const bool expired = answer.status == 400 || answer.status == 401 || answer.status == 403 ||
                         answer.status == 404 || answer.status == 410 || answer.status == 416;
    if (answer.failure.empty() && expired && ++failures_ < kMaxAddresses) {
      address_.clear();
      return Ok();
    }
    if (!MayPass(answer)) return client_.Explain(answer, source_.name, what_);
    return client_.WaitToRetry(answer, failures_++, what_);
  }

  HubClient& client_;
  const FileSource& source_;
  const HubFile& file_;
  std::string what_;
  std::string address_;
  int failures_ = 0;  // since the last byte that came
};

Status FetchBlob(Transfer& transfer, const HubCache& cache, const HubFile& file,
                 const ByteCounter& counter) {
  constexpr int kTries = 2;
  std::string found;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    BITLOSS_TRY(PartialBlob partial, PartialBlob::Open(cache.Partial(file.hash), file));
    if (const Status run = transfer.Run(partial, counter); !run.ok()) {
      if (partial.size() == 0) partial.Drop();
      return run;
    }
    BITLOSS_TRY(const bool right, partial.Finish(cache.Blob(file.hash), found));
    if (right) return Ok();
    counter(-static_cast<int64_t>(file.size));
  }
  return BadInput("{}: its hash is {:.12} and not {:.12}, twice: what is sent is damaged",
                  transfer.what(), found, file.hash);
}

}  // namespace

uint64_t BytesInCache(const HubCache& cache, const HubFile& file) {
  if (IsWhole(cache.Blob(file.hash), file)) return file.size;
  std::error_code error;
  const uint64_t size = fs::file_size(cache.Partial(file.hash), error);
  return error || size > file.size ? 0 : size;
}

Status FetchFile(HubClient& client, const HubCache& cache, const FileSource& source,
                 const HubFile& file, HubCache::Entry entry, const ByteCounter& counter) {
  Transfer transfer(client, source, file);
  BITLOSS_TRY(const Descriptor lock, LockBlob(cache.LockFile(file.hash), [&] {
                client.Say(transfer.what() + ": waiting for another process that fetches it");
              }));
  if (!IsWhole(cache.Blob(file.hash), file)) {
    BITLOSS_DO(FetchBlob(transfer, cache, file, counter));
  }
  return cache.PutFile(source.commit, file, entry);
}

}  // namespace bitloss
