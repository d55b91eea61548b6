// SPDX-License-Identifier: Apache-2.0
// Writes a tile program: emits instructions and hands out SBUF, PSUM and HBM addresses. Knows
// nothing of graphs.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/isa/cost_model.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/sim/address_space.h"

namespace thorong::compiler {

using isa::AccessPattern;
using isa::BufferId;
using isa::Opcode;
using isa::Queue;
using numerics::Format;

// Scalars of an instruction beside its operands.
struct Scalars {
  uint8_t function0 = 0, function1 = 0;
  uint16_t flags = 0;
  float immediate0 = 0, immediate1 = 0;
  int32_t extra = -1;
};

class TileBuilder {
 public:
  explicit TileBuilder(const isa::CoreParameters& core);

  const isa::CoreParameters& core() const { return core_; }
  isa::Program& program() { return program_; }
  int64_t partitions() const { return core_.partitions; }

  // Instructions from here on belong to this operator of the program.
  void begin_operator(isa::OperatorInfo info);
  // The same for one that has begun before: another part of its work.
  void resume_operator(int32_t index) { operator_ = index; }
  int32_t operator_index() const { return operator_; }
  isa::OperatorInfo& current_operator() {
    return program_.operators[static_cast<size_t>(operator_)];
  }

  // operands: destination first; a pattern with buffer -1 is absent.
  void emit(Opcode opcode, Queue queue, std::initializer_list<AccessPattern> operands,
            const Scalars& scalars = {});
  // Cycles x clock of an instruction, without emitting it: for choosing between engines.
  double estimate_s(Opcode opcode, Queue queue, std::initializer_list<AccessPattern> operands,
                    const Scalars& scalars = {});
  // Vector or Scalar, whichever is modelled to take less time for this.
  Queue cheaper_engine(Opcode vector_opcode, const Scalars& vector_scalars, Opcode scalar_opcode,
                       const Scalars& scalar_scalars,
                       std::initializer_list<AccessPattern> vector_operands,
                       std::initializer_list<AccessPattern> scalar_operands);
  // out = in on the cheaper of Vector and Scalar.
  void copy(const AccessPattern& out, const AccessPattern& in);

  // The share of SBUF that residents leave free for stream buffers.
  void set_stream_share(double share) { stream_share_ = share; }
  // A buffer of `elements` per partition that lives until release(); kInvalid (-1) if there is no
  // room.
  BufferId allocate_stream(Format format, int64_t elements);
  BufferId allocate_resident(Format format, int64_t elements);
  void release(BufferId buffer);
  // The longest free stretch for stream buffers now: what a lowering may plan with.
  int64_t stream_capacity_bytes() const { return sbuf_.largest_gap(); }
  // The next PSUM bank, fp32 unless said; elements per partition <= a bank's.
  AccessPattern psum(int64_t partitions, int64_t elements, Format format = Format::kFloat32);
  int64_t psum_elements() const { return core_.psum_bank_bytes / 4; }

  BufferId add_hbm(std::string name, isa::BufferRole role, Format format, int64_t elements,
                   int32_t index = -1);
  BufferId add_constant(std::string name, Format format, int64_t elements,
                        std::shared_ptr<const void> owner, const std::byte* data);
  int64_t hbm_peak_bytes() const { return lasting_.peak() + scratch_.peak(); }

  // A dense pattern over the whole row of a stream buffer.
  AccessPattern dense(BufferId buffer, int64_t partitions,
                      std::initializer_list<int64_t> sizes) const;

  void finish();

 private:
  BufferId add_buffer(isa::Buffer buffer);
  int32_t add_pattern(const AccessPattern& pattern, size_t operand);
  isa::Instruction make(Opcode opcode, Queue queue, std::initializer_list<AccessPattern> operands,
                        const Scalars& scalars);

  isa::CoreParameters core_;
  isa::Program program_;
  sim::AddressSpace sbuf_;
  sim::AddressSpace lasting_,
      scratch_;  // HBM: inputs, outputs and constants, there from the start; intermediates
  double stream_share_ = 0.3;
  int64_t psum_bank_ = 0, banks_touched_ = 0;
  int32_t operator_ = -1;
  // The last different patterns of each operand.
  static constexpr size_t kRecent = 4;
  std::array<std::array<int32_t, kRecent>, isa::kMaxOperands> recent_{};
  std::array<size_t, isa::kMaxOperands> next_recent_{};
};

// Releases what was allocated within a C++ scope.
class StreamScope {
 public:
  explicit StreamScope(TileBuilder& builder) : builder_(builder) {}
  ~StreamScope() {
    for (BufferId id : buffers_) builder_.release(id);
  }
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;
  BufferId allocate(Format format, int64_t elements) {
    BufferId id = builder_.allocate_stream(format, elements);
    if (id >= 0) buffers_.push_back(id);
    return id;
  }

 private:
  TileBuilder& builder_;
  std::vector<BufferId> buffers_;
};

}  // namespace thorong::compiler
