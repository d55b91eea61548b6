// SPDX-License-Identifier: Apache-2.0
// Host memory for the tiles of a run. Kernels allocate the same few sizes again and again: freed
// blocks are kept by size, up to kMostKept bytes in all.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace thorong::nki {

inline constexpr size_t kMostKept = size_t{256} << 20;

class MemoryStore : public std::enable_shared_from_this<MemoryStore> {
 public:
  ~MemoryStore();
  // At least so many bytes, aligned to a cache line; goes back to the store when the last owner
  // goes. Null: no memory.
  std::shared_ptr<void> take(size_t bytes);

 private:
  void give_back(void* block, size_t bytes);
  std::mutex mutex_;
  std::unordered_map<size_t, std::vector<void*>> free_;
  size_t kept_ = 0;  // bytes in free_
};

}  // namespace thorong::nki
