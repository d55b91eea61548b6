// SPDX-License-Identifier: Apache-2.0
#include "thorong/base/parallel.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <optional>

namespace thorong {

struct ThreadPool::Arena {
  explicit Arena(int threads) : tasks(threads) {
    if (threads > tbb::info::default_concurrency()) {
      more.emplace(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
    }
  }
  std::optional<tbb::global_control>
      more;  // without it oneTBB keeps to the host's processors, and says so on stderr
  tbb::task_arena tasks;
};

ThreadPool::ThreadPool(int threads)
    : threads_(threads > 0 ? threads : tbb::info::default_concurrency()) {
  if (threads_ > 1) arena_ = std::make_unique<Arena>(threads_);
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::parallel_for(int64_t n, int64_t grain,
                              const std::function<void(int64_t, int64_t)>& body) const {
  if (n <= 0) return;
  if (threads_ == 1 || n <= grain) {
    body(0, n);
    return;
  }
  int64_t chunks = std::min<int64_t>(threads_, (n + grain - 1) / grain);
  int64_t size = ((n + chunks - 1) / chunks + grain - 1) / grain * grain;
  arena_->tasks.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<int64_t>(0, chunks, 1),
        [&](const tbb::blocked_range<int64_t>& range) {
          for (int64_t i = range.begin(); i < range.end(); ++i) {
            int64_t begin = i * size, end = std::min(n, begin + size);
            if (begin < end) body(begin, end);
          }
        },
        tbb::static_partitioner());
  });
}

}  // namespace thorong
