#include "bitloss/base/threads.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "bitloss/base/check.h"

namespace bitloss {

size_t DefaultNumThreads() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    return static_cast<size_t>(CPU_COUNT(&allowed));
  }
  return std::max<size_t>(1, std::thread::hardware_concurrency());
}

struct ThreadPool::State {
  // A worker that finds nothing to do looks again this often before it sleeps: the operations of a
  // forward pass follow each other within microseconds, a wake-up costs tens of them.
  static constexpr int kSpins = 20000;

  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false;  // guarded by mutex

  // The parts that are a thread's own: neighbours, which share what its caches hold. On a cache
  // line of its own, so that threads do not wait for each other's counters.
  struct alignas(64) Share {
    std::atomic<size_t> next{0};
    size_t end = 0;
  };

  explicit State(size_t num_threads) : shares(num_threads) {}

  std::atomic<uint64_t> generation{0};  // counts problems
  std::atomic<size_t> num_busy{0};      // workers that have not finished this problem
  std::vector<Share> shares;
  const std::function<void(size_t, size_t)>* work = nullptr;

  void Deal(size_t num_parts) {
    for (size_t thread = 0; thread < shares.size(); ++thread) {
      shares[thread].next.store(thread * num_parts / shares.size(), std::memory_order_relaxed);
      shares[thread].end = (thread + 1) * num_parts / shares.size();
    }
  }

  // First the thread's own parts, then what others have left.
  void DoParts(size_t thread) {
    for (size_t i = 0; i < shares.size(); ++i) {
      Share& share = shares[(thread + i) % shares.size()];
      for (size_t part; share.next.load(std::memory_order_relaxed) < share.end &&
                        (part = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
        (*work)(part, thread);
      }
    }
  }

  // Waits for a generation other than `seen`; false when the pool ends.
  bool AwaitProblem(uint64_t seen) {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (generation.load(std::memory_order_acquire) != seen) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return stop || generation.load(std::memory_order_acquire) != seen; });
    return !stop;
  }

  void WorkerLoop(size_t thread) {
    uint64_t seen = 0;
    while (AwaitProblem(seen)) {
      seen = generation.load(std::memory_order_acquire);
      DoParts(thread);
      num_busy.fetch_sub(1, std::memory_order_release);
    }
  }
};

ThreadPool::ThreadPool(size_t num_threads) : state_(std::make_unique<State>(num_threads)) {
  BITLOSS_CHECK(num_threads > 0);
  for (size_t thread = 1; thread < num_threads; ++thread) {
    state_->workers.emplace_back([state = state_.get(), thread] { state->WorkerLoop(thread); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

size_t ThreadPool::num_threads() const { return state_->workers.size() + 1; }

void ThreadPool::ForEachPart(size_t num_parts,
                             const std::function<void(size_t part, size_t thread)>& work) {
  if (num_parts == 0) return;
  if (state_->workers.empty() || num_parts == 1) {
    for (size_t part = 0; part < num_parts; ++part) work(part, 0);
    return;
  }
  state_->work = &work;
  state_->Deal(num_parts);
  state_->num_busy.store(state_->workers.size(), std::memory_order_relaxed);
  {
    const std::lock_guard lock(state_->mutex);
    state_->generation.fetch_add(1, std::memory_order_release);
  }
  state_->wake.notify_all();
  state_->DoParts(0);
  for (int spin = 0; state_->num_busy.load(std::memory_order_acquire) != 0; ++spin) {
    // Beside other busy programs a worker may be off the processor: let it on.
    if (spin > State::kSpins) std::this_thread::yield();
  }
}

}  // namespace bitloss
