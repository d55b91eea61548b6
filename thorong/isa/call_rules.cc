// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/call_rules.h"

#include "thorong/isa/instruction_table.h"

namespace thorong::isa {
namespace {

std::string operand_name(const Binding& call, int operand) {
  for (const Parameter& parameter : spec(call.instruction.opcode).parameters) {
    bool tile =
        parameter.kind == ParameterKind::kTile || parameter.kind == ParameterKind::kTileOrNumber;
    if (tile && parameter.slot == operand) return parameter.name;
  }
  return "operand " + std::to_string(operand);
}

Status wrong(const Binding& call, const char* check, const std::string& text) {
  return named(check, invalid_argument(spec(call.instruction.opcode).mnemonic + ": " + text));
}

}  // namespace

std::string describe(const Binding& call, int operand) {
  const AccessPattern& pattern = call.operand(operand);
  std::string text = operand_name(call, operand) + " (" +
                     std::string(numerics::name(pattern.format)) + ", " +
                     std::to_string(pattern.partitions);
  for (size_t i = 0; i < pattern.rank; ++i) text += " x " + std::to_string(pattern.size[i]);
  return text + ", " + std::string(name(call.space(operand))) + ")";
}

Status same_partitions(const Binding& call, int a, int b) {
  if (call.operand(a).partitions == call.operand(b).partitions) return ok_status();
  return wrong(call, "shape",
               "expected the same number of partitions, found " + describe(call, a) + " and " +
                   describe(call, b) +
                   ". Slice one of them, or copy the data to the partitions it should lie on.");
}

Status same_elements(const Binding& call, int a, int b) {
  THORONG_RETURN_IF_ERROR(same_partitions(call, a, b));
  if (call.operand(a).free_elements() == call.operand(b).free_elements()) return ok_status();
  return wrong(call, "shape",
               "expected the same number of elements per partition, found " + describe(call, a) +
                   " and " + describe(call, b) + ". Slice or broadcast one of them.");
}

Status same_format(const Binding& call, int a, int b) {
  if (call.operand(a).format == call.operand(b).format &&
      call.operand(a).packed == call.operand(b).packed)
    return ok_status();
  return wrong(call, "dtype",
               "expected one dtype, found " + describe(call, a) + " and " + describe(call, b) +
                   ". Convert one of them with tensor_copy.");
}

Status column_of(const Binding& call, int column, int a) {
  THORONG_RETURN_IF_ERROR(same_partitions(call, column, a));
  if (call.operand(column).free_elements() == 1) return ok_status();
  return wrong(call, "shape",
               "expected one element per partition, found " + describe(call, column) +
                   ". Pass a tile of shape (partitions, 1), or a number.");
}

Status not_both_in_psum(const Binding& call, int a, int b) {
  if (call.space(a) != Space::kPsum || call.space(b) != Space::kPsum) return ok_status();
  return wrong(call, "memory",
               "expected at most one of the two inputs in PSUM, found " + describe(call, a) +
                   " and " + describe(call, b) + ". Copy one of them to SBUF with tensor_copy.");
}

Status integers(const Binding& call, int operand) {
  Format format = call.operand(operand).format;
  if (numerics::is_integer(format) || format == Format::kBool) return ok_status();
  return wrong(
      call, "dtype",
      "a bitwise operator expects integers, found " + describe(call, operand) +
          ". Use an arithmetic operator, or view the tile as integers: tile.view(nl.uint32).");
}

Status reduces(const Binding& call, Alu op) {
  std::string names;
  for (Alu known : reductions()) {
    if (known == op) return ok_status();
    names += (names.empty() ? "" : ", ") + std::string(name(known));
  }
  return wrong(call, "operator",
               "expected an operator that reduces (" + names + "), found " + std::string(name(op)) +
                   ". Use tensor_tensor for other operators.");
}

Status generation_at_least(const Binding& call, int generation, const std::string& what) {
  if (call.generation >= generation) return ok_status();
  return named(
      "generation",
      Status(Code::kUnsupported,
             spec(call.instruction.opcode).mnemonic + ": " + what + " needs NeuronCore-v" +
                 std::to_string(generation) + " or newer, and this chip has NeuronCore-v" +
                 std::to_string(call.generation) +
                 ". Choose a newer chip, or write it with instructions that this one has."));
}

Status limit_elements(const Binding& call, int operand, int64_t most, const std::string& what) {
  if (call.operand(operand).free_elements() <= most) return ok_status();
  return wrong(call, "size-limit",
               "expected at most " + std::to_string(most) + " elements per partition (" + what +
                   "), found " + describe(call, operand) +
                   ". Split the tile and call the instruction for each part.");
}

}  // namespace thorong::isa
