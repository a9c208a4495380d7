#include "bitloss/team/mpi_team.h"

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "bitloss/base/check.h"

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

// A message from `from` that is there, if there is one.
std::optional<Incoming> Look(int from) {
  int found = 0;
  MPI_Status status;
  MPI_Iprobe(from, MPI_ANY_TAG, MPI_COMM_WORLD, &found, &status);
  if (!found) return std::nullopt;
  int count = 0;
  MPI_Get_count(&status, MPI_BYTE, &count);
  Incoming incoming{status.MPI_SOURCE, status.MPI_TAG, Message(static_cast<size_t>(count))};
  MPI_Recv(incoming.bytes.data(), count, MPI_BYTE, incoming.from, incoming.tag, MPI_COMM_WORLD,
           MPI_STATUS_IGNORE);
  return incoming;
}

Incoming WaitFor(int from) {
  Patience patience;
  for (;;) {
    if (auto incoming = Look(from)) return std::move(*incoming);
    patience.Wait();
  }
}

void Send(int to, int tag, MessageView bytes) {
  BITLOSS_CHECK(bytes.size() <= kMaxPiece);
  MPI_Send(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD);
}

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
  MpiTeam() {
    int rank = 0;
    int size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    rank_ = static_cast<size_t>(rank);
    size_ = static_cast<size_t>(size);
  }
  ~MpiTeam() override { MPI_Finalize(); }

  size_t rank() const override { return rank_; }
  size_t size() const override { return size_; }

  Result<Message> Share(size_t from, Result<Message> value) override {
    Message message;
    if (rank_ == from) message = Wrap(0, value);
    uint64_t num_bytes = message.size();
    MPI_Bcast(&num_bytes, 1, MPI_UINT64_T, static_cast<int>(from), MPI_COMM_WORLD);
    message.resize(num_bytes);
    for (size_t at = 0; at < num_bytes; at += kMaxPiece) {
      MPI_Bcast(message.data() + at, static_cast<int>(std::min(kMaxPiece, num_bytes - at)),
                MPI_BYTE, static_cast<int>(from), MPI_COMM_WORLD);
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
    Send(0, kReady, {});
    for (;;) {
      const Incoming incoming = WaitFor(0);
      if (incoming.tag == kDismissed) return Ok();
      BITLOSS_CHECK(incoming.tag == kJob);
      MessageView job;
      const ItemHeader header = TakeHeader(incoming.bytes, job);
      Send(0, kResult, Wrap(header.item, work(job)));
    }
  }

  void Dismiss() override {
    BITLOSS_CHECK(leads());
    while (idle_.size() + 1 < size_) idle_.push_back(WaitFor(MPI_ANY_SOURCE).from);
    for (const int rank : idle_) Send(rank, kDismissed, {});
    idle_.clear();
  }

 private:
  void TalkToOthers(Dealing& dealing) {
    Patience patience;
    while (!dealing.finished()) {
      bool moved = false;
      if (const auto incoming = Look(MPI_ANY_SOURCE)) {
        Receive(*incoming, dealing);
        moved = true;
      }
      while (!idle_.empty()) {
        const auto job = dealing.Take();
        if (!job) break;
        Send(idle_.back(), kJob, WithHeader({.item = job->item}, job->message));
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

  size_t rank_ = 0;
  size_t size_ = 1;
  std::vector<int> idle_;  // rank 0: ranks that wait for a job
};

}  // namespace

Result<std::unique_ptr<Team>> JoinMpiTeam() {
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS) {
    return IoError("MPI does not start");
  }
  if (provided < MPI_THREAD_SERIALIZED) {
    MPI_Finalize();
    return Unsupported(
        "this MPI cannot be called from a second thread; bitloss needs one that can");
  }
  return std::unique_ptr<Team>(std::make_unique<MpiTeam>());
}

}  // namespace bitloss
