// SPDX-License-Identifier: Apache-2.0
// Inputs and outputs of a program that are no tensors: sequences of tensors, absent optionals and
// strings. Graphs hold tensors only; what surrounds them is settled when a program is imported.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace thorong::ops {

// A tensor of strings, row-major.
struct Text {
  std::vector<int64_t> shape;
  std::vector<std::string> strings;
  bool operator==(const Text&) const = default;
};

// What NAME stands for where it is no tensor. The tensors of a sequence are NAME[0], NAME[1], ...
struct Structure {
  enum class Kind : uint8_t { kSequence, kAbsent, kText };
  Kind kind = Kind::kAbsent;
  int64_t count = 0;  // of a sequence
  Text text;
  bool operator==(const Structure&) const = default;
};

using Structures = std::map<std::string, Structure>;

// The name of one tensor of a sequence.
inline std::string item_name(const std::string& name, int64_t index) {
  return name + "[" + std::to_string(index) + "]";
}

}  // namespace thorong::ops
