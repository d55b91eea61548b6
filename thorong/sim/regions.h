// SPDX-License-Identifier: Apache-2.0
// Which part of a buffer an access pattern touches, as a rectangle: enough to tell tiles of one
// tensor apart.
#pragma once

#include "thorong/isa/isa.h"

namespace thorong::sim {

// A rectangle: bytes [low, high) of rows [first, last). Rows are partitions in SBUF and PSUM; in
// HBM they are `pitch` bytes apart (0: one row, the whole buffer), so that tiles side by side in
// one tensor are known to be apart.
struct Range {
  int64_t low, high;
  int64_t first, last;
  int64_t pitch;
  int64_t linear_low() const { return first * pitch + low; }
  int64_t linear_high() const { return (last - 1) * pitch + high; }
};

Range range_of(const isa::Program& program, const isa::AccessPattern& pattern);
// All of a buffer.
Range whole_range(const isa::Buffer& buffer);

// Asked of every pair of accesses to a buffer.
inline bool overlaps(const Range& a, const Range& b) {
  if (a.pitch == b.pitch)
    return a.low < b.high && b.low < a.high && a.first < b.last && b.first < a.last;
  return a.linear_low() < b.linear_high() && b.linear_low() < a.linear_high();
}
inline bool covers(const Range& r, const Range& a) {
  return r.pitch == a.pitch && r.low <= a.low && a.high <= r.high && r.first <= a.first &&
         a.last <= r.last;
}
inline bool equal(const Range& a, const Range& b) { return covers(a, b) && covers(b, a); }
// The smallest rectangle around both.
Range hull(const Range& a, const Range& b);

}  // namespace thorong::sim
