// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of this folder: chips to compile for, a check of programs that knows nothing
// of the compiler (legal tiles, patterns within their buffers, no races, no shared HBM), and a run
// on a machine whose memories start as NaNs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "thorong/chip/loader.h"
#include "thorong/compiler/compile.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/ops/tensor_iteration.h"
#include "thorong/sim/machine.h"

namespace thorong::compiler::testing {

using isa::AccessPattern;
using isa::Instruction;
using isa::Opcode;
using isa::Queue;
using isa::Space;
using ops::Graph;
using ops::Shape;
using ops::Tensor;
using ops::ValueId;

// ---- Chips ----

struct TestChip {
  const char* name;
  const char* changes;  // to trainium1
};

inline constexpr TestChip kChips[] = {
    {"trainium1", "{}"},
    {"64 partitions",
     "{tensor.rows: 64, tensor.columns: 64, sbuf.partitions: 64, psum.partitions: 64, "
     "vector.lanes: 64, scalar.lanes: 64, gpsimd.lanes: 64}"},
    {"256 partitions",
     "{tensor.rows: 256, tensor.columns: 256, sbuf.partitions: 256, psum.partitions: 256, "
     "vector.lanes: 256, scalar.lanes: 256, gpsimd.lanes: 256}"},
    {"small SBUF", "{sbuf.bytes_per_partition: 16384}"},
};

inline const isa::CoreParameters& core_of(const TestChip& chip) {
  static std::map<std::string, isa::CoreParameters> cores;
  auto it = cores.find(chip.name);
  if (it == cores.end()) {
    std::string yaml = "base: trainium1\nset: " + std::string(chip.changes) + "\n";
    auto parsed = chip::parse(yaml, chip.name);
    EXPECT_TRUE(parsed.ok()) << parsed.status().to_string();
    it = cores.emplace(chip.name, isa::core_parameters(*parsed)).first;
  }
  return it->second;
}

// ---- Programs ----

struct ByteRange {
  int64_t low, high;    // bytes of the space (SBUF, PSUM: within a partition)
  int64_t first, last;  // partitions
};

inline ByteRange bytes_of(const isa::Program& program, const AccessPattern& pattern) {
  const isa::Buffer& buffer = program.buffer(pattern);
  const auto size = static_cast<int64_t>(numerics::byte_size(pattern.format));
  int64_t low = pattern.offset, high = pattern.offset;
  const auto extend = [&](int64_t count, int64_t step) {
    const int64_t span = step * (count - 1);
    (span < 0 ? low : high) += span;
  };
  for (size_t i = 0; i < pattern.rank; ++i) extend(pattern.size[i], pattern.step[i]);
  int64_t first = pattern.start_partition, last = first + pattern.partitions;
  if (buffer.space == Space::kHbm) {
    extend(pattern.partitions, pattern.partition_step);
    first = 0, last = 1;
  } else if (pattern.partition_step == isa::kRepeatRow) {
    last = first + 1;
  }
  return {buffer.address + low * size, buffer.address + (high + 1) * size, first, last};
}

// What is wrong with an instruction by itself; empty if nothing.
inline std::string illegal(const isa::Program& program, const isa::CoreParameters& core,
                           const Instruction& instruction) {
  const auto opcode = static_cast<Opcode>(instruction.opcode);
  for (int i = 0; i < isa::kMaxOperands; ++i) {
    if (!program.has_operand(instruction, i)) continue;
    const AccessPattern& pattern = program.operand(instruction, i);
    const isa::Buffer& buffer = program.buffer(pattern);
    const std::string name = "operand " + std::to_string(i);
    const ByteRange bytes = bytes_of(program, pattern);
    if (pattern.elements() <= 0) return name + " is empty";
    if (pattern.format != buffer.format) return name + " reads another format";
    if (bytes.low < buffer.address || bytes.high > buffer.address + buffer.row_bytes) {
      return name + " leaves its buffer";
    }
    if (buffer.space == Space::kHbm) continue;
    if (bytes.first < 0 || bytes.last > core.partitions) return name + " leaves the partitions";
    const int64_t room = buffer.space == Space::kPsum ? core.psum_banks * core.psum_bank_bytes
                                                      : core.sbuf_bytes_per_partition;
    if (bytes.high > room) return name + " leaves the memory";
    if (buffer.space == Space::kPsum &&
        bytes.low / core.psum_bank_bytes != (bytes.high - 1) / core.psum_bank_bytes) {
      return name + " crosses a PSUM bank";
    }
  }
  if (opcode == Opcode::custom_op) return "";
  const AccessPattern& out = program.operand(instruction, 0);
  if (opcode == Opcode::nc_matmul) {
    const AccessPattern &stationary = program.operand(instruction, 1),
                        &moving = program.operand(instruction, 2);
    if (program.buffer(out).space != Space::kPsum) return "a product outside PSUM";
    if (stationary.partitions != moving.partitions) return "K differs";
    if (stationary.partitions > core.rows) return "K beyond the array";
    if (static_cast<double>(stationary.free_elements()) > core.columns) return "too many columns";
    if (static_cast<double>(moving.free_elements()) > core.moving_max_columns) return "N too long";
    if (out.partitions != stationary.free_elements()) return "M differs";
    if (out.free_elements() != moving.free_elements()) return "N differs";
  } else if (opcode == Opcode::nc_transpose) {
    const AccessPattern& in = program.operand(instruction, 1);
    if (out.partitions != in.free_elements() || out.free_elements() != in.partitions) {
      return "a transposed tile of another shape";
    }
  } else if (opcode == Opcode::dma_copy) {
    if (out.elements() != program.operand(instruction, 1).elements()) return "sizes differ";
  } else if (opcode == Opcode::tensor_copy || opcode == Opcode::tensor_tensor ||
             opcode == Opcode::select || opcode == Opcode::activation ||
             opcode == Opcode::tensor_scalar || opcode == Opcode::scalar_tensor_tensor) {
    for (int i = 1; i < isa::kMaxOperands; ++i) {
      if (!program.has_operand(instruction, i)) continue;
      const AccessPattern& in = program.operand(instruction, i);
      if (in.partitions != out.partitions) return "partitions differ";
      const bool per_partition = (opcode == Opcode::activation && i >= 2) ||
                                 (opcode == Opcode::tensor_scalar && i >= 2) ||
                                 (opcode == Opcode::scalar_tensor_tensor && i == 2);
      const int64_t expected = per_partition ? 1 : out.free_elements();
      if (in.free_elements() != expected) return "elements differ";
    }
  }
  return "";
}

// Nothing writes to inputs, constants, and tiles that are views of them (kBindView).
inline std::string writes_to_a_view(const isa::Program& program) {
  std::set<isa::BufferId> kept;
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    const isa::BufferRole role = program.buffers[b].role;
    if (role == isa::BufferRole::kInput || role == isa::BufferRole::kConstant)
      kept.insert(static_cast<isa::BufferId>(b));
  }
  const auto binds = [](const Instruction& instruction) {
    return (instruction.flags & isa::kBindView) != 0 &&
           static_cast<Opcode>(instruction.opcode) == Opcode::dma_copy;
  };
  for (const Instruction& instruction : program.instructions) {
    if (binds(instruction)) kept.insert(program.operand(instruction, 0).buffer);
  }
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const Instruction& instruction = program.instructions[i];
    if (binds(instruction)) continue;
    std::vector<isa::BufferId> written;
    for (int k : {0, 4}) {
      if (program.has_operand(instruction, k))
        written.push_back(program.operand(instruction, k).buffer);
    }
    if (static_cast<Opcode>(instruction.opcode) == Opcode::custom_op) {
      const isa::Call& call = *program.calls[static_cast<size_t>(instruction.extra)];
      written.insert(written.end(), call.outputs.begin(), call.outputs.end());
    }
    for (isa::BufferId id : written) {
      if (kept.count(id) != 0) {
        return "instruction " + std::to_string(i) + " (" + isa::spec(instruction.opcode).mnemonic +
               ") writes to buffer " + std::to_string(id) + ", a view of an input or a constant";
      }
    }
  }
  return "";
}

// Inputs, outputs and constants are in HBM from the first instruction to the last: nothing else may
// have their addresses.
inline std::string shared_address(const isa::Program& program) {
  std::vector<const isa::Buffer*> buffers;
  for (const isa::Buffer& buffer : program.buffers) {
    if (buffer.space == Space::kHbm && buffer.row_bytes > 0) buffers.push_back(&buffer);
  }
  std::stable_sort(buffers.begin(), buffers.end(), [](const isa::Buffer* a, const isa::Buffer* b) {
    return a->address < b->address;
  });
  const isa::Buffer* lasting = nullptr;
  int64_t lasting_end = 0, end = 0;
  for (const isa::Buffer* buffer : buffers) {
    const bool lasts = buffer->role != isa::BufferRole::kScratch;
    if (buffer->address < (lasts ? end : lasting_end)) {
      return "'" + buffer->name + "' shares HBM with " +
             (lasting == nullptr ? "scratch" : "'" + lasting->name + "' or scratch");
    }
    end = std::max(end, buffer->address + buffer->row_bytes);
    if (lasts) lasting = buffer, lasting_end = end;
  }
  return "";
}

// Happens-before by vector clocks: two accesses of the same bytes, one of them a write, must be
// ordered by an engine's own order or a semaphore. Also: no buffer is used after another one took
// its address.
class RaceCheck {
 public:
  explicit RaceCheck(const isa::Program& program) : program_(program) {}

  std::string run() {
    std::array<std::vector<Clock>, isa::kQueues> started;
    for (size_t i = 0; i < program_.instructions.size(); ++i) {
      const Instruction& instruction = program_.instructions[i];
      const auto q = static_cast<size_t>(instruction.queue);
      const auto position = static_cast<int32_t>(started[q].size());
      Clock clock{};
      if (position > 0) clock = started[q].back();
      if (instruction.queue <= Queue::kSync) clock[q] = position;
      for (int32_t w = 0; w < instruction.waits; ++w) {
        const isa::Wait& wait = program_.waits[static_cast<size_t>(instruction.first_wait + w)];
        const auto other = static_cast<size_t>(wait.queue);
        if (wait.count > static_cast<int32_t>(started[other].size())) {
          return "instruction " + std::to_string(i) + " waits for a later one";
        }
        clock[other] = std::max(clock[other], wait.count);
        const Clock& seen = started[other][static_cast<size_t>(wait.count - 1)];
        for (size_t k = 0; k < isa::kQueues; ++k) clock[k] = std::max(clock[k], seen[k]);
      }
      started[q].push_back(clock);
      std::string problem = visit(i, q, position, clock);
      if (!problem.empty()) return problem;
    }
    return "";
  }

 private:
  using Clock = std::array<int32_t, isa::kQueues>;
  struct Access {
    size_t instruction, queue;
    int32_t position;
    isa::BufferId buffer;
    ByteRange bytes;
    bool write;
    const AccessPattern* pattern;  // nullptr: the whole buffer
  };

  std::string visit(size_t i, size_t q, int32_t position, const Clock& clock) {
    const Instruction& instruction = program_.instructions[i];
    const size_t before = accesses_.size();
    const auto add = [&](isa::BufferId id, ByteRange bytes, bool write,
                         const AccessPattern* pattern = nullptr) {
      accesses_.push_back({i, q, position, id, bytes, write, pattern});
    };
    for (int k = 0; k < isa::kMaxOperands; ++k) {
      if (!program_.has_operand(instruction, k)) continue;
      const AccessPattern& pattern = program_.operand(instruction, k);
      add(pattern.buffer, bytes_of(program_, pattern), k == 0 || k == 4, &pattern);
    }
    if (static_cast<Opcode>(instruction.opcode) == Opcode::custom_op) {
      const isa::Call& call = *program_.calls[static_cast<size_t>(instruction.extra)];
      const auto whole = [&](isa::BufferId id) {
        const isa::Buffer& buffer = program_.buffers[static_cast<size_t>(id)];
        return ByteRange{buffer.address, buffer.address + buffer.row_bytes, 0, 1};
      };
      for (isa::BufferId id : call.inputs) add(id, whole(id), false);
      for (isa::BufferId id : call.outputs) add(id, whole(id), true);
    }
    for (size_t n = before; n < accesses_.size(); ++n) {
      const Access& now = accesses_[n];
      for (size_t m = 0; m < before; ++m) {
        const Access& old = accesses_[m];
        if (space(old) != space(now) || !overlap(old.bytes, now.bytes)) continue;
        if ((old.write || now.write) && clock[old.queue] <= old.position && meet(old, now)) {
          return "race between instructions " + text(old) + " and " + text(now);
        }
        if (old.buffer > now.buffer && lives_later(old.buffer, now.buffer)) {
          return "instruction " + text(now) + " uses a buffer whose address " + text(old) +
                 " took over";
        }
      }
    }
    for (size_t n = before; n < accesses_.size(); ++n) touched_[accesses_[n].buffer] = true;
    return "";
  }

  // HBM inputs, outputs and constants are placed once and stay.
  bool lives_later(isa::BufferId later, isa::BufferId earlier) const {
    const auto& role = program_.buffers[static_cast<size_t>(earlier)].role;
    return later != earlier && role == isa::BufferRole::kScratch && touched_.contains(earlier);
  }
  Space space(const Access& a) const {
    return program_.buffers[static_cast<size_t>(a.buffer)].space;
  }
  static bool overlap(const ByteRange& a, const ByteRange& b) {
    return a.low < b.high && b.low < a.high && a.first < b.last && b.first < a.last;
  }
  // Whether two accesses have an element in common: strided patterns may only interleave.
  bool meet(const Access& a, const Access& b) const {
    if (a.pattern == nullptr || b.pattern == nullptr) return true;
    const std::set<std::pair<int64_t, int64_t>> elements = elements_of(*a.pattern);
    for (const auto& element : elements_of(*b.pattern)) {
      if (elements.contains(element)) return true;
    }
    return false;
  }
  std::set<std::pair<int64_t, int64_t>> elements_of(const AccessPattern& pattern) const {
    const isa::Buffer& buffer = program_.buffer(pattern);
    const auto size = static_cast<int64_t>(numerics::byte_size(pattern.format));
    Shape shape(pattern.size.begin(), pattern.size.begin() + pattern.rank);
    std::set<std::pair<int64_t, int64_t>> elements;
    for (int64_t p = 0; p < pattern.partitions; ++p) {
      std::vector<int64_t> index(shape.size(), 0);
      const bool hbm = buffer.space == Space::kHbm;
      const bool repeats = pattern.partition_step == isa::kRepeatRow;
      do {
        int64_t at = pattern.offset + (hbm ? p * pattern.partition_step : 0);
        for (size_t d = 0; d < shape.size(); ++d) at += index[d] * pattern.step[d];
        elements.emplace(hbm ? 0 : pattern.start_partition + (repeats ? 0 : p),
                         buffer.address + at * size);
      } while (ops::next_index(index, shape));
    }
    return elements;
  }
  std::string text(const Access& a) const {
    return std::to_string(a.instruction) + " (" +
           isa::spec(program_.instructions[a.instruction].opcode).mnemonic + ", buffer " +
           std::to_string(a.buffer) + ")";
  }

  const isa::Program& program_;
  std::vector<Access> accesses_;
  std::map<isa::BufferId, bool> touched_;
};

inline void poison(sim::Machine& machine, const isa::Program& program) {
  std::map<std::pair<Space, int64_t>, std::pair<int64_t, isa::BufferId>> largest;
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    const isa::Buffer& buffer = program.buffers[b];
    const auto id = static_cast<isa::BufferId>(b);
    if (buffer.space == Space::kHbm) {
      const size_t cells =
          static_cast<size_t>(buffer.row_bytes) / numerics::byte_size(buffer.format);
      const size_t cell = numerics::byte_size(isa::host_cell(buffer.format));
      if (buffer.role != isa::BufferRole::kConstant) {
        std::memset(machine.hbm_data(id), 0xff, cells * cell);
      }
      continue;
    }
    auto& entry = largest[{buffer.space, buffer.address}];
    const int64_t stride = machine.host_buffer(id).row_stride_bytes;
    if (stride > entry.first) entry = {stride, id};
  }
  for (const auto& [key, entry] : largest) {
    const auto partitions =
        static_cast<size_t>(program.buffers[static_cast<size_t>(entry.second)].partitions);
    std::memset(machine.host_buffer(entry.second).data, 0xff,
                static_cast<size_t>(entry.first) * partitions);
  }
}

// The program of a graph, checked.
inline Result<isa::Program> compile_checked(const isa::CoreParameters& core, const Graph& graph,
                                            const CompileOptions& options = {}) {
  THORONG_TRY(isa::Program program, compile(graph, core, options));
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const std::string problem = illegal(program, core, program.instructions[i]);
    if (problem.empty()) continue;
    return internal_error("instruction " + std::to_string(i) + " (" +
                          isa::spec(program.instructions[i].opcode).mnemonic + "): " + problem);
  }
  const std::string written = writes_to_a_view(program);
  if (!written.empty()) return internal_error(written);
  const std::string shared = shared_address(program);
  if (!shared.empty()) return internal_error(shared);
  constexpr size_t kMostForPairs = 1500;
  if (program.instructions.size() <= kMostForPairs) {
    const std::string race = RaceCheck(program).run();
    if (!race.empty()) return internal_error(race);
  }
  return program;
}

// The outputs of a program as the machine computes them.
inline Result<std::vector<std::vector<double>>> run_program(const isa::CoreParameters& core,
                                                            const isa::Program& program,
                                                            const Graph& graph,
                                                            const std::vector<Tensor>& inputs,
                                                            int threads = 1) {
  const ThreadPool pool(threads);
  sim::Machine machine(core, pool, {});
  THORONG_RETURN_IF_ERROR(machine.load(program));
  poison(machine, program);
  std::vector<std::vector<double>> outputs(graph.outputs.size());
  std::vector<std::vector<std::byte>> lent;  // of their size exactly, as a caller has them
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    const isa::Buffer& buffer = program.buffers[b];
    if (buffer.role != isa::BufferRole::kInput) continue;
    const Tensor& tensor = inputs[static_cast<size_t>(buffer.index)];
    const numerics::Format cell = isa::host_cell(buffer.format);
    const auto n = static_cast<size_t>(tensor.type.elements());
    std::vector<std::byte>& cells = lent.emplace_back(n * numerics::byte_size(cell));
    numerics::convert(tensor.type.format, tensor.data, cell, cells.data(), n);
    machine.lend(static_cast<isa::BufferId>(b), cells.data());
  }
  const auto before = lent;
  THORONG_RETURN_IF_ERROR(machine.run(program));
  if (lent != before) return internal_error("the program wrote to an input");
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    const isa::Buffer& buffer = program.buffers[b];
    if (buffer.role != isa::BufferRole::kOutput) continue;
    const ValueId value = graph.outputs[static_cast<size_t>(buffer.index)];
    std::vector<double> values;
    const auto n = static_cast<size_t>(graph.type(value).elements());
    for (size_t i = 0; i < n; ++i) {
      values.push_back(numerics::load_as_double(
          isa::host_cell(buffer.format), machine.hbm_data(static_cast<isa::BufferId>(b)), i));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (graph.outputs[i] == value) outputs[i] = values;
    }
  }
  return outputs;
}

// The outputs of the graph as the machine computes them.
inline Result<std::vector<std::vector<double>>> run_on(const isa::CoreParameters& core,
                                                       const Graph& graph,
                                                       const std::vector<Tensor>& inputs,
                                                       const CompileOptions& options = {}) {
  THORONG_TRY(const isa::Program program, compile_checked(core, graph, options));
  return run_program(core, program, graph, inputs);
}

}  // namespace thorong::compiler::testing
