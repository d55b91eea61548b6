// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/lanes.h"

#include <algorithm>

namespace thorong::nki {
namespace {

// Calls f(number, place) for each element, partition by partition.
template <typename F>
void for_elements(const isa::AccessPattern& pattern, isa::Space space, F&& f) {
  auto bytes = static_cast<int64_t>(numerics::byte_size(pattern.format));
  bool hbm = space == isa::Space::kHbm, one_row = pattern.partition_step == isa::kRepeatRow;
  int64_t row_elements = pattern.free_elements();
  for (int64_t p = 0; p < pattern.partitions; ++p) {
    int64_t partition = hbm ? 0 : pattern.start_partition + (one_row ? 0 : p);
    int64_t row = pattern.offset + (hbm ? p * pattern.partition_step : 0);
    for (int64_t i = 0; i < row_elements; ++i) {
      int64_t element = row, rest = i;
      for (size_t d = pattern.rank; d-- > 0;) {
        element += rest % pattern.size[d] * pattern.step[d];
        rest /= pattern.size[d];
      }
      f(p * row_elements + i,
        box(partition, partition + 1, element * bytes, (element + 1) * bytes));
    }
  }
}

}  // namespace

Lanes::Lanes(const isa::AccessPattern& result, isa::Space space)
    : result_(result), space_(space), written_(static_cast<size_t>(result.elements()), true) {}

bool Lanes::read(const isa::AccessPattern& operand, isa::Space space, isa::Reach reach,
                 Coverage& written) {
  bool each = reach == isa::Reach::kElement && operand.elements() == result_.elements();
  if (!each && operand.partitions != result_.partitions) return false;
  int64_t from = each ? 1 : operand.free_elements(), to = each ? 1 : result_.free_elements();
  for_elements(operand, space, [&](int64_t i, const Extent& at) {
    if (written.contains(at)) return;
    auto first = written_.begin() + i / from * to;
    std::fill(first, first + to, false);
  });
  return true;
}

void Lanes::write(Coverage& written, Coverage& passed_on) const {
  written.add(extent(result_, space_));
  passed_on.remove(extent(result_, space_));
  Extent gap;  // unwritten elements that follow each other
  auto close = [&] {
    if (gap.run == 0) return;
    written.remove(gap);
    passed_on.add(gap);
  };
  for_elements(result_, space_, [&](int64_t i, const Extent& at) {
    if (written_[static_cast<size_t>(i)]) return;
    if (gap.run > 0 && gap.first == at.first && gap.low + gap.run == at.low) {
      gap.run += at.run;
      return;
    }
    close();
    gap = at;
  });
  close();
}

}  // namespace thorong::nki
