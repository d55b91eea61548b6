// SPDX-License-Identifier: Apache-2.0
// Instructions of the sequencer: registers and branches. No memory shows who waits for a register,
// so the record has edges: readers after the writer, the next writer after the readers, and all
// that follows a branch after it.
#include "thorong/isa/registers.h"

#include <array>

#include "frontends/nki/kernel_run.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/isa/named_check.h"

namespace thorong::nki {

using isa::Opcode;

namespace {
uint16_t code(Opcode opcode) { return static_cast<uint16_t>(opcode); }
}  // namespace

// What this run knows of a register; one of another run starts anew.
Register::Uses& KernelRun::uses(const Register& of) {
  if (of.uses.run != identity_) of.uses = {identity_, registers_++, -1, {}};
  return of.uses;
}

void KernelRun::add_register_edges(const Register* written) {
  auto self = static_cast<int32_t>(program_.instructions.size()) - 1;
  auto after = [&](int32_t earlier) {
    if (earlier >= 0 && earlier != self) edges_.emplace_back(self, earlier);
  };
  after(last_branch_);
  for (const Register* read : register_reads_) {
    Register::Uses& known = uses(*read);
    if (known.writer != last_branch_) after(known.writer);
    known.readers.push_back(self);
  }
  if (written == nullptr) return;
  Register::Uses& known = uses(*written);
  after(known.writer);
  for (int32_t reader : known.readers) after(reader);
  known.readers.clear();
  known.writer = self;
}

// One instruction of the sequencer. tensor: its operand, if it has one.
Status KernelRun::sequence(uint16_t opcode, const Tensor* tensor, std::span<const int64_t> integers,
                           const Register* written, int32_t place) {
  THORONG_RETURN_IF_ERROR(may_go_on());
  const isa::InstructionSpec& spec = isa::spec(opcode);
  isa::Instruction instruction;
  instruction.opcode = opcode, instruction.operator_index = place;
  instruction.queue = spec.engine;
  if (tensor != nullptr) {
    if (tensor->elements() != 1) {
      return isa::named(
          "shape", invalid_argument(spec.mnemonic + ": expected a tensor of one element, found " +
                                    to_string(*tensor) + ". Slice it."));
    }
    THORONG_TRY(instruction.operands[0], operand(*tensor));
  }
  instruction.extra = static_cast<int32_t>(program_.integers.size());
  program_.integers.insert(program_.integers.end(), integers.begin(), integers.end());
  if (checker_ != nullptr)
    THORONG_RETURN_IF_ERROR(checker_->before(program_, instruction, storages_, false));
  return append(spec, instruction, written);
}

Status KernelRun::move_register(Register& target, int64_t value, const Register* source,
                                int32_t place) {
  register_reads_.clear();
  if (source != nullptr) {
    register_reads_.push_back(source);
    isa::register_at(*this, uses(*source).id) = value;  // it may have been set before the kernel
  }
  std::array<int64_t, 3> integers{uses(target).id, source != nullptr ? uses(*source).id : -1,
                                  value};
  THORONG_RETURN_IF_ERROR(sequence(code(Opcode::register_move), nullptr, integers, &target, place));
  target.value = value, target.set = true;
  return ok_status();
}

Status KernelRun::load_register(Register& target, const Tensor& source, int32_t place) {
  register_reads_.clear();
  std::array<int64_t, 1> integers{uses(target).id};
  isa::register_at(*this, integers[0]) = 0;
  THORONG_RETURN_IF_ERROR(sequence(code(Opcode::register_load), &source, integers, &target, place));
  // Without execution only what the caller gave is known.
  if (options_.timing_only && source.storage->role == isa::BufferRole::kInput) {
    const isa::Instruction& instruction = program_.instructions.back();
    isa::spec(instruction.opcode).execute(*this, program_, instruction);
  }
  target.value = isa::register_at(*this, integers[0]), target.set = true;
  return ok_status();
}

Status KernelRun::store_register(const Tensor& target, const Register& source, int32_t place) {
  register_reads_.assign(1, &source);
  std::array<int64_t, 1> integers{uses(source).id};
  isa::register_at(*this, integers[0]) = source.value;
  return sequence(code(Opcode::register_store), &target, integers, nullptr, place);
}

Status KernelRun::branch(std::span<const Register* const> read, Register* index, int64_t value,
                         int32_t place) {
  register_reads_.assign(read.begin(), read.end());
  std::array<int64_t, 2> integers{index != nullptr ? uses(*index).id : -1, value};
  THORONG_RETURN_IF_ERROR(sequence(code(Opcode::branch), nullptr, integers, index, place));
  if (index != nullptr) index->value = value, index->set = true;
  last_branch_ = static_cast<int32_t>(program_.instructions.size()) - 1;
  return ok_status();
}

}  // namespace thorong::nki
