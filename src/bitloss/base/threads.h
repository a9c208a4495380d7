// A pool of threads that work on the parts of one problem at a time.
#ifndef BITLOSS_BASE_THREADS_H_
#define BITLOSS_BASE_THREADS_H_

#include <cstddef>
#include <functional>
#include <memory>

namespace bitloss {

// How many threads to use when nobody says: the processors this process may run on.
size_t DefaultNumThreads();

// Runs `work` over parts of a problem. The caller cuts the problem by its size, never by the number
// of threads, and no part looks at another's output: then one thread gives the same bits as
// sixty-four.
class ThreadPool {
 public:
  // The calling thread is one of them. Requires: num_threads > 0.
  explicit ThreadPool(size_t num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t num_threads() const;

  // Calls work(part, thread) for each part in [0, num_parts), each exactly once, in any order (a
  // thread mostly takes neighbours, ascending); returns when all are done. `thread` in [0,
  // num_threads()) names the worker, for scratch memory. Not to be called from inside `work`.
  void ForEachPart(size_t num_parts, const std::function<void(size_t part, size_t thread)>& work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitloss

#endif  // BITLOSS_BASE_THREADS_H_
