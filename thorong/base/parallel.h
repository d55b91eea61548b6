// SPDX-License-Identifier: Apache-2.0
// Splitting one piece of work over host threads, only where the split cannot be seen in the result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace thorong {

// A fixed number of host threads (oneTBB arena). One per machine; not global.
class ThreadPool {
 public:
  // threads: 0 means all that the host offers.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  // Calls body(begin, end) for disjoint chunks that cover [0, n); each chunk except the last has a
  // multiple of `grain` items. Runs inline with one thread or when n <= grain.
  void parallel_for(int64_t n, int64_t grain,
                    const std::function<void(int64_t, int64_t)>& body) const;

 private:
  struct Arena;
  int threads_;
  std::unique_ptr<Arena> arena_;
};

}  // namespace thorong
