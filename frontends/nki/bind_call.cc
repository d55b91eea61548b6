// SPDX-License-Identifier: Apache-2.0
// From a call's arguments to an instruction, by the table of isa/instructions.
#include <array>
#include <cstdlib>

#include "frontends/nki/kernel_run.h"
#include "thorong/isa/alu.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/isa/named_check.h"

namespace thorong::nki {
namespace {

using isa::Argument;
using isa::InstructionSpec;
using isa::NameKind;
using isa::Parameter;
using isa::ParameterKind;
using isa::Queue;

// engine's members in nki.isa, by value.
std::optional<Queue> queue_of(uint8_t engine) {
  switch (engine) {
    case 1:
      return Queue::kTensor;
    case 2:
      return Queue::kScalar;
    case 3:
      return Queue::kGpsimd;
    case 5:
      return Queue::kVector;
    case 6:
      return Queue::kSync;
    default:
      return std::nullopt;
  }
}

// A default value's Python text as an argument.
Argument parse_default(const std::string& text) {
  struct Member {
    const char* text;
    NameKind kind;
    uint8_t code;
  };
  static constexpr std::array<Member, 12> kMembers = {
      {{"engine.unknown", NameKind::kEngine, 0},
       {"engine.vector", NameKind::kEngine, 5},
       {"engine.gpsimd", NameKind::kEngine, 3},
       {"reduce_cmd.idle", NameKind::kReduce, 0},
       {"reduce_cmd.reset_reduce", NameKind::kReduce, 3},
       {"dge_mode.unknown", NameKind::kDge, 0},
       {"oob_mode.error", NameKind::kOutOfBounds, 0},
       {"matmul_perf_mode.none", NameKind::kPerfMode, 0},
       {"dma_engine.dma", NameKind::kDmaEngine, 1},
       {"maximum", NameKind::kOperator, static_cast<uint8_t>(numerics::BinaryFunction::kMaximum)},
       {"equal", NameKind::kOperator, static_cast<uint8_t>(numerics::BinaryFunction::kEq)},
       {"add", NameKind::kOperator, static_cast<uint8_t>(numerics::BinaryFunction::kAdd)}}};
  Argument argument;
  argument.kind = Argument::Kind::kNone;
  if (text == "None") return argument;
  if (text == "True" || text == "False") {
    argument.kind = Argument::Kind::kBool, argument.flag = text == "True";
    return argument;
  }
  if (text == "()") {
    argument.kind = Argument::Kind::kIntegers;
    return argument;
  }
  for (const Member& member : kMembers) {
    if (text != member.text) continue;
    argument.kind = Argument::Kind::kName, argument.name_kind = member.kind,
    argument.code = member.code;
    return argument;
  }
  argument.kind = Argument::Kind::kNumber;
  argument.number = std::strtod(text.c_str(), nullptr);
  argument.integer = static_cast<int64_t>(argument.number);
  argument.integral = text.find('.') == std::string::npos;
  return argument;
}

// By opcode and parameter; kAbsent where an argument is required.
const std::vector<std::vector<Argument>>& all_defaults() {
  static const std::vector<std::vector<Argument>> table = [] {
    std::vector<std::vector<Argument>> result;
    for (const InstructionSpec& spec : isa::instruction_table()) {
      auto& list = result.emplace_back();
      for (const Parameter& parameter : spec.parameters)
        list.push_back(*parameter.by_default != 0 ? parse_default(parameter.by_default)
                                                  : Argument{});
    }
    return result;
  }();
  return table;
}

Status wrong_type(const InstructionSpec& spec, const Parameter& parameter,
                  const std::string& expected, const std::string& advice = "") {
  return Status(Code::kInvalidArgument, spec.mnemonic + ": " + parameter.name + " expects " +
                                            expected + ", found something else." + advice);
}

Status bind_operator(const InstructionSpec& spec, const Parameter& parameter, const Argument& value,
                     isa::Instruction& instruction) {
  if (value.kind != Argument::Kind::kName || value.name_kind != NameKind::kOperator) {
    return isa::named("operator", wrong_type(spec, parameter, "an operator such as nl.add"));
  }
  uint8_t code = value.code;
  if (parameter.kind == ParameterKind::kActivation) {
    isa::Alu op = isa::alu(code);
    if (op == isa::Alu::kPrelu) op = isa::alu(numerics::UnaryFunction::kRelu);  // without a slope
    if (op == isa::Alu::kBypass) op = isa::alu(numerics::UnaryFunction::kCopy);
    if (!isa::is_unary(op))
      return isa::named("operator",
                        wrong_type(spec, parameter, "an activation function such as nl.exp",
                                   " (" + std::string(isa::name(op)) + ")"));
    code = static_cast<uint8_t>(isa::unary_of(op));
  }
  if (parameter.slot == 0) instruction.function0 = code;
  if (parameter.slot == 1) instruction.function1 = code;
  return ok_status();
}

Status bind_engine(const InstructionSpec& spec, const Parameter& parameter, const Argument& value,
                   isa::Instruction& instruction) {
  if (value.kind != Argument::Kind::kName || value.name_kind != NameKind::kEngine) {
    return isa::named("engine", wrong_type(spec, parameter, "a member of nki.isa.engine"));
  }
  if (value.code == 0) return ok_status();
  auto queue = queue_of(value.code);
  uint16_t allowed = spec.engines != 0 ? spec.engines : isa::on(spec.engine);
  if (queue && (allowed & isa::on(*queue)) != 0) {
    instruction.queue = *queue;
    return ok_status();
  }
  std::string names;
  for (auto each : {Queue::kTensor, Queue::kVector, Queue::kScalar, Queue::kGpsimd, Queue::kSync}) {
    if ((allowed & isa::on(each)) != 0)
      names += (names.empty() ? "" : " or ") + std::string(isa::name(each));
  }
  return isa::named("engine",
                    invalid_argument(spec.mnemonic + ": expected the engine " + names + ", found " +
                                     (queue ? std::string(isa::name(*queue)) : "dma") +
                                     ". Leave `engine` out to have one chosen."));
}

void set_immediate(isa::Instruction& instruction, int slot, double number) {
  if (slot == 0) instruction.immediate0 = static_cast<float>(number);
  if (slot == 1) instruction.immediate1 = static_cast<float>(number);
}

bool covers(const Written& outer, const Written& inner) {
  return outer.low <= inner.low && inner.high <= outer.high && outer.first <= inner.first &&
         inner.last <= outer.last;
}

Written extent(const isa::AccessPattern& pattern) {
  auto size = static_cast<int64_t>(numerics::byte_size(pattern.format));
  int64_t high = pattern.offset;
  for (size_t i = 0; i < pattern.rank; ++i) high += pattern.step[i] * (pattern.size[i] - 1);
  return {pattern.offset * size, (high + 1) * size, pattern.start_partition,
          pattern.start_partition + pattern.partitions};
}

}  // namespace

Status KernelRun::bind_tile(const InstructionSpec& spec, const Parameter& parameter, Value& value,
                            isa::Instruction& instruction) {
  const Tensor& tensor = tensor_of(value);
  auto space = static_cast<unsigned>(space_of(tensor.storage->region));
  uint8_t bit = space == static_cast<unsigned>(isa::Space::kHbm)    ? isa::kInHbm
                : space == static_cast<unsigned>(isa::Space::kSbuf) ? isa::kInSbuf
                                                                    : isa::kInPsum;
  if ((parameter.spaces & bit) == 0) {
    std::string where;
    for (auto [flag, text] :
         {std::pair{isa::kInSbuf, "SBUF"}, {isa::kInPsum, "PSUM"}, {isa::kInHbm, "HBM"}}) {
      if ((parameter.spaces & flag) != 0)
        where += (where.empty() ? "" : " or ") + std::string(text);
    }
    return isa::named(
        "memory",
        invalid_argument(spec.mnemonic + ": expected " + parameter.name + " in " + where +
                         ", found " + to_string(tensor) +
                         (bit == isa::kInHbm ? ". Load it to SBUF with dma_copy first."
                                             : ". Copy it there with tensor_copy first.")));
  }
  auto index = operand(tensor);
  if (!index.ok())
    return isa::named(
        index.status().code() == Code::kOutOfRange ? "out-of-bounds" : "access-pattern",
        Status(index.status().code(),
               spec.mnemonic + ": " + parameter.name + ": " + index.status().message()));
  value.pattern = *index;
  value.shape = tensor.sizes();
  if (parameter.slot >= 0) instruction.operands[static_cast<size_t>(parameter.slot)] = *index;
  return ok_status();
}

Status KernelRun::bind_value(const InstructionSpec& spec, const Parameter& parameter, Value& value,
                             isa::Instruction& instruction) {
  using Kind = Argument::Kind;
  if (value.kind == Kind::kNone && parameter.kind != ParameterKind::kTile) return ok_status();
  switch (parameter.kind) {
    case ParameterKind::kTile:
      if (value.tile()) return bind_tile(spec, parameter, value, instruction);
      if (value.kind == Kind::kNone && std::string_view(parameter.by_default) == "None")
        return ok_status();
      return wrong_type(spec, parameter, "a tensor", " Allocate one with nl.ndarray.");
    case ParameterKind::kTileOrNumber:
      if (value.tile()) return bind_tile(spec, parameter, value, instruction);
      if (value.kind != Kind::kNumber && value.kind != Kind::kBool)
        return wrong_type(spec, parameter, "a number or a tensor");
      set_immediate(instruction, parameter.immediate, value.number);
      return ok_status();
    case ParameterKind::kOperator:
    case ParameterKind::kActivation:
      return bind_operator(spec, parameter, value, instruction);
    case ParameterKind::kNumber:
    case ParameterKind::kInteger:
      if (value.kind != Kind::kNumber && value.kind != Kind::kBool)
        return wrong_type(spec, parameter, "a number");
      if (parameter.kind == ParameterKind::kNumber)
        set_immediate(instruction, parameter.slot, value.number);
      return ok_status();
    case ParameterKind::kFlag: {
      bool set =
          value.kind == Kind::kBool ? value.flag : value.kind == Kind::kNumber && value.number != 0;
      if (set) instruction.flags = static_cast<uint16_t>(instruction.flags | parameter.slot);
      return ok_status();
    }
    case ParameterKind::kReduce:
      if (value.kind != Kind::kName || value.name_kind != NameKind::kReduce)
        return wrong_type(spec, parameter, "a member of nki.isa.reduce_cmd");
      instruction.flags =
          static_cast<uint16_t>(instruction.flags | (value.code << isa::kReduceShift));
      return ok_status();
    case ParameterKind::kEngine:
      return bind_engine(spec, parameter, value, instruction);
    case ParameterKind::kIntegers:
      if (value.kind == Kind::kNumber)
        value.integers = {value.integer};
      else if (value.kind != Kind::kIntegers)
        return wrong_type(spec, parameter, "a list of integers");
      return ok_status();
    case ParameterKind::kTiles: {
      if (value.kind != Kind::kTiles) return wrong_type(spec, parameter, "a list of tensors");
      for (const void* object : value.objects) {
        Value one;
        one.kind = Kind::kTile, one.object = object;
        Parameter each = parameter;
        each.slot = -1;
        THORONG_RETURN_IF_ERROR(bind_tile(spec, each, one, instruction));
        value.patterns.push_back(one.pattern);
      }
      return ok_status();
    }
    case ParameterKind::kChoice:
    case ParameterKind::kText:
      return ok_status();
  }
  return ok_status();
}

Status KernelRun::bind_all(const InstructionSpec& spec, std::span<Value> values,
                           isa::Instruction& instruction) {
  instruction.queue = spec.engine;
  const std::vector<Argument>& defaults = all_defaults()[instruction.opcode];
  for (size_t i = 0; i < values.size(); ++i) {
    const Parameter& parameter = spec.parameters[i];
    if (values[i].kind == Argument::Kind::kAbsent) {
      if (defaults[i].kind == Argument::Kind::kNone)
        values[i].kind = Argument::Kind::kNone;
      else
        values[i] = defaults[i];
      if (values[i].kind == Argument::Kind::kAbsent) {
        return invalid_argument(spec.mnemonic + ": expected the argument '" + parameter.name +
                                "', found none. " + parameter.doc + ".");
      }
    }
    THORONG_RETURN_IF_ERROR(bind_value(spec, parameter, values[i], instruction));
  }
  if (options_.generation < spec.first_generation) {
    return isa::named(
        "generation",
        Status(Code::kUnsupported,
               spec.mnemonic + ": needs NeuronCore-v" + std::to_string(spec.first_generation) +
                   " or newer, and " + chip_.name + " has NeuronCore-v" +
                   std::to_string(options_.generation) + ". Choose a newer chip."));
  }
  return ok_status();
}

// nc_matmul's accumulate=None: add where a write went before; true where that was to be found out.
bool KernelRun::infer_accumulate(Value& accumulate, const Value& destination) {
  if (accumulate.kind == Argument::Kind::kBool) return false;
  bool inferred = accumulate.kind == Argument::Kind::kNone;
  Written here = extent(program_.patterns[static_cast<size_t>(destination.pattern)]);
  bool before = accumulate.kind == Argument::Kind::kNumber && accumulate.number != 0;
  if (accumulate.kind == Argument::Kind::kNone) {
    for (const Written& written : tensor_of(destination).storage->written)
      before = before || covers(written, here);
  }
  accumulate.kind = Argument::Kind::kBool, accumulate.flag = before;
  return inferred;
}

void KernelRun::note_written(const InstructionSpec& spec, const isa::Instruction& instruction) {
  for (size_t i = 0; i < isa::kMaxOperands; ++i) {
    if ((spec.writes >> i & 1) == 0 || instruction.operands[i] < 0) continue;
    const isa::AccessPattern& pattern =
        program_.patterns[static_cast<size_t>(instruction.operands[i])];
    if (program_.buffer(pattern).space != isa::Space::kPsum) continue;
    Written here = extent(pattern);
    auto& list = storages_[static_cast<size_t>(pattern.buffer)]->written;
    bool known = false;
    for (const Written& written : list) known = known || covers(written, here);
    if (!known) list.push_back(here);
  }
}

Status KernelRun::bind(const InstructionSpec& spec, std::span<Value> values,
                       isa::Instruction& instruction) {
  size_t patterns = program_.patterns.size(), indirects = program_.indirects.size(),
         integers = program_.integers.size();
  Status status = isa::named("argument", bind_all(spec, values, instruction));
  bool inferred = false;
  for (size_t i = 0; status.ok() && spec.engine == Queue::kTensor && i < values.size(); ++i) {
    if (std::string_view(spec.parameters[i].name) == "accumulate")
      inferred = infer_accumulate(values[i], values[0]);
  }
  isa::Binding binding{program_, instruction, values, core_, options_.generation, place()};
  if (status.ok() && spec.assemble != nullptr)
    status = isa::named("operands", spec.assemble(binding));
  if (status.ok() && spec.check != nullptr) status = isa::named("operands", spec.check(binding));
  if (status.ok() && spec.between_ranks && !options_.timing_only) status = arrive(instruction);
  if (status.ok() && checker_)
    status = checker_->before(program_, instruction, storages_, inferred);
  if (!status.ok()) {
    program_.patterns.resize(patterns), program_.indirects.resize(indirects),
        program_.integers.resize(integers);
  }
  return status;
}

Status KernelRun::may_go_on() const {
  if (halted_)
    return failed_precondition(
        "the simulated core has stopped after a fault. Start the kernel anew.");
  if (stopped_) return Status(Code::kInterrupted, "the run was stopped.");
  if (static_cast<int64_t>(program_.instructions.size()) >= options_.max_instructions) {
    return isa::named(
        "instruction-limit",
        resource_exhausted("expected a kernel of at most " +
                           std::to_string(options_.max_instructions) +
                           " instructions, found one more. Does a loop end? If it does, set "
                           "THORONG_NKI_MAX_INSTRUCTIONS to a larger number."));
  }
  return ok_status();
}

Status KernelRun::append(const InstructionSpec& spec, const isa::Instruction& instruction,
                         const Register* written) {
  program_.instructions.push_back(instruction);
  if (last_branch_ >= 0 || written != nullptr || !register_reads_.empty())
    add_register_edges(written);
  if (order_depth_ > 0) {
    chains_.resize(program_.instructions.size(), -1);
    chains_.back() = chain_;
  }
  note_written(spec, instruction);
  THORONG_RETURN_IF_ERROR(execute(spec));
  if (checker_) THORONG_RETURN_IF_ERROR(checker_->after(program_, instruction, storages_));
  take_turns(spec, instruction);
  return ok_status();
}

Status KernelRun::call(uint16_t opcode, std::span<Value> values, int32_t place) {
  THORONG_RETURN_IF_ERROR(may_go_on());
  const InstructionSpec& spec = isa::spec(opcode);
  isa::Instruction instruction;
  instruction.opcode = opcode, instruction.operator_index = place;
  register_reads_.clear();
  THORONG_RETURN_IF_ERROR(bind(spec, values, instruction));
  if (spec.between_ranks) name_ranks(instruction);
  return append(spec, instruction);
}

}  // namespace thorong::nki
