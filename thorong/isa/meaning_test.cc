// SPDX-License-Identifier: Apache-2.0
// Every instruction's meaning against one plain loop over elements, bit by bit: random tiles with
// strided patterns at random places, formats of 32, 16 and 8 bits, both roundings. A table holds
// one case per instruction, and a test holds the table to instruction_table(). Worked examples:
// instructions/*.test (instructions_test.cc). Costs: cost_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/numerics/testing.h"

namespace thorong::isa {
namespace {

using numerics::BinaryFunction;
using numerics::Rounding;
using numerics::RoundingMode;
using numerics::UnaryFunction;
using Shape = std::vector<int32_t>;

constexpr int32_t kPartitions = 16;

// Memories of a few tiles, each a buffer of its own.
class TestMachine final : public MachineState {
 public:
  explicit TestMachine(uint64_t seed)
      : MachineState(kPartitions), random(seed), pool_(2), scratch_(8) {}

  HostBuffer host_buffer(BufferId id) const override { return buffers_[static_cast<size_t>(id)]; }
  void bind(BufferId id, const std::byte* data, int64_t stride) override {
    buffers_[static_cast<size_t>(id)] = {const_cast<std::byte*>(data), stride};
  }
  Rounding rounding() const override { return round; }
  const ThreadPool& pool() const override { return pool_; }
  void fault(const Instruction&, std::string message) override { faults.push_back(message); }
  float* scratch(int slot, size_t n) override {
    auto& memory = scratch_[static_cast<size_t>(slot)];
    if (memory.size() < n) memory.resize(n);
    return memory.data();
  }

  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  }

  // A buffer with a pattern of that shape: dimensions nest in a random order with gaps between, so
  // that elements are distinct; or dense. Every cell holds a random value of the format.
  AccessPattern tile(Format format, int32_t partitions, const Shape& shape,
                     Space space = Space::kSbuf) {
    AccessPattern ap;
    ap.format = format;
    ap.partitions = partitions;
    ap.rank = static_cast<uint8_t>(shape.size());
    std::vector<size_t> order;
    for (size_t d = 0; d < shape.size(); ++d) ap.size[d] = shape[d], order.push_back(d);
    const bool dense = pick(0, 2) == 0;
    if (!dense) std::shuffle(order.begin(), order.end(), random);
    int64_t step = dense ? 1 : pick(1, 3);
    for (size_t k = order.size(); k-- > 0;) {
      ap.step[order[k]] = step;
      step = step * shape[order[k]] + (dense ? 0 : pick(0, 2));
    }
    ap.offset = pick(0, 5);
    int64_t elements = ap.offset + step + 4;
    if (space == Space::kHbm) {
      ap.partition_step = step;
      elements += step * partitions;
    } else {
      ap.start_partition = static_cast<int32_t>(pick(0, kPartitions - partitions));
    }
    ap.buffer = add_buffer(format, space, elements);
    return ap;
  }
  BufferId add_buffer(Format format, Space space, int64_t elements) {
    Buffer buffer;
    buffer.space = space;
    buffer.format = format;
    buffer.partitions = kPartitions;
    buffer.row_bytes = elements * static_cast<int64_t>(numerics::byte_size(format));
    program.buffers.push_back(buffer);
    const Format cell = host_cell(format);
    const auto cell_bytes = static_cast<int64_t>(numerics::byte_size(cell));
    const int64_t row = elements * cell_bytes + 64;
    const int64_t rows = space == Space::kHbm ? 1 : kPartitions;
    memory_.emplace_back(static_cast<size_t>(row * rows / 4 + 16));
    auto* data = reinterpret_cast<std::byte*>(memory_.back().data());
    buffers_.push_back({data, space == Space::kHbm ? 0 : row});
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < elements; ++i) {
        const auto value = static_cast<float>(pick(-3000, 3000)) / 1000;
        std::byte narrow[8];
        numerics::narrow(format, &value, narrow, 1);
        numerics::convert(format, narrow, cell, data + r * row + i * cell_bytes, 1);
      }
    }
    return static_cast<BufferId>(program.buffers.size()) - 1;
  }

  // The cell of element i of partition p.
  std::byte* cell(const AccessPattern& ap, int64_t p, int64_t i) const {
    const Buffer& buffer = program.buffer(ap);
    const HostBuffer host = host_buffer(ap.buffer);
    int64_t at = ap.offset;
    for (size_t d = ap.rank; d-- > 0;) {
      at += i % ap.size[d] * ap.step[d];
      i /= ap.size[d];
    }
    int64_t row = 0;
    if (buffer.space == Space::kHbm)
      at += p * ap.partition_step;
    else if (ap.partition_step == kRepeatRow)
      row = ap.start_partition;
    else
      row = ap.start_partition + p;
    const auto bytes = static_cast<int64_t>(numerics::byte_size(host_cell(ap.format)));
    return host.data + row * host.row_stride_bytes + at * bytes;
  }
  float get(const AccessPattern& ap, int64_t p, int64_t i) const {
    float value = 0;
    numerics::widen(host_cell(ap.format), cell(ap, p, i), &value, 1);
    return value;
  }
  void set(const AccessPattern& ap, int64_t p, int64_t i, float value) {
    numerics::narrow(host_cell(ap.format), &value, cell(ap, p, i), 1);
  }
  // All bytes of a buffer: what an instruction must leave alone is compared too.
  std::vector<float> image(BufferId id) const { return memory_[static_cast<size_t>(id)]; }

  void execute(Opcode opcode, const std::vector<AccessPattern>& operands,
               Instruction instruction = {}) {
    instruction.opcode = static_cast<uint16_t>(opcode);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (operands[i].buffer < 0) continue;
      instruction.operands[i] = static_cast<int32_t>(program.patterns.size());
      program.patterns.push_back(operands[i]);
    }
    for (share.index = share.count; share.index-- > 0;)
      spec(instruction.opcode).execute(*this, program, instruction);
  }
  Part part() const override { return share; }

  Part share;  // count: the instruction is asked for in so many parts, the last first
  std::mt19937_64 random;
  Program program;
  Rounding round;
  std::vector<std::string> faults;

 private:
  ThreadPool pool_;
  std::vector<std::vector<float>> scratch_;
  std::vector<std::vector<float>> memory_;
  std::vector<HostBuffer> buffers_;
};

// The value that `value` becomes as element i of the partition p of a destination.
float rounded(const TestMachine& machine, const AccessPattern& out, int64_t p, int64_t i,
              float value, bool stochastic = true) {
  Rounding round = stochastic ? machine.round : Rounding{};
  round.first_element = static_cast<uint64_t>(p * out.free_elements() + i);
  std::byte narrow[8];
  numerics::narrow(out.format, &value, narrow, 1, round);
  numerics::widen(out.format, narrow, &value, 1);
  return value;
}

using Element = std::function<float(int64_t p, int64_t i)>;

// Runs the instruction and compares every element of `out` with the loop's, the rest of its buffer
// with what was there.
void check(TestMachine& machine, Opcode opcode, const std::vector<AccessPattern>& operands,
           const Instruction& instruction, const Element& expected) {
  const AccessPattern& out = operands[0];
  std::vector<float> values;
  for (int64_t p = 0; p < out.partitions; ++p) {
    for (int64_t i = 0; i < out.free_elements(); ++i) values.push_back(expected(p, i));
  }
  TestMachine& m = machine;
  const std::vector<float> before = m.image(out.buffer);
  m.execute(opcode, operands, instruction);
  ASSERT_TRUE(m.faults.empty()) << m.faults[0];
  size_t k = 0;
  for (int64_t p = 0; p < out.partitions; ++p) {
    for (int64_t i = 0; i < out.free_elements(); ++i, ++k) {
      const float actual = m.get(out, p, i);
      ASSERT_TRUE(std::bit_cast<uint32_t>(actual) == std::bit_cast<uint32_t>(values[k]) ||
                  (std::isnan(actual) && std::isnan(values[k])))
          << spec(static_cast<uint16_t>(opcode)).mnemonic << " to " << numerics::name(out.format)
          << ", partition " << p << ", element " << i << ": " << actual << ", not " << values[k];
    }
  }
  // No more words may differ than the destination has.
  const size_t words = std::max<size_t>(1, numerics::byte_size(host_cell(out.format)) / 4);
  const std::vector<float> after = m.image(out.buffer);
  size_t changed = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    changed += std::bit_cast<uint32_t>(before[i]) != std::bit_cast<uint32_t>(after[i]);
  }
  EXPECT_LE(changed, values.size() * words) << "cells beside the destination changed";
}

float unary(UnaryFunction f, float x) {
  numerics::apply(f, &x, &x, 1);
  return x;
}
float binary(BinaryFunction f, float a, float b) {
  float out = 0;
  numerics::apply(f, &a, &b, &out, 1);
  return out;
}

constexpr Format kFormats[] = {Format::kFloat32,      Format::kBfloat16,   Format::kFloat16,
                               Format::kFloat8E4m3fn, Format::kFloat8E5m2, Format::kTfloat32};
constexpr BinaryFunction kBinary[] = {BinaryFunction::kAdd,      BinaryFunction::kSubtract,
                                      BinaryFunction::kMultiply, BinaryFunction::kDivide,
                                      BinaryFunction::kMaximum,  BinaryFunction::kLt};
constexpr UnaryFunction kUnary[] = {UnaryFunction::kCopy, UnaryFunction::kExp, UnaryFunction::kTanh,
                                    UnaryFunction::kRelu, UnaryFunction::kGelu};

Format any_format(TestMachine& m) { return kFormats[m.pick(0, 5)]; }
BinaryFunction any_binary(TestMachine& m) { return kBinary[m.pick(0, 5)]; }
int32_t any_partitions(TestMachine& m) { return static_cast<int32_t>(m.pick(1, kPartitions)); }
Shape any_shape(TestMachine& m) {
  Shape shape;
  for (int64_t d = m.pick(1, 4); d > 0; --d) shape.push_back(static_cast<int32_t>(m.pick(1, 5)));
  if (m.pick(0, 2) == 0) shape.back() = static_cast<int32_t>(m.pick(8, 40));  // lines
  return shape;
}
// An operand for an elementwise instruction; some repeat along a dimension.
AccessPattern any_input(TestMachine& m, int32_t partitions, const Shape& shape) {
  AccessPattern ap = m.tile(any_format(m), partitions, shape);
  if (m.pick(0, 3) == 0) ap.step[static_cast<size_t>(m.pick(0, ap.rank - 1))] = 0;
  return ap;
}

using Case = void (*)(TestMachine&);

void case_tensor_copy(TestMachine& m) {
  const Shape shape = any_shape(m);
  const int32_t P = any_partitions(m);
  const auto out = m.tile(any_format(m), P, shape), in = any_input(m, P, shape);
  check(m, Opcode::tensor_copy, {out, in}, {},
        [&](int64_t p, int64_t i) { return rounded(m, out, p, i, m.get(in, p, i)); });
}

void case_memset(TestMachine& m) {
  const auto out = m.tile(any_format(m), any_partitions(m), any_shape(m));
  Instruction instruction;
  instruction.immediate0 = 1.2345F;
  check(m, Opcode::memset, {out}, instruction,
        [&](int64_t p, int64_t i) { return rounded(m, out, p, i, 1.2345F, false); });
}

void case_tensor_tensor(TestMachine& m) {
  const Shape shape = any_shape(m);
  const int32_t P = any_partitions(m);
  const auto out = m.tile(any_format(m), P, shape), a = any_input(m, P, shape),
             b = any_input(m, P, shape);
  const BinaryFunction f = any_binary(m);
  Instruction instruction;
  instruction.function0 = static_cast<uint8_t>(f);
  check(m, Opcode::tensor_tensor, {out, a, b}, instruction, [&](int64_t p, int64_t i) {
    return rounded(m, out, p, i, binary(f, m.get(a, p, i), m.get(b, p, i)));
  });
}

void case_tensor_scalar(TestMachine& m) {
  const Shape shape = any_shape(m);
  const int32_t P = any_partitions(m);
  const auto out = m.tile(any_format(m), P, shape), in = any_input(m, P, shape);
  AccessPattern s0, s1;
  if (m.pick(0, 1) == 1) s0 = m.tile(any_format(m), P, {1});
  if (m.pick(0, 1) == 1) s1 = m.tile(any_format(m), P, {1});
  const BinaryFunction f0 = any_binary(m), f1 = any_binary(m);
  Instruction instruction;
  instruction.function0 = static_cast<uint8_t>(f0);
  instruction.function1 = static_cast<uint8_t>(f1);
  instruction.immediate0 = 1.5F, instruction.immediate1 = -0.3F;
  const bool two = m.pick(0, 1) == 1, r0 = m.pick(0, 1) == 1, r1 = m.pick(0, 1) == 1;
  instruction.flags =
      static_cast<uint16_t>((two ? kHasOp1 : 0) | (r0 ? kReverse0 : 0) | (r1 ? kReverse1 : 0));
  check(m, Opcode::tensor_scalar, {out, in, s0, s1}, instruction, [&](int64_t p, int64_t i) {
    const float a = s0.buffer < 0 ? 1.5F : m.get(s0, p, 0);
    const float b = s1.buffer < 0 ? -0.3F : m.get(s1, p, 0);
    float x = m.get(in, p, i);
    x = r0 ? binary(f0, a, x) : binary(f0, x, a);
    if (two) x = r1 ? binary(f1, b, x) : binary(f1, x, b);
    return rounded(m, out, p, i, x);
  });
}

void case_scalar_tensor_tensor(TestMachine& m) {
  const Shape shape = any_shape(m);
  const int32_t P = any_partitions(m);
  const auto out = m.tile(any_format(m), P, shape), a = any_input(m, P, shape),
             b = any_input(m, P, shape);
  AccessPattern s;
  if (m.pick(0, 1) == 1) s = m.tile(any_format(m), P, {1});
  const BinaryFunction f0 = any_binary(m), f1 = any_binary(m);
  Instruction instruction;
  instruction.function0 = static_cast<uint8_t>(f0);
  instruction.function1 = static_cast<uint8_t>(f1);
  instruction.immediate0 = 0.7F;
  check(m, Opcode::scalar_tensor_tensor, {out, a, s, b}, instruction, [&](int64_t p, int64_t i) {
    const float scalar = s.buffer < 0 ? 0.7F : m.get(s, p, 0);
    const float x = binary(f0, m.get(a, p, i), scalar);
    return rounded(m, out, p, i, binary(f1, x, m.get(b, p, i)));
  });
}

void case_select(TestMachine& m) {
  const Shape shape = any_shape(m);
  const int32_t P = any_partitions(m);
  const auto out = m.tile(any_format(m), P, shape), predicate = m.tile(Format::kBool, P, shape),
             on_true = any_input(m, P, shape), on_false = any_input(m, P, shape);
  check(m, Opcode::select, {out, predicate, on_true, on_false}, {}, [&](int64_t p, int64_t i) {
    const auto& chosen = m.get(predicate, p, i) != 0 ? on_true : on_false;
    return rounded(m, out, p, i, m.get(chosen, p, i));
  });
}

void case_activation(TestMachine& m) {
  const Shape shape = any_shape(m);
  const int32_t P = any_partitions(m);
  const auto out = m.tile(any_format(m), P, shape), in = any_input(m, P, shape);
  AccessPattern bias, scale, sum;
  if (m.pick(0, 1) == 1) bias = m.tile(any_format(m), P, {1});
  if (m.pick(0, 1) == 1) scale = m.tile(any_format(m), P, {1});
  if (m.pick(0, 1) == 1) sum = m.tile(Format::kFloat32, P, {1});
  const UnaryFunction f = kUnary[m.pick(0, 4)];
  Instruction instruction;
  instruction.function0 = static_cast<uint8_t>(f);
  instruction.immediate0 = 0.5F, instruction.immediate1 = 0.25F;
  const Element exact = [&](int64_t p, int64_t i) {
    const float s = scale.buffer < 0 ? 0.5F : m.get(scale, p, 0);
    const float b = bias.buffer < 0 ? 0.25F : m.get(bias, p, 0);
    const float product = m.get(in, p, i) * s;
    return unary(f, product + b);
  };
  check(m, Opcode::activation, {out, in, bias, scale, sum}, instruction,
        [&](int64_t p, int64_t i) { return rounded(m, out, p, i, exact(p, i)); });
  if (sum.buffer < 0) return;
  for (int64_t p = 0; p < P; ++p) {  // of the results before they are rounded
    std::vector<float> row;
    for (int64_t i = 0; i < in.free_elements(); ++i) row.push_back(exact(p, i));
    EXPECT_EQ(m.get(sum, p, 0), numerics::reduce(BinaryFunction::kAdd, row.data(), row.size()));
  }
}

void case_tensor_reduce(TestMachine& m) {
  const Shape kept = {static_cast<int32_t>(m.pick(1, 6))}, inner = any_shape(m);
  Shape shape = kept;
  shape.insert(
      shape.end(), inner.begin(),
      inner.begin() + std::min<std::ptrdiff_t>(3, static_cast<std::ptrdiff_t>(inner.size())));
  const int32_t P = any_partitions(m);
  const auto out = m.tile(any_format(m), P, kept), in = any_input(m, P, shape);
  static constexpr BinaryFunction kFunctions[] = {BinaryFunction::kAdd, BinaryFunction::kMaximum,
                                                  BinaryFunction::kMinimum,
                                                  BinaryFunction::kMultiply};
  const BinaryFunction f = kFunctions[m.pick(0, 3)];
  Instruction instruction;
  instruction.function0 = static_cast<uint8_t>(f);
  const bool negate = m.pick(0, 1) == 1;
  instruction.flags = negate ? kNegate : uint16_t{0};
  check(m, Opcode::tensor_reduce, {out, in}, instruction, [&](int64_t p, int64_t i) {
    const int64_t group = in.free_elements() / kept[0];
    std::vector<float> row;
    for (int64_t k = 0; k < group; ++k) row.push_back(m.get(in, p, i * group + k));
    const float value = numerics::reduce(f, row.data(), row.size());
    return rounded(m, out, p, i, negate ? -value : value);
  });
}

void case_bn_stats(TestMachine& m) {
  const int32_t P = any_partitions(m), n = static_cast<int32_t>(m.pick(1, 40));
  const auto out = m.tile(Format::kFloat32, P, {6}), in = any_input(m, P, {n});
  m.execute(Opcode::bn_stats, {out, in});
  for (int64_t p = 0; p < P; ++p) {
    for (int64_t half = 0; half < 2; ++half) {
      double count = 0, sum = 0, squares = 0;
      for (int64_t i = half; i < n; i += 2) count += 1, sum += static_cast<double>(m.get(in, p, i));
      const double mean = count > 0 ? sum / count : 0;
      for (int64_t i = half; i < n; i += 2) {
        squares += std::pow(static_cast<double>(m.get(in, p, i)) - mean, 2);
      }
      EXPECT_EQ(static_cast<double>(m.get(out, p, half * 3)), count);
      EXPECT_NEAR(static_cast<double>(m.get(out, p, half * 3 + 1)), mean, 1e-5);
      EXPECT_NEAR(static_cast<double>(m.get(out, p, half * 3 + 2)), squares, 1e-4);
    }
  }
}

// Mean and variance of any split of the row are those of the row.
void case_bn_aggr(TestMachine& m) {
  const int32_t P = any_partitions(m), parts = static_cast<int32_t>(m.pick(1, 4));
  const int32_t n = static_cast<int32_t>(m.pick(1, 20)) * parts;
  const auto in = m.tile(Format::kFloat32, P, {n}),
             stats = m.tile(Format::kFloat32, P, {parts * 6}),
             out = m.tile(Format::kFloat32, P, {2});
  for (int32_t part = 0; part < parts; ++part) {
    AccessPattern piece = in, target = stats;
    piece.size[0] = n / parts, piece.offset += part * (n / parts) * in.step[0];
    target.size[0] = 6, target.offset += part * 6 * stats.step[0];
    m.execute(Opcode::bn_stats, {target, piece});
  }
  m.execute(Opcode::bn_aggr, {out, stats});
  for (int64_t p = 0; p < P; ++p) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; ++i) mean += static_cast<double>(m.get(in, p, i)) / n;
    for (int64_t i = 0; i < n; ++i) {
      variance += std::pow(static_cast<double>(m.get(in, p, i)) - mean, 2) / n;
    }
    EXPECT_NEAR(static_cast<double>(m.get(out, p, 0)), mean, 1e-5);
    EXPECT_NEAR(static_cast<double>(m.get(out, p, 1)), variance, 1e-5);
  }
}

void case_nc_matmul(TestMachine& m) {
  const int32_t K = any_partitions(m), M = any_partitions(m);
  const Shape columns = any_shape(m);
  const auto stationary = m.tile(any_format(m), K, {M}), moving = any_input(m, K, columns);
  const Format format = m.pick(0, 1) == 0 ? Format::kFloat32 : any_format(m);
  const auto out = m.tile(format, M, columns, Space::kPsum);
  Instruction instruction;
  const bool accumulate = m.pick(0, 1) == 1;
  instruction.flags = accumulate ? kAccumulate : uint16_t{0};
  check(m, Opcode::nc_matmul, {out, stationary, moving}, instruction, [&](int64_t p, int64_t i) {
    float sum = 0;
    for (int64_t k = 0; k < K; ++k) {
      sum = std::fma(m.get(stationary, k, p), m.get(moving, k, i), sum);
    }
    return rounded(m, out, p, i, accumulate ? m.get(out, p, i) + sum : sum);
  });
}

void case_nc_transpose(TestMachine& m) {
  const int32_t P = any_partitions(m), F = any_partitions(m);
  const Format format = any_format(m);
  const auto out = m.tile(format, F, {P}, Space::kPsum), in = m.tile(format, P, {F});
  check(m, Opcode::nc_transpose, {out, in}, {},
        [&](int64_t p, int64_t i) { return m.get(in, i, p); });
}

void case_dma_copy(TestMachine& m) {
  const Shape shape = any_shape(m);
  const int32_t P = any_partitions(m);
  const bool integers = m.pick(0, 3) == 0;
  const Format from = integers ? Format::kInt64 : any_format(m);
  Format to = any_format(m);
  if (integers) to = m.pick(0, 1) == 0 ? Format::kInt64 : Format::kInt32;
  const Space spaces[] = {Space::kHbm, Space::kSbuf};
  const auto out = m.tile(to, P, shape, spaces[m.pick(0, 1)]);
  auto in = m.tile(from, P, shape, spaces[m.pick(0, 1)]);
  if (m.pick(0, 3) == 0) {
    in.partition_step = m.program.buffer(in).space == Space::kHbm ? 0 : kRepeatRow;
  }
  check(m, Opcode::dma_copy, {out, in}, {},
        [&](int64_t p, int64_t i) { return rounded(m, out, p, i, m.get(in, p, i)); });
}

void case_dma_gather(TestMachine& m) {
  const int32_t P = any_partitions(m), rows = static_cast<int32_t>(m.pick(1, 9));
  const Format format = any_format(m);
  const auto table = m.tile(format, rows, {7}, Space::kHbm), out = m.tile(format, P, {7});
  auto index = m.tile(Format::kInt64, P, {1}, Space::kHbm);
  std::vector<int64_t> chosen;
  for (int64_t p = 0; p < P; ++p) {
    chosen.push_back(m.pick(-rows, rows - 1));
    m.set(index, p, 0, static_cast<float>(chosen.back()));
  }
  auto one_row = table;
  one_row.partitions = 1;
  Instruction instruction;
  instruction.extra = rows;
  check(m, Opcode::dma_gather, {out, one_row, index}, instruction, [&](int64_t p, int64_t i) {
    const int64_t row = chosen[static_cast<size_t>(p)];
    return m.get(table, row < 0 ? row + rows : row, i);
  });
  m.set(index, P - 1, 0, static_cast<float>(rows));
  m.execute(Opcode::dma_gather, {out, one_row, index}, instruction);
  ASSERT_EQ(m.faults.size(), 1U);
  EXPECT_EQ(m.faults[0], "dma_gather reads row " + std::to_string(rows) + " of a table of " +
                             std::to_string(rows) + " rows");
}

struct Doubled final : Call {
  bool execute(const std::vector<const std::byte*>& in, const std::vector<std::byte*>& out,
               std::string* error) const override {
    const auto* from = reinterpret_cast<const float*>(in[0]);
    auto* to = reinterpret_cast<float*>(out[0]);
    for (size_t i = 0; i < 5; ++i) to[i] = 2 * from[i];
    if (from[0] == 99) *error = "ninety-nine";
    return error->empty();
  }
};

void case_custom_op(TestMachine& m) {
  auto call = std::make_shared<Doubled>();
  call->name = "doubled";
  call->inputs = {m.add_buffer(Format::kFloat32, Space::kHbm, 5)};
  call->outputs = {m.add_buffer(Format::kFloat32, Space::kHbm, 5)};
  m.program.calls.push_back(call);
  Instruction instruction;
  instruction.extra = 0;
  m.execute(Opcode::custom_op, {}, instruction);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(m.image(call->outputs[0])[i], 2 * m.image(call->inputs[0])[i]);
  }
  *reinterpret_cast<float*>(m.host_buffer(call->inputs[0]).data) = 99;
  m.execute(Opcode::custom_op, {}, instruction);
  ASSERT_EQ(m.faults.size(), 1U);
  EXPECT_EQ(m.faults[0], "doubled: ninety-nine");
}

const std::map<Opcode, Case>& cases() {
  static const std::map<Opcode, Case> table = {
      {Opcode::activation, case_activation},
      {Opcode::bn_aggr, case_bn_aggr},
      {Opcode::bn_stats, case_bn_stats},
      {Opcode::custom_op, case_custom_op},
      {Opcode::dma_copy, case_dma_copy},
      {Opcode::dma_gather, case_dma_gather},
      {Opcode::memset, case_memset},
      {Opcode::nc_matmul, case_nc_matmul},
      {Opcode::nc_transpose, case_nc_transpose},
      {Opcode::scalar_tensor_tensor, case_scalar_tensor_tensor},
      {Opcode::select, case_select},
      {Opcode::tensor_copy, case_tensor_copy},
      {Opcode::tensor_reduce, case_tensor_reduce},
      {Opcode::tensor_scalar, case_tensor_scalar},
      {Opcode::tensor_tensor, case_tensor_tensor},
  };
  return table;
}

TEST(InstructionTable, EveryInstructionIsCompleteAndHasACase) {
  const auto table = instruction_table();
  for (size_t i = 0; i < table.size(); ++i) {
    const InstructionSpec& one = table[i];
    SCOPED_TRACE(one.mnemonic);
    EXPECT_FALSE(one.mnemonic.empty());
    EXPECT_FALSE(one.summary.empty());
    EXPECT_FALSE(one.source.empty());
    EXPECT_NE(one.execute, nullptr);
    EXPECT_NE(one.cost, nullptr);
    EXPECT_LE(one.operands.size(), static_cast<size_t>(kMaxOperands));
    const std::string text =
        std::string(THORONG_SOURCE_DIR) + "/thorong/isa/instructions/" + one.mnemonic + ".test";
    EXPECT_TRUE(cases().contains(static_cast<Opcode>(i)) || std::filesystem::exists(text))
        << "write " << text;
    EXPECT_EQ(&spec(static_cast<uint16_t>(i)), &one);
  }
}

TEST(Meaning, MeanWhatAPlainLoopDoes) {
  for (const auto& [opcode, run] : cases()) {
    SCOPED_TRACE(spec(static_cast<uint16_t>(opcode)).mnemonic);
    for (uint64_t seed = 0; seed < 120; ++seed) {
      SCOPED_TRACE(seed);
      TestMachine machine(seed);
      if (seed % 3 == 2) {
        machine.round = {RoundingMode::kStochastic, numerics::make_key(seed, 0, 1, 17), 0};
      }
      run(machine);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

// Rows of `columns` elements in one buffer, the output's begin `down` rows and `right` elements
// behind the input's.
struct Shifted {
  Space space;
  Format format;
  int32_t columns;
  int64_t down, right;
  bool one_row = false;  // of the input, for all of the output

  std::string text() const {
    return std::string(numerics::name(format)) +
           (space == Space::kHbm ? " in HBM, " : " in SBUF, ") + std::to_string(columns) +
           " columns, by " + std::to_string(down) + ", " + std::to_string(right) +
           (one_row ? ", one row" : "");
  }
  std::array<AccessPattern, 2> tiles(TestMachine& m) const {
    const int64_t row = space == Space::kHbm ? columns : columns + 1;
    AccessPattern out, in;
    out.format = format, out.partitions = kPartitions - 1;
    out.rank = 1, out.size[0] = columns, out.step[0] = 1;
    out.buffer = m.add_buffer(format, space, space == Space::kHbm ? row * kPartitions + 1 : row);
    in = out;
    if (space == Space::kHbm) {
      out.partition_step = row, in.partition_step = one_row ? 0 : row;
      (down < 0 ? in : out).offset = row * std::abs(down);
    } else {
      (down < 0 ? in : out).start_partition = static_cast<int32_t>(std::abs(down));
      if (one_row) in.partition_step = kRepeatRow;
    }
    (right < 0 ? in : out).offset += std::abs(right);
    return {out, in};
  }
};

void check_shifted(const Shifted& shifted, int parts) {
  SCOPED_TRACE(shifted.text() + ", " + std::to_string(parts) + " parts");
  for (Opcode opcode : {Opcode::dma_copy, Opcode::tensor_copy, Opcode::tensor_tensor}) {
    TestMachine m(7);
    m.share.count = parts;
    const auto tiles = shifted.tiles(m);
    const AccessPattern &out = tiles[0], &in = tiles[1];
    const bool copies = opcode != Opcode::tensor_tensor;
    std::vector<AccessPattern> operands{out, in};
    if (!copies) operands.push_back(out);
    Instruction instruction;
    instruction.function0 = static_cast<uint8_t>(BinaryFunction::kAdd);
    if (copies) instruction.function0 = 0;
    check(m, opcode, operands, instruction, [&](int64_t p, int64_t i) {
      const float x = m.get(in, p, i);
      return rounded(m, out, p, i, copies ? x : binary(BinaryFunction::kAdd, x, m.get(out, p, i)));
    });
  }
}

// Rows of `count` lines, `step` from one to the next.
AccessPattern lines(TestMachine& m, Format format, int32_t partitions, int32_t count,
                    int32_t length, int64_t step) {
  AccessPattern ap;
  ap.format = format, ap.partitions = partitions, ap.rank = 2, ap.offset = 3;
  ap.size[0] = count, ap.size[1] = length, ap.step[0] = step, ap.step[1] = 1;
  ap.buffer = m.add_buffer(format, Space::kSbuf, ap.offset + count * (step + length) + 4);
  return ap;
}

TEST(Meaning, LinesAreWorkedOnWhereTheyLie) {
  numerics::testing::for_each_target([](const std::string&) {
    for (Format format : {Format::kFloat32, Format::kBfloat16}) {
      for (int32_t length : {4, 6, 9, 14, 28, 67}) {
        for (int64_t in_step : {int64_t{0}, int64_t{length}, int64_t{length} + 2}) {
          for (const bool in_place : {false, true}) {
            constexpr int32_t kRows = 5, kLines = 12;
            TestMachine m(static_cast<unsigned>(length));
            m.share.count = 1 + length % 2 * 2;
            const int64_t step = length + 2;
            const auto out = lines(m, format, kRows, kLines, length, step),
                       a = lines(m, format, kRows, kLines, length, in_step),
                       s = m.tile(Format::kFloat32, kRows, {1}),
                       b = in_place ? out : lines(m, format, kRows, kLines, length, step);
            Instruction instruction;
            instruction.function0 = static_cast<uint8_t>(BinaryFunction::kMultiply);
            instruction.function1 = static_cast<uint8_t>(BinaryFunction::kAdd);
            check(m, Opcode::scalar_tensor_tensor, {out, a, s, b}, instruction,
                  [&](int64_t p, int64_t i) {
                    const float x =
                        binary(BinaryFunction::kMultiply, m.get(a, p, i), m.get(s, p, 0));
                    return rounded(m, out, p, i, binary(BinaryFunction::kAdd, x, m.get(b, p, i)));
                  });
            check(m, Opcode::tensor_tensor, {out, b, a}, {}, [&](int64_t p, int64_t i) {
              return rounded(m, out, p, i,
                             binary(BinaryFunction::kAdd, m.get(b, p, i), m.get(a, p, i)));
            });
          }
        }
      }
    }
  });
}

constexpr Format kShiftedFormats[] = {Format::kFloat32, Format::kBfloat16, Format::kInt16};

TEST(Meaning, InputsAreReadBeforeAnythingIsWritten) {
  numerics::testing::for_each_target([](const std::string&) {
    for (Format format : kShiftedFormats) {
      for (Space space : {Space::kSbuf, Space::kHbm}) {
        for (int32_t columns : {1, 8, 32, 40}) {
          for (int64_t shift = 0; shift < 9; ++shift) {
            for (int parts : {1, 3})
              check_shifted({space, format, columns, shift / 3 - 1, shift % 3 - 1}, parts);
          }
          check_shifted({space, format, columns, 0, 0, true}, 1);
        }
      }
    }
  });
}

TEST(Meaning, ThreadsReadBeforeAnythingIsWritten) {
  constexpr int32_t kColumns = 9000;  // for several threads
  for (Format format : kShiftedFormats) {
    for (int64_t down : {-1, 1}) check_shifted({Space::kSbuf, format, kColumns, down, 0}, 1);
    check_shifted({Space::kHbm, format, kColumns, 1, 1}, 1);
    check_shifted({Space::kSbuf, format, kColumns, 0, 0, true}, 1);
  }
}

TEST(Meaning, StochasticRoundingIsDeterminedByItsKey) {
  const auto run = [](uint64_t key) {
    TestMachine machine(5);
    machine.round = {RoundingMode::kStochastic, key, 0};
    const auto out = machine.tile(Format::kBfloat16, 16, {64});
    const auto in = machine.tile(Format::kFloat32, 16, {64});
    machine.execute(Opcode::tensor_copy, {out, in});
    std::vector<float> values;
    for (int64_t p = 0; p < 16; ++p) {
      for (int64_t i = 0; i < 64; ++i) values.push_back(machine.get(out, p, i));
    }
    return values;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(Meaning, AccumulationRoundsOncePerProduct) {
  // 2^24 + 1 does not fit fp32: adding 1 twice by two products loses both, one product of K = 2
  // sums to 2 first.
  TestMachine m(0);
  const auto psum = m.tile(Format::kFloat32, 1, {1}, Space::kPsum);
  const auto stationary = m.tile(Format::kFloat32, 2, {1}),
             moving = m.tile(Format::kFloat32, 2, {1});
  for (int64_t k = 0; k < 2; ++k) m.set(stationary, k, 0, 1), m.set(moving, k, 0, 1);
  Instruction add;
  add.flags = kAccumulate;
  m.set(psum, 0, 0, 16777216.0F);
  m.execute(Opcode::nc_matmul, {psum, stationary, moving}, add);
  EXPECT_EQ(m.get(psum, 0, 0), 16777218.0F);
  auto first = stationary, second = moving;
  first.partitions = second.partitions = 1;
  m.set(psum, 0, 0, 16777216.0F);
  m.execute(Opcode::nc_matmul, {psum, first, second}, add);
  m.execute(Opcode::nc_matmul, {psum, first, second}, add);
  EXPECT_EQ(m.get(psum, 0, 0), 16777216.0F);
}

TEST(Meaning, ABoundSourceReadsAsItsCopy) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    TestMachine m(seed);
    AccessPattern in;
    in.buffer = m.add_buffer(Format::kBfloat16, Space::kHbm, 200);
    in.format = Format::kBfloat16;
    in.partitions = 6, in.rank = 1, in.size[0] = 11, in.step[0] = 1;
    in.offset = m.pick(0, 9), in.partition_step = 13;
    AccessPattern out = in;
    out.offset = m.pick(0, 9), out.partition_step = 0;
    out.buffer = m.add_buffer(Format::kBfloat16, Space::kSbuf, 32);
    Instruction instruction;
    instruction.flags = kBindView;
    m.execute(Opcode::dma_copy, {out, in}, instruction);
    EXPECT_EQ(m.cell(out, 0, 0), m.cell(in, 0, 0)) << "renamed, not copied";
    for (int64_t p = 0; p < 6; ++p) {
      for (int64_t i = 0; i < 11; ++i) EXPECT_EQ(m.get(out, p, i), m.get(in, p, i));
    }
  }
}

TEST(AccessPattern, CountsElementsAndRuns) {
  AccessPattern ap;
  ap.rank = 3, ap.size = {2, 3, 4, 1}, ap.step = {12, 4, 1, 0}, ap.partitions = 5;
  EXPECT_EQ(ap.free_elements(), 24);
  EXPECT_EQ(ap.elements(), 120);
  EXPECT_EQ(ap.bytes(), 480);
  EXPECT_EQ(ap.contiguous_run(), 24);
  ap.step[0] = 13;
  EXPECT_EQ(ap.contiguous_run(), 12);
  ap.step[2] = 2;
  EXPECT_EQ(ap.contiguous_run(), 1);
  ap.size[2] = 1, ap.step[1] = 1;
  EXPECT_EQ(ap.contiguous_run(), 3);
}

TEST(HostCell, NarrowFloatsAreKeptAsFp32) {
  EXPECT_EQ(host_cell(Format::kBfloat16), Format::kFloat32);
  EXPECT_EQ(host_cell(Format::kFloat8E5m2), Format::kFloat32);
  EXPECT_EQ(host_cell(Format::kFloat64), Format::kFloat64);
  EXPECT_EQ(host_cell(Format::kInt8), Format::kInt8);
  EXPECT_EQ(host_cell(Format::kBool), Format::kBool);
}

}  // namespace
}  // namespace thorong::isa
