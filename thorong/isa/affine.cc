// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/affine.h"

#include "thorong/isa/instruction_table.h"

namespace thorong::isa {

void attach_affine(Binding& call, const std::vector<int64_t>& pattern, int64_t offset,
                   int64_t multiplier) {
  std::vector<int64_t> list{offset, multiplier, static_cast<int64_t>(pattern.size() / 2)};
  list.insert(list.end(), pattern.begin(), pattern.end());
  call.attach(list);
}

Status affine_elements(const Binding& call, const std::vector<int64_t>& pattern, int operand) {
  const std::string& name = spec(call.instruction.opcode).mnemonic;
  if (pattern.empty() || pattern.size() % 2 != 0 || pattern.size() > 8) {
    return invalid_argument(name + ": expected a pattern of one to four [step, number], found " +
                            std::to_string(pattern.size()) +
                            " integers. Merge dimensions, or use several instructions.");
  }
  int64_t elements = 1;
  for (size_t i = 1; i < pattern.size(); i += 2) elements *= pattern[i];
  if (elements == call.operand(operand).free_elements()) return ok_status();
  return invalid_argument(
      name + ": the pattern has " + std::to_string(elements) + " elements, and " +
      describe(call, operand) +
      " another number per partition. Make the numbers of the pattern multiply to it.");
}

void affine_row(const Program& program, const Instruction& instruction, int64_t partition,
                std::vector<int64_t>& row) {
  const int64_t* list = program.integers.data() + instruction.extra;
  int64_t offset = list[0] + partition * list[1];
  auto dimensions = static_cast<size_t>(list[2]);
  const int64_t* pattern = list + 3;
  std::array<int64_t, 4> index{};
  for (int64_t& value : row) {
    int64_t sum = offset;
    for (size_t d = 0; d < dimensions; ++d) sum += index[d] * pattern[2 * d];
    value = static_cast<int32_t>(sum);
    for (size_t d = dimensions; d-- > 0;) {
      if (++index[d] < pattern[2 * d + 1]) break;
      index[d] = 0;
    }
  }
}

}  // namespace thorong::isa
