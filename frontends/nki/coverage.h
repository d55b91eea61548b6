// SPDX-License-Identifier: Apache-2.0
// Which bytes of a storage something has happened to: written, read since, begun by a matmul ...
//
// Nearly always that is nothing, everything, or one rectangle (bytes [low, high) of partitions
// [first, last)), and then an answer takes a few comparisons. Only where rectangles do not do, a
// bitmap of the smallest unit that anybody has accessed is made.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "thorong/isa/isa.h"

namespace thorong::nki {

// The bytes that an access pattern touches, in every partition of [first, last) the same: `run`
// bytes at `low` and at each multiple of the steps beyond it. HBM is one partition.
struct Extent {
  int64_t first = 0, last = 1;
  int64_t low = 0, run = 0;
  int rank = 0;
  std::array<int64_t, isa::kMaxFreeRank + 1> size{}, step{};  // bytes; outermost first

  int64_t high() const;  // behind the last byte
  bool dense() const { return rank == 0; }
};
// Indices are left out: an indirect pattern's extent is that of index 0.
Extent extent(const isa::AccessPattern& pattern, isa::Space space);
Extent box(int64_t first, int64_t last, int64_t low, int64_t high);

class Coverage {
 public:
  // Bytes of a partition and partitions of the storage; the first unit of a bitmap.
  void shape(int64_t partitions, int64_t row_bytes, int64_t unit);
  bool empty() const { return !full_ && bits_.empty() && high_ == low_; }
  bool full() const { return full_; }
  void fill() { full_ = true, bits_ = {}; }
  void clear() { full_ = false, bits_ = {}, low_ = high_ = 0; }
  void add(const Extent& extent);
  void remove(const Extent& extent);
  bool contains(const Extent& extent);
  bool intersects(const Extent& extent);
  // Bytes that are missing, over all partitions.
  int64_t missing() const;

 private:
  bool within_box(const Extent& extent) const;
  bool grow(const Extent& extent);  // true: the union is a rectangle still
  void to_bits(const Extent& next);
  void refine(int64_t unit);
  void set(int64_t first, int64_t last, int64_t low, int64_t high, bool value);
  template <typename F>
  bool for_runs(const Extent& extent, F&& f) const;
  uint64_t* row(int64_t partition) { return bits_.data() + partition * words_; }

  bool full_ = false;
  int64_t partitions_ = 1, row_bytes_ = 0, unit_ = 1;
  int64_t first_ = 0, last_ = 0, low_ = 0, high_ = 0;  // the rectangle, unless bits_
  std::vector<uint64_t> bits_;
  int64_t words_ = 0;  // of a partition
  int64_t count_ = 0;  // units in bits_
};

}  // namespace thorong::nki
