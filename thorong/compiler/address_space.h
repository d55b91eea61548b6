// SPDX-License-Identifier: Apache-2.0
// Addresses of one memory while code is emitted: next-fit from the bottom for short-lived stream buffers (so that consecutive
// loads land in different places and overlap), from the top for residents. Freed addresses may be handed out at once: the semaphores make a new
// user wait for the old ones.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace thorong::compiler {

class AddressSpace {
 public:
  AddressSpace(int64_t begin, int64_t end) : begin_(begin), end_(end), cursor_(begin) {}

  std::optional<int64_t> allocate_first_fit(int64_t bytes) { return allocate(bytes, begin_); }
  // Starts the search behind the last allocation and wraps around.
  std::optional<int64_t> allocate_next_fit(int64_t bytes) {
    auto address = allocate(bytes, cursor_);
    if (!address) address = allocate(bytes, begin_);
    if (address) cursor_ = *address + round(bytes);
    return address;
  }
  // The highest free place, leaving at least `spare` bytes of one stretch below it.
  std::optional<int64_t> allocate_top(int64_t bytes, int64_t spare) {
    bytes = round(bytes > 0 ? bytes : 1);
    int64_t top = end_;
    for (auto it = used_.rbegin();; ++it) {
      int64_t floor = it == used_.rend() ? begin_ : it->first + it->second;
      if (top - floor >= bytes) {
        int64_t at = top - bytes;
        used_[at] = bytes;
        if (largest_gap() < spare) {
          used_.erase(at);
          return std::nullopt;
        }
        in_use_ += bytes;
        peak_ = peak_ > in_use_ ? peak_ : in_use_;
        return at;
      }
      if (it == used_.rend()) return std::nullopt;
      top = it->first;
    }
  }
  void free(int64_t address) {
    auto it = used_.find(address);
    if (it == used_.end()) return;
    in_use_ -= it->second;
    used_.erase(it);
  }
  int64_t in_use() const { return in_use_; }
  int64_t peak() const { return peak_; }
  int64_t capacity() const { return end_ - begin_; }
  // The longest free stretch.
  int64_t largest_gap() const {
    int64_t at = begin_, best = 0;
    for (const auto& [address, bytes] : used_) {
      best = best > address - at ? best : address - at;
      at = address + bytes;
    }
    return best > end_ - at ? best : end_ - at;
  }

 private:
  static int64_t round(int64_t bytes) { return (bytes + 63) / 64 * 64; }

  std::optional<int64_t> allocate(int64_t bytes, int64_t from) {
    bytes = round(bytes > 0 ? bytes : 1);
    int64_t at = from;
    auto it = used_.upper_bound(from);
    if (it != used_.begin()) {
      auto before = std::prev(it);
      if (before->first + before->second > at) at = before->first + before->second;
    }
    for (; it != used_.end(); ++it) {
      if (it->first - at >= bytes) break;
      at = it->first + it->second;
    }
    if (at + bytes > end_) return std::nullopt;
    used_[at] = bytes;
    in_use_ += bytes;
    peak_ = peak_ > in_use_ ? peak_ : in_use_;
    return at;
  }

  int64_t begin_, end_, cursor_;
  std::map<int64_t, int64_t> used_;  // address -> bytes
  int64_t in_use_ = 0, peak_ = 0;
};

}  // namespace thorong::compiler
