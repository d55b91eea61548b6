// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/memory_store.h"

#include <cstdlib>

namespace thorong::nki {

MemoryStore::~MemoryStore() {
  for (auto& [bytes, blocks] : free_) {
    for (void* block : blocks) std::free(block);
  }
}

std::shared_ptr<void> MemoryStore::take(size_t bytes) {
  bytes = (bytes + 63) / 64 * 64;
  void* block = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& blocks = free_[bytes];
    if (!blocks.empty()) {
      block = blocks.back();
      blocks.pop_back();
      kept_ -= bytes;
    }
  }
  if (block == nullptr) block = std::aligned_alloc(64, bytes);
  if (block == nullptr) return nullptr;
  return {block,
          [store = shared_from_this(), bytes](void* given) { store->give_back(given, bytes); }};
}

void MemoryStore::give_back(void* block, size_t bytes) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (bytes <= kMostKept - kept_) {
      kept_ += bytes;
      free_[bytes].push_back(block);
      return;
    }
  }
  std::free(block);
}

}  // namespace thorong::nki
