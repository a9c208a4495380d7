#include "bitloss/team/mpi_team.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

#include "bitloss/base/check.h"
#include "bitloss/base/plugin.h"

namespace bitloss {
namespace {

// What a message is, as its MPI tag.
enum Tag : int {
  kReady = 1,  // to rank 0: nothing to do here
  kResult,     // to rank 0: an item's result; nothing to do here any more
  kJob,        // from rank 0: an item
  kDismissed,  // from rank 0: no more jobs
};

// The largest piece of one call; MPI counts in int.
constexpr size_t kMaxPiece = size_t{1} << 30;

// MPI waits by spinning, on a processor that computes better than it waits. So look, and sleep.
class Patience {
 public:
  void Wait() {
    std::this_thread::sleep_for(pause_);
    pause_ = std::min(pause_ * 2, kLongest);
  }
  void Renew() { pause_ = kShortest; }

 private:
  static constexpr std::chrono::microseconds kShortest{50};
  static constexpr std::chrono::microseconds kLongest{2000};
  std::chrono::microseconds pause_ = kShortest;
};

struct Incoming {
  int from = 0;
  int tag = 0;
  Message bytes;
};

// MPI's messages, of any length that Tag's kinds have.
class Post {
 public:
  explicit Post(const MpiApi& api) : api_(api) {}

  // A message from `from` that is there, if there is one.
  std::optional<Incoming> Look(int from) const {
    MpiWaiting waiting;
    if (!api_.probe(from, &waiting)) return std::nullopt;
    Incoming incoming{waiting.from, waiting.tag, Message(static_cast<size_t>(waiting.num_bytes))};
    api_.receive(incoming.bytes.data(), &waiting);
    return incoming;
  }

  Incoming WaitFor(int from) const {
    Patience patience;
    for (;;) {
      if (auto incoming = Look(from)) return std::move(*incoming);
      patience.Wait();
    }
  }

  void Send(int to, int tag, MessageView bytes) const {
    BITLOSS_CHECK(bytes.size() <= kMaxPiece);
    api_.send(bytes.data(), static_cast<int>(bytes.size()), to, tag);
  }

 private:
  const MpiApi& api_;
};

// Which item a message is about stands before it; of a result also, whether it is an error and of
// which kind.
struct ItemHeader {
  uint64_t item = 0;
  int32_t failed = 0;
  int32_t error_kind = 0;
};

Message WithHeader(const ItemHeader& header, MessageView bytes) {
  Message message(sizeof(header) + bytes.size());
  std::memcpy(message.data(), &header, sizeof(header));
  std::ranges::copy(bytes, message.begin() + sizeof(header));
  return message;
}

ItemHeader TakeHeader(const Message& message, MessageView& bytes) {
  BITLOSS_CHECK(message.size() >= sizeof(ItemHeader));
  ItemHeader header;
  std::memcpy(&header, message.data(), sizeof(header));
  bytes = MessageView(message).subspan(sizeof(header));
  return header;
}

Message Wrap(size_t item, const Result<Message>& result) {
  if (result.ok()) return WithHeader({.item = item}, result.value());
  const Error& error = result.error();
  return WithHeader({item, 1, static_cast<int32_t>(error.kind)},
                    std::as_bytes(std::span(error.message)));
}

Result<Message> Unwrap(const ItemHeader& header, MessageView bytes) {
  if (header.failed == 0) return Message(bytes.begin(), bytes.end());
  return Error{static_cast<ErrorKind>(header.error_kind),
               std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

// One Deal: the items, who works on them, what went wrong. Rank 0's own work and the thread that
// talks to the others take turns by its lock.
class Dealing {
 public:
  explicit Dealing(const Team::Jobs& jobs) : jobs_(jobs) {}

  struct Job {
    size_t item = 0;
    Message message;
  };

  // The next item, which counts as being worked on from now; none if all are dealt, or after an
  // error.
  std::optional<Job> Take() {
    const std::lock_guard lock(mutex_);
    if (!status_.ok() || next_ == jobs_.num_items) return std::nullopt;
    Result<Message> message = jobs_.job(next_);
    if (!message.ok()) {
      status_ = message.error();
      return std::nullopt;
    }
    ++num_working_;
    return Job{next_++, std::move(message).value()};
  }

  void Accept(size_t item, const Result<Message>& result) {
    const std::lock_guard lock(mutex_);
    if (status_.ok()) {
      status_ = result.ok() ? jobs_.accept(item, result.value()) : Status(result.error());
    }
    --num_working_;
    done_.notify_all();
  }

  bool finished() {
    const std::lock_guard lock(mutex_);
    return IsFinished();
  }

  Status WaitUntilFinished() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return IsFinished(); });
    return status_;
  }

 private:
  bool IsFinished() const {
    return num_working_ == 0 && (!status_.ok() || next_ == jobs_.num_items);
  }

  const Team::Jobs& jobs_;
  std::mutex mutex_;
  std::condition_variable done_;
  size_t next_ = 0;
  size_t num_working_ = 0;
  Status status_;
};

class MpiTeam final : public Team {
 public:
  // Requires: `api` has been started.
  explicit MpiTeam(const MpiApi& api)
      : api_(api),
        post_(api),
        rank_(static_cast<size_t>(api.rank())),
        size_(static_cast<size_t>(api.size())) {}
  ~MpiTeam() override { api_.finish(); }

  size_t rank() const override { return rank_; }
  size_t size() const override { return size_; }

  Result<Message> Share(size_t from, Result<Message> value) override {
    Message message;
    if (rank_ == from) message = Wrap(0, value);
    uint64_t num_bytes = message.size();
    api_.broadcast(&num_bytes, sizeof(num_bytes), static_cast<int>(from));
    message.resize(num_bytes);
    for (size_t at = 0; at < num_bytes; at += kMaxPiece) {
      api_.broadcast(message.data() + at, static_cast<int>(std::min(kMaxPiece, num_bytes - at)),
                     static_cast<int>(from));
    }
    if (rank_ == from) return value;
    MessageView bytes;
    const ItemHeader header = TakeHeader(message, bytes);
    return Unwrap(header, bytes);
  }

  Status Deal(const Jobs& jobs, const Work& work) override {
    BITLOSS_CHECK(leads());
    Dealing dealing(jobs);
    // From here on only this thread calls MPI, until it is joined.
    std::thread postman([&] { TalkToOthers(dealing); });
    while (const auto job = dealing.Take()) dealing.Accept(job->item, work(job->message));
    const Status status = dealing.WaitUntilFinished();
    postman.join();
    return status;
  }

  Status Serve(const Work& work) override {
    BITLOSS_CHECK(!leads());
    post_.Send(0, kReady, {});
    for (;;) {
      const Incoming incoming = post_.WaitFor(0);
      if (incoming.tag == kDismissed) return Ok();
      BITLOSS_CHECK(incoming.tag == kJob);
      MessageView job;
      const ItemHeader header = TakeHeader(incoming.bytes, job);
      post_.Send(0, kResult, Wrap(header.item, work(job)));
    }
  }

  void Dismiss() override {
    BITLOSS_CHECK(leads());
    while (idle_.size() + 1 < size_) idle_.push_back(post_.WaitFor(kAnyRank).from);
    for (const int rank : idle_) post_.Send(rank, kDismissed, {});
    idle_.clear();
  }

 private:
  void TalkToOthers(Dealing& dealing) {
    Patience patience;
    while (!dealing.finished()) {
      bool moved = false;
      if (const auto incoming = post_.Look(kAnyRank)) {
        Receive(*incoming, dealing);
        moved = true;
      }
      while (!idle_.empty()) {
        const auto job = dealing.Take();
        if (!job) break;
        post_.Send(idle_.back(), kJob, WithHeader({.item = job->item}, job->message));
        idle_.pop_back();
        moved = true;
      }
      if (moved) {
        patience.Renew();
      } else {
        patience.Wait();
      }
    }
  }

  void Receive(const Incoming& incoming, Dealing& dealing) {
    if (incoming.tag == kResult) {
      MessageView bytes;
      const ItemHeader header = TakeHeader(incoming.bytes, bytes);
      Result<Message> result = Unwrap(header, bytes);
      if (!result.ok()) result = Within(fmt::format("rank {}", incoming.from), result.error());
      dealing.Accept(header.item, result);
    }
    idle_.push_back(incoming.from);
  }

  const MpiApi& api_;
  Post post_;
  size_t rank_;
  size_t size_;
  std::vector<int> idle_;  // rank 0: ranks that wait for a job
};

}  // namespace

Result<const MpiApi*> LoadMpiPlugin(std::span<const std::filesystem::path> paths) {
  // Open MPI's own components look for its symbols among those of the whole process.
  BITLOSS_TRY(void* const function,
              FindInPlugin("MPI", paths, "BitlossMpiApi", PluginSymbols::kShared));
  const MpiApi* const api = reinterpret_cast<const MpiApi* (*)()>(function)();
  if (std::string_view(api->build) != BITLOSS_MPI_BUILD) {
    return Unsupported("the MPI plugin belongs to another build of bitloss ({}, not {})",
                       api->build, BITLOSS_MPI_BUILD);
  }
  return api;
}

Result<std::unique_ptr<Team>> JoinMpiTeam(std::span<const std::filesystem::path> plugins) {
  BITLOSS_TRY(const MpiApi* const api, LoadMpiPlugin(plugins));
  if (const char* const error = api->start()) return Unsupported("{}", error);
  return std::unique_ptr<Team>(std::make_unique<MpiTeam>(*api));
}

}  // namespace bitloss
