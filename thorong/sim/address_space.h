// SPDX-License-Identifier: Apache-2.0
// Addresses of one memory while code is emitted. Freed addresses may be handed out at once: the
// semaphores make a new user wait for the old ones. So short-lived stream buffers get the place
// that has been free for longest: its last user is done soonest, and loads run ahead of the work.
// Residents lie at the top.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

namespace thorong::sim {

class AddressSpace {
 public:
  AddressSpace(int64_t begin, int64_t end) : begin_(begin), end_(end) {
    free_.push_back({begin, end - begin, 0});
  }

  std::optional<int64_t> allocate_first_fit(int64_t bytes) {
    bytes = round(bytes);
    int64_t begin = begin_, end = begin_;  // of the free stretch
    for (const Piece& piece : free_) {
      if (piece.address != end) begin = piece.address;
      end = piece.address + piece.bytes;
      if (end - begin >= bytes) return take(begin, bytes);
    }
    return std::nullopt;
  }
  // The smallest free stretch that is large enough, its low or its high end; the lowest of equals.
  std::optional<int64_t> allocate_best_fit(int64_t bytes, bool high_end) {
    bytes = round(bytes);
    int64_t at = begin_, best = -1, best_size = INT64_MAX;
    auto consider = [&](int64_t end) {
      if (end - at >= bytes && end - at < best_size) best = at, best_size = end - at;
    };
    for (const auto& [address, size] : used_) {
      consider(address);
      at = address + size;
    }
    consider(end_);
    if (best < 0) return std::nullopt;
    return take(high_end ? best + best_size - bytes : best, bytes);
  }
  // The place whose most recent user gave it back earliest; the lowest of equals.
  std::optional<int64_t> allocate_oldest(int64_t bytes) {
    bytes = round(bytes);
    std::optional<int64_t> best;
    int64_t best_stamp = 0;
    for (size_t first = 0; first < free_.size(); ++first) {
      if (best && best_stamp == 0) break;  // nothing is older
      if (best && free_[first].stamp >= best_stamp) continue;
      const int64_t begin = free_[first].address;
      int64_t stamp = 0, at = begin;
      for (size_t i = first; i < free_.size() && free_[i].address == at && at - begin < bytes;
           ++i) {
        stamp = std::max(stamp, free_[i].stamp);
        at += free_[i].bytes;
      }
      if (at - begin < bytes || (best && stamp >= best_stamp)) continue;
      best = begin, best_stamp = stamp;
    }
    if (!best) return std::nullopt;
    return take(*best, bytes);
  }
  // Exactly this place; false if some of it is taken or outside.
  bool allocate_at(int64_t address, int64_t bytes) {
    bytes = round(bytes);
    if (address < begin_ || address + bytes > end_) return false;
    auto after = used_.lower_bound(address);
    if (after != used_.end() && after->first < address + bytes) return false;
    if (after != used_.begin() && std::prev(after)->first + std::prev(after)->second > address)
      return false;
    take(address, bytes);
    return true;
  }
  // The highest free place, leaving at least `spare` bytes of one stretch below it.
  std::optional<int64_t> allocate_top(int64_t bytes, int64_t spare) {
    bytes = round(bytes);
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
        return take(at, bytes);
      }
      if (it == used_.rend()) return std::nullopt;
      top = it->first;
    }
  }
  void free(int64_t address) {
    auto it = used_.find(address);
    if (it == used_.end()) return;
    in_use_ -= it->second;
    insert({address, it->second, ++clock_});
    used_.erase(it);
    constexpr size_t kMostPieces = 256;
    if (free_.size() > kMostPieces) merge_neighbours();
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
  struct Piece {
    int64_t address, bytes, stamp;  // when it was given back; 0: never used
  };

  static int64_t round(int64_t bytes) { return (std::max<int64_t>(1, bytes) + 63) / 64 * 64; }

  int64_t take(int64_t at, int64_t bytes) {
    used_[at] = bytes;
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    auto first = std::prev(piece_after(at)), last = first;
    const Piece low = *first;
    Piece high = low;
    for (; last != free_.end() && last->address < at + bytes; ++last) high = *last;
    auto place = free_.erase(first, last);
    if (const int64_t end = high.address + high.bytes; end > at + bytes)
      place = free_.insert(place, {at + bytes, end - at - bytes, high.stamp});
    if (low.address < at) free_.insert(place, {low.address, at - low.address, low.stamp});
    return at;
  }

  // The first free piece behind the address.
  std::vector<Piece>::iterator piece_after(int64_t address) {
    return std::upper_bound(free_.begin(), free_.end(), address,
                            [](int64_t a, const Piece& piece) { return a < piece.address; });
  }

  void insert(const Piece& piece) { free_.insert(piece_after(piece.address), piece); }

  void merge_neighbours() {
    size_t kept = 0;
    for (size_t i = 1; i < free_.size(); ++i) {
      Piece& before = free_[kept];
      if (before.address + before.bytes == free_[i].address) {
        before.bytes += free_[i].bytes;
        before.stamp = std::max(before.stamp, free_[i].stamp);
      } else {
        free_[++kept] = free_[i];
      }
    }
    if (!free_.empty()) free_.resize(kept + 1);
  }

  int64_t begin_, end_, clock_ = 0;
  std::map<int64_t, int64_t> used_;  // address -> bytes
  std::vector<Piece> free_;  // by address; neighbours that were given back at different times stay
                             // apart
  int64_t in_use_ = 0, peak_ = 0;
};

}  // namespace thorong::sim
