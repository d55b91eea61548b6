// SPDX-License-Identifier: Apache-2.0
// Operand rows: gathering, scattering, rounding.
#include "thorong/isa/machine_state.h"

#include <cstring>

#include "thorong/base/check.h"

namespace thorong::isa {
namespace {

// Calls f(element index within the row, byte address, run) for each innermost line of a row.
template <typename F>
void for_lines(const AccessPattern& pattern, std::byte* row, int64_t cell_bytes, F&& f) {
  auto size = [&](int i) {
    return i < pattern.rank ? int64_t{pattern.size[static_cast<size_t>(i)]} : 1;
  };
  int inner = pattern.rank - 1;
  if (inner < 0) {
    f(int64_t{0}, row);
    return;
  }
  std::array<int64_t, kMaxFreeRank> outer{1, 1, 1, 1};
  std::array<int64_t, kMaxFreeRank> step{0, 0, 0, 0};
  for (int i = 0; i < inner; ++i) {
    outer[static_cast<size_t>(i)] = size(i);
    step[static_cast<size_t>(i)] = pattern.step[static_cast<size_t>(i)] * cell_bytes;
  }
  int64_t element = 0, line = size(inner);
  for (int64_t a = 0; a < outer[0]; ++a) {
    for (int64_t b = 0; b < outer[1]; ++b) {
      for (int64_t c = 0; c < outer[2]; ++c, element += line) {
        f(element, row + a * step[0] + b * step[1] + c * step[2]);
      }
    }
  }
}

// Calls f(element, byte address) for the elements of an indirect row.
template <typename F>
void for_columns(const Operand& operand, int64_t partition, F&& f) {
  auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
  const int64_t* columns = operand.columns + partition / operand.column_group * operand.elements;
  for (int64_t i = 0; i < operand.elements; ++i) f(i, operand.at(partition) + columns[i] * cell);
}

}  // namespace

bool MachineState::exchange(const Instruction& instruction, const std::string& meeting, int,
                            std::vector<std::byte>&) {
  fault(instruction,
        "expected other cores at " + meeting +
            ", found that one core runs alone. Launch the kernel on two: kernel[2](...)");
  return false;
}

bool MachineState::swap(const Instruction& instruction, const std::string& meeting, Mail bytes,
                        std::span<const int64_t> from, std::vector<Mail>& received) {
  received.assign(1, std::move(bytes));
  if (from.size() == 1) return true;
  fault(instruction, "expected other ranks at " + meeting +
                         ", found that one runs alone. Run the kernel with ranks=" +
                         std::to_string(from.size()));
  return false;
}

void MachineState::note(size_t, int64_t) {}

Operand MachineState::resolve(const Program& program, const AccessPattern& pattern) {
  const Buffer& buffer = program.buffer(pattern);
  HostBuffer host = host_buffer(pattern.buffer);
  Operand operand;
  operand.pattern = &pattern;
  operand.cell = host.bytes ? pattern.format : host_cell(pattern.format);
  auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
  if (buffer.space == Space::kHbm) {
    operand.row_stride_bytes = pattern.partition_step * cell;
    operand.base = host.data + pattern.offset * cell;
  } else {
    operand.row_stride_bytes = pattern.partition_step == kRepeatRow ? 0 : host.row_stride_bytes;
    operand.base =
        host.data + pattern.start_partition * host.row_stride_bytes + pattern.offset * cell;
  }
  operand.elements = pattern.free_elements();
  operand.dense = pattern.contiguous_run() == operand.elements;
  if (pattern.indirect >= 0) resolve_indirect(program, pattern, operand);
  operand.direct = operand.dense && operand.cell == Format::kFloat32;
  return operand;
}

void MachineState::resolve_indirect(const Program& program, const AccessPattern& pattern,
                                    Operand& operand) {
  const Indirect& indirect = program.indirects[static_cast<size_t>(pattern.indirect)];
  Operand index = resolve(program, program.patterns[static_cast<size_t>(indirect.index)]);
  auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
  auto index_partitions = int64_t{index.pattern->partitions};
  std::vector<int64_t> read(
      static_cast<size_t>(index.elements * index_partitions));  // column by column
  std::vector<int64_t> row(static_cast<size_t>(index.elements));
  for (int64_t p = 0; p < index_partitions; ++p) {
    load_integers(index, p, row.data());
    for (int64_t i = 0; i < index.elements; ++i)
      read[static_cast<size_t>(i * index_partitions + p)] = row[static_cast<size_t>(i)];
  }
  auto checked = [&](int64_t value) -> int64_t {
    if (value >= 0 && value < indirect.limit) return value;
    if (indirect.skip_out_of_bounds) return -1;
    if (executing != nullptr) {
      fault(*executing,
            "an index is out of bounds: expected 0 to " + std::to_string(indirect.limit - 1) +
                ", found " + std::to_string(value) +
                ". Correct the indices, or pass oob_mode=oob_mode.skip to leave such rows out");
    }
    return 0;
  };
  if (indirect.columns) {
    std::vector<int64_t>& list = indices_[next_indices_++ % indices_.size()];
    int64_t groups = (pattern.partitions + indirect.group - 1) / indirect.group;
    list.resize(static_cast<size_t>(groups * operand.elements));
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t i = 0; i < operand.elements; ++i) {
        int64_t from =
            (i / indirect.group) * index_partitions + g * indirect.group + i % indirect.group;
        list[static_cast<size_t>(g * operand.elements + i)] =
            checked(read[static_cast<size_t>(from)]);
      }
    }
    operand.columns = list.data(), operand.column_group = indirect.group, operand.dense = false;
  } else if (indirect.per_partition) {
    std::vector<int64_t>& list = indices_[next_indices_++ % indices_.size()];
    list.resize(static_cast<size_t>(pattern.partitions));
    for (size_t p = 0; p < list.size(); ++p) {
      int64_t value = checked(read[p]);
      list[p] = value < 0 ? Operand::kSkippedRow : value * indirect.step * cell;
    }
    operand.rows = list.data();
  } else {
    int64_t value = checked(read[0]);
    if (value >= 0) {
      operand.base += value * indirect.step * cell;
      return;
    }
    std::vector<int64_t>& list = indices_[next_indices_++ % indices_.size()];
    list.assign(static_cast<size_t>(pattern.partitions), Operand::kSkippedRow);
    operand.rows = list.data();
  }
}

void element_offsets(const AccessPattern& pattern, int32_t* offsets) {
  size_t count = 1;
  offsets[0] = 0;
  for (size_t d = 0; d < pattern.rank;
       ++d) {  // each dimension repeats what is there, from the back so that nothing is lost
    auto size = static_cast<size_t>(pattern.size[d]);
    auto step = static_cast<int32_t>(pattern.step[d]);
    for (size_t i = count; i-- > 0;) {
      int32_t base = offsets[i];
      for (size_t j = size; j-- > 0;) offsets[i * size + j] = base + static_cast<int32_t>(j) * step;
    }
    count *= size;
  }
}

const float* load_row(const Operand& operand, int64_t partition, float* scratch) {
  if (operand.direct) return operand.row(partition);
  std::byte* row = operand.at(partition);
  const AccessPattern& pattern = *operand.pattern;
  if (operand.columns != nullptr) {
    for_columns(operand, partition, [&](int64_t element, std::byte* at) {
      numerics::widen(operand.cell, at, scratch + element, 1);
    });
    return scratch;
  }
  if (operand.cell != Format::kFloat32) {
    auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
    int64_t line = pattern.rank > 0 ? pattern.size[static_cast<size_t>(pattern.rank - 1)] : 1;
    int64_t step = pattern.rank > 0 ? pattern.step[static_cast<size_t>(pattern.rank - 1)] : 1;
    for_lines(pattern, row, cell, [&](int64_t element, std::byte* at) {
      if (step == 1) {
        numerics::widen(operand.cell, at, scratch + element, static_cast<size_t>(line));
        return;
      }
      for (int64_t i = 0; i < line; ++i)
        numerics::widen(operand.cell, at + i * step * cell, scratch + element + i, 1);
    });
    return scratch;
  }
  int64_t line = pattern.rank > 0 ? pattern.size[static_cast<size_t>(pattern.rank - 1)] : 1;
  int64_t step = pattern.rank > 0 ? pattern.step[static_cast<size_t>(pattern.rank - 1)] : 1;
  for_lines(pattern, row, 4, [&](int64_t element, std::byte* at) {
    const float* from = reinterpret_cast<const float*>(at);
    float* to = scratch + element;
    if (step == 1) {
      std::memcpy(to, from, static_cast<size_t>(line) * 4);
    } else if (step == 0) {
      for (int64_t i = 0; i < line; ++i) to[i] = *from;
    } else if (step == 2) {
      for (int64_t i = 0; i < line; ++i) to[i] = from[2 * i];
    } else {
      for (int64_t i = 0; i < line; ++i) to[i] = from[i * step];
    }
  });
  return scratch;
}

void round_values(Format format, float* values, size_t n, const numerics::Rounding& rounding) {
  if (format == Format::kFloat32 || host_cell(format) != Format::kFloat32) return;
  if (rounding.mode == numerics::RoundingMode::kNearestEven)
    return numerics::round_in_place(format, values, n);
  if (rounding.mode == numerics::RoundingMode::kNone && numerics::is_float(format)) return;
  alignas(64) std::array<std::byte, 4096> narrow;
  size_t chunk = narrow.size() / numerics::byte_size(format);
  for (size_t i = 0; i < n; i += chunk) {
    size_t count = std::min(chunk, n - i);
    numerics::Rounding here = rounding;
    here.first_element += i;
    numerics::narrow(format, values + i, narrow.data(), count, here);
    numerics::widen(format, narrow.data(), values + i, count);
  }
}

void store_row(const Operand& operand, int64_t partition, float* values,
               const numerics::Rounding& rounding) {
  const AccessPattern& pattern = *operand.pattern;
  numerics::Rounding here = rounding;
  here.first_element = static_cast<uint64_t>(partition * operand.elements);
  if (operand.cell == Format::kFloat32 && pattern.format != Format::kFloat32) {
    round_values(pattern.format, values, static_cast<size_t>(operand.elements), here);
  }
  if (operand.direct && values == operand.row(partition)) return;
  if (operand.columns != nullptr) {
    for_columns(operand, partition, [&](int64_t element, std::byte* at) {
      here.first_element = static_cast<uint64_t>(partition * operand.elements + element);
      numerics::narrow(operand.cell, values + element, at, 1, here);
    });
    return;
  }
  std::byte* row = operand.at(partition);
  auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
  int64_t line = pattern.rank > 0 ? pattern.size[static_cast<size_t>(pattern.rank - 1)] : 1;
  int64_t step = pattern.rank > 0 ? pattern.step[static_cast<size_t>(pattern.rank - 1)] : 1;
  for_lines(pattern, row, cell, [&](int64_t element, std::byte* at) {
    if (operand.cell != Format::kFloat32) {
      here.first_element = static_cast<uint64_t>(partition * operand.elements + element);
      for (int64_t i = 0; i < line; ++i) {
        if (step == 1) {
          numerics::narrow(operand.cell, values + element, at, static_cast<size_t>(line), here);
          break;
        }
        numerics::narrow(operand.cell, values + element + i, at + i * step * cell, 1, here);
      }
      return;
    }
    auto* to = reinterpret_cast<float*>(at);
    const float* from = values + element;
    if (step == 1) {
      std::memcpy(to, from, static_cast<size_t>(line) * 4);
    } else {
      for (int64_t i = 0; i < line; ++i) to[i * step] = from[i];
    }
  });
}

void for_partitions(const MachineState& machine, int64_t partitions, int64_t elements,
                    const std::function<void(int64_t, int64_t)>& body) {
  constexpr int64_t kWorthSplitting =
      1 << 17;  // elements; below, starting a thread costs more than it saves
  if (machine.part().count > 1) {
    auto [first, last] = machine.part().of(partitions);
    if (first < last) body(first, last);
  } else if (partitions * elements < kWorthSplitting) {
    body(0, partitions);
  } else {
    machine.pool().parallel_for(partitions, 1, body);
  }
}

float* thread_scratch(int slot, size_t n) {
  thread_local std::array<std::vector<float>, kThreadSlots> buffers;
  std::vector<float>& buffer = buffers[static_cast<size_t>(slot)];
  if (buffer.size() < n) buffer.resize(n);
  return buffer.data();
}

}  // namespace thorong::isa
