// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/coverage.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace thorong::nki {
namespace {

// The bits [low, high) of a word.
uint64_t mask(int64_t low, int64_t high) {
  return (high >= 64 ? ~uint64_t{0} : (uint64_t{1} << high) - 1) & (~uint64_t{0} << low);
}

// Calls f(word, mask) over the words of bits [low, high).
template <typename F>
bool for_words(uint64_t* words, int64_t low, int64_t high, F&& f) {
  for (int64_t at = low; at < high;) {
    int64_t end = std::min(high, (at / 64 + 1) * 64);
    if (!f(words[at / 64], mask(at % 64, end - at / 64 * 64))) return false;
    at = end;
  }
  return true;
}

}  // namespace

int64_t Extent::high() const {
  int64_t end = low + run;
  for (int i = 0; i < rank; ++i)
    end += step[static_cast<size_t>(i)] * (size[static_cast<size_t>(i)] - 1);
  return end;
}

Extent box(int64_t first, int64_t last, int64_t low, int64_t high) {
  Extent result;
  result.first = first, result.last = last, result.low = low, result.run = high - low;
  return result;
}

Extent extent(const isa::AccessPattern& pattern, isa::Space space) {
  auto bytes = static_cast<int64_t>(numerics::byte_size(pattern.format));
  Extent result;
  result.low = pattern.offset * bytes, result.run = bytes;
  std::array<std::pair<int64_t, int64_t>, isa::kMaxFreeRank + 1> dims;  // step, size
  size_t count = 0;
  auto add = [&](int64_t step, int64_t size) {
    if (size <= 1 || step == 0) return;
    if (step < 0) result.low += step * (size - 1) * bytes, step = -step;
    size_t at = count++;
    for (; at > 0 && dims[at - 1].first > step; --at) dims[at] = dims[at - 1];
    dims[at] = {step, size};
  };
  for (size_t i = 0; i < pattern.rank; ++i) add(pattern.step[i], pattern.size[i]);
  if (space == isa::Space::kHbm) {
    add(pattern.partition_step, pattern.partitions);
  } else {
    result.first = pattern.start_partition;
    result.last =
        result.first + (pattern.partition_step == isa::kRepeatRow ? 1 : pattern.partitions);
  }
  size_t inner = 0;  // by growing step: those that follow each other are one run
  for (; inner < count && dims[inner].first * bytes <= result.run; ++inner)
    result.run += dims[inner].first * bytes * (dims[inner].second - 1);
  for (size_t i = count; i-- > inner;) {
    auto to = static_cast<size_t>(result.rank++);
    result.step[to] = dims[i].first * bytes, result.size[to] = dims[i].second;
  }
  return result;
}

void Coverage::shape(int64_t partitions, int64_t row_bytes, int64_t unit) {
  partitions_ = partitions, row_bytes_ = row_bytes, unit_ = unit;
}

// Calls f(first byte, byte behind) for each run of an extent in one partition, until f says false.
template <typename F>
bool Coverage::for_runs(const Extent& extent, F&& f) const {
  std::array<int64_t, isa::kMaxFreeRank + 1> at{};
  for (;;) {
    int64_t low = extent.low;
    for (int i = 0; i < extent.rank; ++i)
      low += at[static_cast<size_t>(i)] * extent.step[static_cast<size_t>(i)];
    int64_t begin = std::clamp<int64_t>(low, 0, row_bytes_);
    int64_t end = std::clamp<int64_t>(low + extent.run, 0, row_bytes_);
    if (begin < end && !f(begin, end)) return false;
    int i = extent.rank - 1;
    for (; i >= 0; --i) {
      auto d = static_cast<size_t>(i);
      if (++at[d] < extent.size[d]) break;
      at[d] = 0;
    }
    if (i < 0) return true;
  }
}

bool Coverage::within_box(const Extent& extent) const {
  return extent.first >= first_ && extent.last <= last_ && extent.low >= low_ &&
         extent.high() <= high_;
}

bool Coverage::grow(const Extent& extent) {
  if (!extent.dense()) return within_box(extent);
  int64_t low = extent.low, high = low + extent.run;
  if (low_ == high_ ||
      (extent.first <= first_ && extent.last >= last_ && low <= low_ && high >= high_)) {
    first_ = extent.first, last_ = extent.last, low_ = low, high_ = high;
  } else if (extent.first == first_ && extent.last == last_ && low <= high_ && high >= low_) {
    low_ = std::min(low_, low), high_ = std::max(high_, high);
  } else if (low == low_ && high == high_ && extent.first <= last_ && extent.last >= first_) {
    first_ = std::min(first_, extent.first), last_ = std::max(last_, extent.last);
  } else {
    return within_box(extent);
  }
  if (first_ <= 0 && last_ >= partitions_ && low_ <= 0 && high_ >= row_bytes_) fill();
  return true;
}

// Units that fit all of the extent's bounds.
void Coverage::refine(int64_t unit) {
  if (unit == unit_) return;
  auto old = std::exchange(bits_, {});
  int64_t old_unit = unit_, old_words = words_;
  unit_ = unit, words_ = (row_bytes_ / unit_ + 63) / 64, count_ = 0;
  bits_.assign(static_cast<size_t>(words_ * partitions_), 0);
  for (int64_t p = 0; p < partitions_; ++p) {
    for (int64_t i = 0; i < row_bytes_ / old_unit; ++i) {
      if ((old[static_cast<size_t>(p * old_words + i / 64)] >> (i % 64) & 1) != 0)
        set(p, p + 1, i * old_unit, (i + 1) * old_unit, true);
    }
  }
}

void Coverage::to_bits(const Extent& next) {
  int64_t unit = std::gcd(std::gcd(unit_, row_bytes_), std::gcd(next.low, next.run));
  for (int i = 0; i < next.rank; ++i) unit = std::gcd(unit, next.step[static_cast<size_t>(i)]);
  if (!bits_.empty()) return refine(unit);
  unit_ = std::gcd(unit, std::gcd(low_, high_));
  words_ = (row_bytes_ / unit_ + 63) / 64, count_ = 0;
  bits_.assign(static_cast<size_t>(words_ * partitions_), 0);
  if (full_) {
    full_ = false;
    set(0, partitions_, 0, row_bytes_, true);
  } else if (low_ < high_) {
    set(first_, last_, low_, high_, true);
  }
}

void Coverage::set(int64_t first, int64_t last, int64_t low, int64_t high, bool value) {
  for (int64_t p = std::max<int64_t>(first, 0); p < std::min(last, partitions_); ++p) {
    for_words(row(p), low / unit_, high / unit_, [&](uint64_t& word, uint64_t bits) {
      uint64_t changed = bits & (value ? ~word : word);
      word ^= changed;
      count_ += value ? std::popcount(changed) : -std::popcount(changed);
      return true;
    });
  }
}

void Coverage::add(const Extent& extent) {
  if (full_ || (bits_.empty() && grow(extent))) return;
  to_bits(extent);
  for_runs(extent, [&](int64_t low, int64_t high) {
    set(extent.first, extent.last, low, high, true);
    return true;
  });
  if (count_ == partitions_ * (row_bytes_ / unit_)) fill();
}

void Coverage::remove(const Extent& extent) {
  if (empty()) return;
  if (!intersects(extent)) return;
  if (bits_.empty() && !full_ && extent.dense() && extent.first <= first_ && extent.last >= last_ &&
      extent.low <= low_ && extent.high() >= high_)
    return clear();
  to_bits(extent);
  for_runs(extent, [&](int64_t low, int64_t high) {
    set(extent.first, extent.last, low, high, false);
    return true;
  });
  if (count_ == 0) clear();
}

bool Coverage::contains(const Extent& extent) {
  if (full_) return true;
  if (bits_.empty()) return low_ < high_ && within_box(extent);
  to_bits(extent);
  return for_runs(extent, [&](int64_t low, int64_t high) {
    for (int64_t p = extent.first; p < std::min(extent.last, partitions_); ++p) {
      if (!for_words(row(p), low / unit_, high / unit_,
                     [](uint64_t word, uint64_t bits) { return (word & bits) == bits; }))
        return false;
    }
    return true;
  });
}

bool Coverage::intersects(const Extent& extent) {
  if (full_) return true;
  if (bits_.empty()) {
    if (low_ == high_ || extent.last <= first_ || extent.first >= last_) return false;
    return !for_runs(extent,
                     [&](int64_t low, int64_t high) { return high <= low_ || low >= high_; });
  }
  to_bits(extent);
  return !for_runs(extent, [&](int64_t low, int64_t high) {
    for (int64_t p = extent.first; p < std::min(extent.last, partitions_); ++p) {
      if (!for_words(row(p), low / unit_, high / unit_,
                     [](uint64_t word, uint64_t bits) { return (word & bits) == 0; }))
        return false;
    }
    return true;
  });
}

int64_t Coverage::missing() const {
  if (full_) return 0;
  int64_t all = partitions_ * row_bytes_;
  return all - (bits_.empty() ? (last_ - first_) * (high_ - low_) : count_ * unit_);
}

}  // namespace thorong::nki
