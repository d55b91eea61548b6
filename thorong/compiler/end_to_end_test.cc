// SPDX-License-Identifier: Apache-2.0
// The compiler's property: any graph, compiled for any chip and executed on the machine, gives what
// the reference gives. Random small graphs over most operators run on chips of 64, 128 and 256
// partitions and on one whose SBUF is so small that values spill. Each program is also checked as a
// program: patterns within their buffers, legal tiles, and every two accesses to the same bytes
// ordered by queues and semaphores. SBUF and HBM start as NaNs, so nothing may be read before it is
// written. A failure prints the seed and the shortest part of the graph that fails alone; run it
// again with THORONG_TEST_SEED=n, or more graphs with THORONG_TEST_GRAPHS=n.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <stdexcept>

#include "thorong/chip/loader.h"
#include "thorong/compiler/compile.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/ops/operator_support.h"
#include "thorong/sim/machine.h"

namespace thorong::compiler {
namespace {

using isa::AccessPattern;
using isa::Instruction;
using isa::Opcode;
using isa::Queue;
using isa::Space;
using numerics::Format;
using ops::Attributes;
using ops::Graph;
using ops::kNoValue;
using ops::make_attributes;
using ops::Shape;
using ops::Tensor;
using ops::ValueId;
using Indices = std::vector<int64_t>;

// ---- Chips ----

struct TestChip {
  const char* name;
  const char* changes;  // to trainium1
};

constexpr TestChip kChips[] = {
    {"trainium1", "{}"},
    {"64 partitions",
     "{tensor.rows: 64, tensor.columns: 64, sbuf.partitions: 64, psum.partitions: 64, "
     "vector.lanes: 64, scalar.lanes: 64, gpsimd.lanes: 64}"},
    {"256 partitions",
     "{tensor.rows: 256, tensor.columns: 256, sbuf.partitions: 256, psum.partitions: 256, "
     "vector.lanes: 256, scalar.lanes: 256, gpsimd.lanes: 256}"},
    {"small SBUF", "{sbuf.bytes_per_partition: 16384}"},
};

const isa::CoreParameters& core_of(const TestChip& chip) {
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

ByteRange bytes_of(const isa::Program& program, const AccessPattern& pattern) {
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
std::string illegal(const isa::Program& program, const isa::CoreParameters& core,
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
      const bool per_partition =
          (opcode == Opcode::activation && i >= 2) ||
          (opcode == Opcode::tensor_scalar && i >= 2) ||
          (opcode == Opcode::scalar_tensor_tensor && i == 2);
      const int64_t expected = per_partition ? 1 : out.free_elements();
      if (in.free_elements() != expected) return "elements differ";
    }
  }
  return "";
}

// Inputs, outputs and constants are in HBM from the first instruction to the last: nothing else may
// have their addresses.
std::string shared_address(const isa::Program& program) {
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
      Indices index(shape.size(), 0);
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

void poison(sim::Machine& machine, const isa::Program& program) {
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

// The outputs of the graph as the machine computes them.
Result<std::vector<std::vector<double>>> run_on(const isa::CoreParameters& core, const Graph& graph,
                                                const std::vector<Tensor>& inputs) {
  THORONG_TRY(const isa::Program program, compile(graph, core, {}));
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const std::string problem = illegal(program, core, program.instructions[i]);
    if (problem.empty()) continue;
    return internal_error("instruction " + std::to_string(i) + " (" +
                          isa::spec(program.instructions[i].opcode).mnemonic + "): " + problem);
  }
  const std::string shared = shared_address(program);
  if (!shared.empty()) return internal_error(shared);
  constexpr size_t kMostForPairs = 1500;
  if (program.instructions.size() <= kMostForPairs) {
    const std::string race = RaceCheck(program).run();
    if (!race.empty()) return internal_error(race);
  }
  const ThreadPool pool(1);
  sim::Machine machine(core, pool, {});
  THORONG_RETURN_IF_ERROR(machine.load(program));
  poison(machine, program);
  std::vector<std::vector<double>> outputs(graph.outputs.size());
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    const isa::Buffer& buffer = program.buffers[b];
    if (buffer.role != isa::BufferRole::kInput) continue;
    const Tensor& tensor = inputs[static_cast<size_t>(buffer.index)];
    numerics::convert(tensor.type.format, tensor.data, isa::host_cell(buffer.format),
                      machine.hbm_data(static_cast<isa::BufferId>(b)),
                      static_cast<size_t>(tensor.type.elements()));
  }
  THORONG_RETURN_IF_ERROR(machine.run(program));
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    const isa::Buffer& buffer = program.buffers[b];
    if (buffer.role != isa::BufferRole::kOutput) continue;
    const ValueId value = graph.outputs[static_cast<size_t>(buffer.index)];
    std::vector<double> values;
    const auto n = static_cast<size_t>(graph.type(value).elements());
    for (size_t i = 0; i < n; ++i) {
      values.push_back(
          numerics::load_as_double(isa::host_cell(buffer.format),
                                   machine.hbm_data(static_cast<isa::BufferId>(b)), i));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (graph.outputs[i] == value) outputs[i] = values;
    }
  }
  return outputs;
}

// ---- Random graphs ----

double largest_of(const Tensor& tensor) {
  double largest = 0;
  for (double x : tensor.to_doubles()) largest = std::max(largest, std::fabs(x));
  return largest;
}

// Grows a graph node by node and keeps the reference's value of each, so that magnitudes stay in a
// range where rounding errors stay small.
class RandomGraph {
 public:
  // scale: how much larger than small the tensors may be.
  RandomGraph(uint64_t seed, Format format, int64_t scale)
      : random_(seed), format_(format), scale_(scale) {
    const int64_t count = pick(1, 3);
    for (int64_t i = 0; i < count; ++i) add_input(random_shape(i == 0 ? 2 : pick(0, 4)));
    const int64_t nodes = pick(1, 9);
    for (int64_t i = 0, attempts = 0; i < nodes && attempts < 60; ++attempts) i += grow() ? 1 : 0;
    choose_outputs();
  }

  Graph graph;
  std::vector<Tensor> inputs;
  std::map<ValueId, Tensor> values;  // by reference

 private:
  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int64_t percent) { return pick(1, 100) <= percent; }

  int64_t dimension() {
    static constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 31};
    if (chance(scale_ > 1 ? 30 : 6)) return pick(60, 300 * scale_);  // crosses blocks of partitions
    return kSizes[pick(0, 11)];
  }
  Shape random_shape(int64_t rank) {
    const int64_t most = 20000 * scale_;
    Shape shape;
    int64_t elements = 1;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t size = std::min(dimension(), std::max<int64_t>(1, most / elements));
      shape.push_back(size);
      elements *= size;
    }
    return shape;
  }
  Tensor random_tensor(const Shape& shape, double scale = 1) {
    std::vector<double> numbers(static_cast<size_t>(ops::element_count(shape)));
    for (double& x : numbers) x = scale * static_cast<double>(pick(-4000, 4000)) / 2000;
    return Tensor::from_doubles({format_, shape}, numbers);
  }
  ValueId add_input(const Shape& shape) {
    const ValueId v = graph.add_input("input" + std::to_string(inputs.size()), {format_, shape});
    inputs.push_back(random_tensor(shape));
    values[v] = inputs.back();
    pool_.push_back(v);
    return v;
  }
  ValueId constant(const Shape& shape, double scale = 1) {
    const ValueId v =
        graph.add_constant("c" + std::to_string(graph.values.size()), random_tensor(shape, scale));
    values[v] = graph.value(v).constant;
    return v;
  }
  Shape shape_of(ValueId v) const { return graph.type(v).shape; }

  // Adds a node and its value; the value is kept for later nodes when it is tame.
  ValueId add(const std::string& op, const std::vector<ValueId>& operands,
              std::initializer_list<std::pair<const char*, ops::Attribute>> attributes = {}) {
    const size_t nodes = graph.nodes.size();
    auto made = graph.add1(op, operands, make_attributes(attributes), "n" + std::to_string(nodes));
    EXPECT_TRUE(made.ok()) << made.status().to_string() << "\n" << ops::to_text(graph);
    if (!made.ok()) return kNoValue;
    const ValueId v = *made;
    if (graph.is_constant(v)) {
      values[v] = graph.value(v).constant;
      return v;
    }
    std::vector<Tensor> tensors;
    for (ValueId operand : operands) tensors.push_back(operand < 0 ? Tensor{} : values[operand]);
    auto result = ops::evaluate_node(graph, graph.nodes.back(), tensors);
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    values[v] = (*result)[0];
    return v;
  }
  bool keep(ValueId v) {
    if (v < 0) return false;
    if (graph.type(v).format == format_ && !graph.is_constant(v)) {
      const double largest = largest_of(values[v]);
      if (!(largest < 300)) v = add("tanh", {v});
    }
    if (!graph.is_constant(v)) pool_.push_back(v);
    return true;
  }
  ValueId any() {
    // Recent values more often, so that graphs become deep.
    if (chance(60)) return pool_.back();
    return pool_[static_cast<size_t>(pick(0, static_cast<int64_t>(pool_.size()) - 1))];
  }
  ValueId any_of_rank(int64_t least, int64_t most) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      const ValueId v = any();
      const auto rank = static_cast<int64_t>(shape_of(v).size());
      if (rank >= least && rank <= most && graph.type(v).elements() > 0) return v;
    }
    return kNoValue;
  }

  bool grow() {
    switch (pick(0, 23)) {
      case 0:
      case 1: return unary();
      case 2:
      case 3:
      case 4: return binary();
      case 5: return reshape();
      case 6: return transpose();
      case 7: return slice();
      case 8: return broadcast();
      case 9: return concatenate();
      case 10: return pad();
      case 11: return reduce();
      case 12: return normalise();
      case 13:
      case 14: return dot_general();
      case 15:
      case 16:
      case 17: return convolution();
      case 18: return reduce_window();
      case 19: return take();
      case 20: return select();
      case 21: return chance(50) ? clamp() : composite();
      case 22: return heads();
      default: return reference_only();
    }
  }

  bool unary() {
    static constexpr const char* kNames[] = {"tanh",   "relu", "negate", "abs",  "logistic",
                                             "square", "gelu", "silu",   "sqrt", "exponential"};
    const std::string name = kNames[pick(0, 9)];
    ValueId x = any();
    if (name == "sqrt") x = add("abs", {x});
    if (name == "exponential") x = add("tanh", {x});
    return keep(add(name, {x}));
  }

  // An operand of that shape: a value of it, a constant, or something smaller that is broadcast.
  ValueId operand_like(ValueId x) {
    const Shape shape = shape_of(x);
    for (ValueId v : pool_) {
      if (v != x && shape_of(v) == shape && chance(50)) return v;
    }
    const int64_t kind = pick(0, 3);
    if (kind == 0) return constant(shape);
    const bool known = kind == 1;
    Shape small;
    Indices dimensions;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (chance(50)) continue;
      small.push_back(chance(80) ? shape[d] : 1);
      dimensions.push_back(static_cast<int64_t>(d));
    }
    ValueId source = known ? constant(small) : kNoValue;
    for (ValueId v : pool_) {
      if (source < 0 && shape_of(v) == small) source = v;
    }
    if (source < 0) source = chance(50) ? add_input(small) : constant(small);
    return add("broadcast_in_dim", {source},
               {{"shape", shape}, {"broadcast_dimensions", dimensions}});
  }
  bool binary() {
    static constexpr const char* kNames[] = {"add", "subtract", "multiply", "maximum", "minimum"};
    const ValueId x = any();
    const ValueId y = operand_like(x);
    if (y < 0) return false;
    const std::string name = kNames[pick(0, 4)];
    return keep(chance(70) ? add(name, {x, y}) : add(name, {y, x}));
  }
  bool select() {
    static constexpr const char* kDirections[] = {"EQ", "NE", "LT", "LE", "GT", "GE"};
    // On inputs only: their values are exact, so no comparison can turn.
    const ValueId x = graph.inputs[static_cast<size_t>(pick(0, graph_inputs() - 1))];
    if (graph.type(x).format != format_) return false;
    const ValueId half = constant(shape_of(x));
    const ValueId predicate =
        add("compare", {x, half}, {{"direction", std::string(kDirections[pick(0, 5)])}});
    const ValueId other = operand_like(x);
    if (other < 0) return false;
    return keep(add("select", {predicate, x, other}));
  }
  int64_t graph_inputs() const { return static_cast<int64_t>(graph.inputs.size()); }

  bool clamp() {
    const ValueId x = any();
    const Tensor low = Tensor::from_doubles({format_, {}}, {-0.75});
    const Tensor high = Tensor::from_doubles({format_, {}}, {1.25});
    const ValueId a = graph.add_constant("low", low), b = graph.add_constant("high", high);
    values[a] = low, values[b] = high;
    return keep(add("clamp", {a, x, b}));
  }
  bool composite() {
    static constexpr const char* kNames[] = {"leaky_relu", "elu", "hard_sigmoid", "hard_swish"};
    return keep(add(kNames[pick(0, 3)], {any()}));
  }
  bool reference_only() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    if (chance(50)) return keep(add("reverse", {x}, {{"dimensions", Indices{0}}}));
    return keep(add("cumsum", {x}, {{"axis", int64_t{0}}}));
  }

  bool reshape() {
    const ValueId x = any();
    int64_t left = graph.type(x).elements();
    Shape shape;
    const int64_t rank = pick(1, 5);
    for (int64_t d = 0; d + 1 < rank; ++d) {
      Indices divisors;
      for (int64_t n = 1; n <= std::min<int64_t>(left, 64); ++n) {
        if (left % n == 0) divisors.push_back(n);
      }
      const auto at = static_cast<size_t>(pick(0, static_cast<int64_t>(divisors.size()) - 1));
      shape.push_back(divisors[at]);
      left /= divisors[at];
    }
    shape.insert(shape.begin() + pick(0, static_cast<int64_t>(shape.size())), left);
    return keep(add("reshape", {x}, {{"shape", shape}}));
  }
  bool transpose() {
    const ValueId x = any();
    Indices permutation;
    for (size_t d = 0; d < shape_of(x).size(); ++d) permutation.push_back(static_cast<int64_t>(d));
    for (size_t d = permutation.size(); d-- > 1;) {
      std::swap(permutation[d], permutation[static_cast<size_t>(pick(0, static_cast<int64_t>(d)))]);
    }
    return keep(add("transpose", {x}, {{"permutation", permutation}}));
  }
  ValueId sliced(ValueId x) {
    Indices start, limit, stride;
    for (int64_t size : shape_of(x)) {
      const int64_t a = pick(0, size - 1);
      start.push_back(chance(50) ? 0 : a);
      limit.push_back(chance(50) ? size : pick(start.back() + 1, size));
      stride.push_back(chance(75) ? 1 : pick(1, 3));
    }
    return add("slice", {x},
               {{"start_indices", start}, {"limit_indices", limit}, {"strides", stride}});
  }
  bool slice() {
    const ValueId x = any();
    if (graph.type(x).elements() == 0) return false;
    return keep(sliced(x));
  }
  bool broadcast() {
    const ValueId x = any_of_rank(0, 3);
    if (x < 0 || graph.type(x).elements() > 2000) return false;
    Shape shape;
    Indices dimensions;
    const Shape small = shape_of(x);
    for (size_t d = 0; d <= small.size(); ++d) {
      if (chance(25)) shape.push_back(pick(1, 4));
      if (d == small.size()) break;
      dimensions.push_back(static_cast<int64_t>(shape.size()));
      shape.push_back(small[d] == 1 && chance(50) ? pick(2, 6) : small[d]);
    }
    return keep(add("broadcast_in_dim", {x},
                    {{"shape", shape}, {"broadcast_dimensions", dimensions}}));
  }
  bool concatenate() {
    const ValueId x = any_of_rank(1, 5);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    const auto d = static_cast<size_t>(pick(0, static_cast<int64_t>(shape.size()) - 1));
    std::vector<ValueId> parts{x};
    for (int64_t i = pick(1, 2); i > 0; --i) {
      Shape other = shape;
      other[d] = pick(1, 9);
      ValueId part = kNoValue;
      for (ValueId v : pool_) {
        Shape same = shape_of(v);
        if (same.size() != shape.size()) continue;
        same[d] = shape[d];
        if (same == shape && chance(60)) part = v;
      }
      if (part < 0) part = constant(other);
      parts.insert(parts.begin() + pick(0, static_cast<int64_t>(parts.size())), part);
    }
    return keep(add("concatenate", parts, {{"dimension", static_cast<int64_t>(d)}}));
  }
  bool pad() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    Indices low, high, interior;
    const bool spread = chance(30);
    for (int64_t size : shape_of(x)) {
      const bool negative = !spread && size > 4 && chance(20);
      low.push_back(negative ? pick(-2, 2) : pick(0, 3) * (chance(50) ? 1 : 0));
      high.push_back(negative ? pick(-2, 2) : pick(0, 3) * (chance(50) ? 1 : 0));
      interior.push_back(spread && chance(50) ? pick(1, 2) : 0);
    }
    return keep(add("pad", {x, constant({})},
                    {{"low", low}, {"high", high}, {"interior", interior}}));
  }
  bool reduce() {
    static constexpr const char* kFunctions[] = {"add", "maximum", "minimum"};
    const ValueId x = any_of_rank(1, 5);
    if (x < 0) return false;
    Indices dimensions;
    for (size_t d = 0; d < shape_of(x).size(); ++d) {
      if (chance(40)) dimensions.push_back(static_cast<int64_t>(d));
    }
    if (dimensions.empty()) dimensions.push_back(0);
    return keep(add("reduce", {x}, {{"dimensions", dimensions},
                                    {"function", std::string(kFunctions[pick(0, 2)])}}));
  }
  bool normalise() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    const auto rank = static_cast<int64_t>(shape_of(x).size());
    const int64_t axis = chance(75) ? -1 : pick(-rank, rank - 1);
    if (chance(50)) return keep(add("softmax", {x}, {{"axis", axis}}));
    const Shape shape = shape_of(x);
    const int64_t from = axis < 0 ? axis + rank : axis;
    const Shape tail(shape.begin() + from, shape.end());
    std::vector<ValueId> operands{x};
    if (chance(70)) operands.push_back(chance(70) ? constant(tail) : add_input(tail));
    if (operands.size() == 2 && chance(70)) operands.push_back(constant(tail));
    return keep(add("layer_norm", operands, {{"axis", axis}, {"epsilon", 1e-2}}));
  }

  bool dot_general() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    const auto rank = static_cast<int64_t>(shape.size());
    Indices roles;  // of x's dimensions: 0 free, 1 contracting, 2 batching
    int64_t depth = 1, rows = 1;
    for (int64_t d = 0; d < rank; ++d) roles.push_back(chance(25) ? 2 : 0);
    roles[static_cast<size_t>(pick(0, rank - 1))] = 1;
    if (chance(15)) roles[static_cast<size_t>(pick(0, rank - 1))] = 1;
    // The other side has the batching and contracting dimensions in some order, and free ones.
    struct Dimension {
      int64_t role, size, pair;
    };
    std::vector<Dimension> other;
    for (int64_t d = 0; d < rank; ++d) {
      const auto role = roles[static_cast<size_t>(d)];
      const int64_t size = shape[static_cast<size_t>(d)];
      (role == 1 ? depth : rows) *= size;
      if (role != 0) other.push_back({role, size, d});
    }
    for (int64_t i = pick(0, 2); i > 0; --i) {
      const int64_t size = std::min(dimension(), std::max<int64_t>(1, 400000 * scale_ / (rows * depth)));
      other.push_back({0, size, -1});
      rows *= size;
    }
    if (rows > 40000 * scale_ || rows * depth > 4000000 * scale_) return false;
    for (size_t d = other.size(); d-- > 1;) {
      std::swap(other[d], other[static_cast<size_t>(pick(0, static_cast<int64_t>(d)))]);
    }
    Shape other_shape;
    Indices batch, contract, other_batch, other_contract;
    for (size_t d = 0; d < other.size(); ++d) {
      other_shape.push_back(other[d].size);
      if (other[d].role == 0) continue;
      (other[d].role == 1 ? contract : batch).push_back(other[d].pair);
      (other[d].role == 1 ? other_contract : other_batch).push_back(static_cast<int64_t>(d));
    }
    const double scale = 1 / std::sqrt(static_cast<double>(depth));
    const ValueId y = chance(50) ? constant(other_shape, scale) : add_input(other_shape);
    if (chance(50)) {
      return keep(add("dot_general", {x, y},
                      {{"lhs_batching_dimensions", batch},
                       {"rhs_batching_dimensions", other_batch},
                       {"lhs_contracting_dimensions", contract},
                       {"rhs_contracting_dimensions", other_contract}}));
    }
    return keep(add("dot_general", {y, x},
                    {{"lhs_batching_dimensions", other_batch},
                     {"rhs_batching_dimensions", batch},
                     {"lhs_contracting_dimensions", other_contract},
                     {"rhs_contracting_dimensions", contract}}));
  }

  // Scores of attention heads that lie side by side in the innermost dimension.
  bool heads() {
    const int64_t rows = chance(30) ? pick(100, 150) : pick(1, 20);
    const int64_t depth = 32 * pick(1, 2), count = pick(2, 4), width = depth * count;
    const ValueId x = add_input({rows, 24});
    const auto project = [&] {
      ValueId v = add("dot_general", {x, constant({24, width}, 0.2)},
                      {{"lhs_contracting_dimensions", Indices{1}},
                       {"rhs_contracting_dimensions", Indices{0}}});
      if (chance(50)) v = add("relu", {v});
      v = add("reshape", {v}, {{"shape", Shape{rows, count, depth}}});
      if (chance(20)) v = sliced(v);
      return add("transpose", {v}, {{"permutation", Indices{1, 0, 2}}});
    };
    const ValueId a = project();
    pool_.push_back(a);
    const ValueId b = project();
    if (shape_of(a)[0] != shape_of(b)[0] || shape_of(a)[2] != shape_of(b)[2]) return keep(b);
    const ValueId scores = add("dot_general", {a, b},
                               {{"lhs_batching_dimensions", Indices{0}},
                                {"rhs_batching_dimensions", Indices{0}},
                                {"lhs_contracting_dimensions", Indices{2}},
                                {"rhs_contracting_dimensions", Indices{2}}});
    pool_.push_back(b);
    return keep(chance(50) ? add("softmax", {scores}, {{"axis", int64_t{-1}}}) : scores);
  }

  // A value of rank 3 to 5 with few enough elements, else a new input.
  ValueId image() {
    const ValueId x = any_of_rank(3, 5);
    if (x >= 0 && chance(70)) return x;
    const int64_t spatial = chance(20) ? 1 : chance(90) ? 2 : 3;
    Shape shape{pick(1, 3), chance(20) ? pick(1, 160 * scale_) : pick(1, 12)};
    for (int64_t d = 0; d < spatial; ++d) shape.push_back(pick(1, (spatial == 1 ? 60 : 14) * scale_));
    return add_input(shape);
  }
  bool convolution() {
    const ValueId x = image();
    const Shape shape = shape_of(x);
    const int64_t channels = shape[1];
    int64_t groups = 1, outputs = chance(20) ? pick(100, 290 * scale_) : pick(1, 12);
    if (chance(40)) {
      Indices divisors;
      for (int64_t n = 1; n <= channels; ++n) {
        if (channels % n == 0) divisors.push_back(n);
      }
      groups = divisors[static_cast<size_t>(pick(0, static_cast<int64_t>(divisors.size()) - 1))];
      if (chance(50)) groups = channels;  // depthwise where outputs == channels
      outputs = groups * pick(1, 3);
    }
    Shape window{outputs, channels / groups};
    Indices strides, low, high, rhs_dilation, lhs_dilation;
    int64_t work = outputs * channels / groups * shape[0];
    for (size_t d = 2; d < shape.size(); ++d) {
      lhs_dilation.push_back(chance(8) ? 2 : 1);
      rhs_dilation.push_back(chance(25) ? pick(1, 3) : 1);
      low.push_back(chance(50) ? 0 : pick(0, 3));
      high.push_back(chance(50) ? 0 : pick(0, 3));
      strides.push_back(chance(60) ? 1 : pick(1, 3));
      const int64_t input = (shape[d] - 1) * lhs_dilation.back() + 1 + low.back() + high.back();
      int64_t k = pick(1, 4);
      while (k > 1 && (k - 1) * rhs_dilation.back() + 1 > input) --k;
      window.push_back(k);
      work *= k * input / strides.back() + 1;
    }
    if (work > 1500000 * scale_) return false;
    return keep(add("convolution",
                    {x, constant(window, 1 / std::sqrt(static_cast<double>(channels / groups)))},
                    {{"strides", strides},
                     {"padding_low", low},
                     {"padding_high", high},
                     {"lhs_dilation", lhs_dilation},
                     {"rhs_dilation", rhs_dilation},
                     {"feature_group_count", groups}}));
  }
  bool reduce_window() {
    static constexpr const char* kFunctions[] = {"add", "maximum", "minimum"};
    const ValueId x = image();
    const Shape shape = shape_of(x);
    Indices window, strides, dilations, low, high;
    for (size_t d = 0; d < shape.size(); ++d) {
      const bool windowed = d >= 2 || chance(4);
      dilations.push_back(windowed && chance(15) ? 2 : 1);
      int64_t k = windowed ? pick(1, 3) : 1;
      while (k > 1 && (k - 1) * dilations.back() + 1 > shape[d]) --k;
      window.push_back(k);
      strides.push_back(windowed ? pick(1, 3) : 1);
      low.push_back(windowed && k > 1 && chance(40) ? pick(1, k - 1) : 0);
      high.push_back(windowed && k > 1 && chance(40) ? pick(1, k - 1) : 0);
    }
    return keep(add("reduce_window", {x},
                    {{"function", std::string(kFunctions[pick(0, 2)])},
                     {"window_dimensions", window},
                     {"window_strides", strides},
                     {"window_dilations", dilations},
                     {"padding_low", low},
                     {"padding_high", high}}));
  }
  bool take() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    const bool known = chance(60);
    const int64_t axis = known ? pick(0, static_cast<int64_t>(shape.size()) - 1) : 0;
    const int64_t size = shape[static_cast<size_t>(axis)];
    Shape index_shape;
    if (chance(90)) index_shape.push_back(pick(1, 20));
    if (!index_shape.empty() && !known && chance(50)) index_shape.push_back(pick(1, 6));
    Indices numbers;
    const bool regular = chance(50);
    for (int64_t i = 0; i < ops::element_count(index_shape); ++i) {
      numbers.push_back(regular ? (i / 2) % size : pick(-size, size - 1));
    }
    std::vector<double> as_doubles(numbers.begin(), numbers.end());
    const Tensor index = Tensor::from_doubles({Format::kInt64, index_shape}, as_doubles);
    ValueId v = kNoValue;
    if (known) {
      v = graph.add_constant("index", index);
    } else {
      v = graph.add_input("index" + std::to_string(inputs.size()), index.type);
      inputs.push_back(index);
    }
    values[v] = index;
    return keep(add("take", {x, v}, {{"axis", axis}}));
  }

  void choose_outputs() {
    std::vector<bool> read(graph.values.size());
    for (const ops::Node& node : graph.nodes) {
      for (ValueId v : node.inputs) {
        if (v >= 0) read[static_cast<size_t>(v)] = true;
      }
    }
    for (ValueId v : pool_) {
      const bool is_input = graph.value(v).producer < 0;
      if (is_input ? chance(3) : (!read[static_cast<size_t>(v)] || chance(12))) {
        graph.outputs.push_back(v);
      }
    }
    if (graph.outputs.empty()) graph.outputs.push_back(pool_.back());
    if (chance(4)) graph.outputs.push_back(graph.outputs[0]);
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      graph.output_names.push_back("out" + std::to_string(i));
    }
  }

  std::mt19937_64 random_;
  Format format_;
  int64_t scale_;
  std::vector<ValueId> pool_;  // values that nodes may read
};

// ---- The property ----

// Empty where the machine's outputs are the reference's within the tolerance, else what differs.
std::string difference(const RandomGraph& made, const Graph& graph,
                       const isa::CoreParameters& core, double tolerance) {
  const auto guarded = [&]() -> Result<std::vector<std::vector<double>>> {
    try {
      return run_on(core, graph, made.inputs);
    } catch (const std::runtime_error& error) {
      return internal_error(error.what());
    }
  };
  auto outputs = guarded();
  if (!outputs.ok()) return outputs.status().to_string();
  // Rounding errors are relative to what was added up, which may have cancelled out.
  double through = 0;
  for (const ops::Node& node : graph.nodes) {
    for (ValueId v : node.outputs) through = std::max(through, largest_of(made.values.at(v)));
  }
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const Tensor& expected = made.values.at(graph.outputs[k]);
    const std::vector<double> reference = expected.to_doubles(), &actual = (*outputs)[k];
    if (actual.size() != reference.size()) return "output " + std::to_string(k) + " is missing";
    const double bound = tolerance * (largest_of(expected) + 0.2 * through + 1e-6);
    for (size_t i = 0; i < reference.size(); ++i) {
      if (std::fabs(actual[i] - reference[i]) <= bound || actual[i] == reference[i]) continue;
      return "output " + std::to_string(k) + " element " + std::to_string(i) + " of " +
             ops::to_string(expected.type.shape) + " is " + std::to_string(actual[i]) + " not " +
             std::to_string(reference[i]);
    }
  }
  return "";
}

Graph with_outputs(const Graph& graph, const std::vector<ValueId>& outputs) {
  Graph part = graph;
  part.outputs = outputs;
  part.output_names.clear();
  for (size_t i = 0; i < outputs.size(); ++i) {
    part.output_names.push_back("out" + std::to_string(i));
  }
  ops::remove_dead_nodes(part);
  return part;
}

// The first single value that is wrong when it is the only output, else the whole graph.
std::string shortest_failure(const RandomGraph& made, const isa::CoreParameters& core,
                             double tolerance) {
  for (const ops::Node& node : made.graph.nodes) {
    const Graph part = with_outputs(made.graph, {node.outputs[0]});
    const std::string problem = difference(made, part, core, tolerance);
    if (!problem.empty()) return problem + "\nalone in:\n" + ops::to_text(part);
  }
  return "only in the whole graph:\n" + ops::to_text(made.graph);
}

int environment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::atoi(text);
}

void check_random_graphs(const TestChip& chip, Format format, int first, int count,
                         double tolerance, int64_t scale = 1) {
  const isa::CoreParameters& core = core_of(chip);
  const int only = environment("THORONG_TEST_SEED", -1);
  count = environment("THORONG_TEST_GRAPHS", count);
  const int most_failures = environment("THORONG_TEST_FAILURES", 3);
  // A check that fails is one graph's failure, not the end of the test.
  set_check_handler([](const std::string& text) { throw std::runtime_error(text); });
  int failures = 0;
  for (int seed = first; seed < first + count && failures < most_failures; ++seed) {
    if (only >= 0 && seed != only) continue;
    const RandomGraph made(static_cast<uint64_t>(seed), format, scale);
    const std::string problem = difference(made, made.graph, core, tolerance);
    if (problem.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << " on " << chip.name << ": " << problem << "\n"
                  << shortest_failure(made, core, tolerance);
  }
  set_check_handler(nullptr);
}

TEST(EndToEnd, RandomGraphsOnTrainium1) {
  check_random_graphs(kChips[0], Format::kFloat32, 0, 100, 1e-4);
}
TEST(EndToEnd, RandomGraphsOn64Partitions) {
  check_random_graphs(kChips[1], Format::kFloat32, 100000, 70, 1e-4);
}
TEST(EndToEnd, RandomGraphsOn256Partitions) {
  check_random_graphs(kChips[2], Format::kFloat32, 200000, 60, 1e-4);
}
TEST(EndToEnd, RandomGraphsThatSpill) {
  check_random_graphs(kChips[3], Format::kFloat32, 300000, 70, 1e-4);
}
TEST(EndToEnd, LargerRandomGraphs) {
  check_random_graphs(kChips[0], Format::kFloat32, 500000, 6, 1e-4, 5);
}
TEST(EndToEnd, RandomGraphsInBfloat16) {
  check_random_graphs(kChips[0], Format::kBfloat16, 400000, 30, 4e-2);
}

}  // namespace
}  // namespace thorong::compiler
