// SPDX-License-Identifier: Apache-2.0
// The table of all operators, collected from the files of ops/operators/ through a generated list.
#include <algorithm>
#include <iterator>

#include "thorong/ops/operator.h"

namespace thorong::ops {

#define THORONG_ENTRY(stem) std::vector<OperatorSpec> operator_specs_##stem();
#include "thorong/ops/operators.inc"
#undef THORONG_ENTRY

namespace {

using Collector = std::vector<OperatorSpec> (*)();

constexpr Collector kCollectors[] = {
#define THORONG_ENTRY(stem) &operator_specs_##stem,
#include "thorong/ops/operators.inc"
#undef THORONG_ENTRY
};

std::vector<OperatorSpec> collect() {
  std::vector<OperatorSpec> table;
  for (const Collector collector : kCollectors) {
    std::vector<OperatorSpec> specs = collector();
    std::move(specs.begin(), specs.end(), std::back_inserter(table));
  }
  std::sort(table.begin(), table.end(),
            [](const OperatorSpec& a, const OperatorSpec& b) { return a.name < b.name; });
  for (size_t i = 0; i < table.size(); ++i) {
    THORONG_CHECK(i == 0 || table[i - 1].name != table[i].name,
                  "two files define the operator " + table[i].name);
    THORONG_CHECK(table[i].infer && table[i].reference,
                  "no infer or reference in the operator " + table[i].name);
  }
  return table;
}

}  // namespace

std::span<const OperatorSpec> all_operators() {
  static const std::vector<OperatorSpec> table = collect();
  return table;
}

const OperatorSpec* find_operator(std::string_view name) {
  const std::span<const OperatorSpec> table = all_operators();
  const auto found = std::lower_bound(
      table.begin(), table.end(), name,
      [](const OperatorSpec& spec, std::string_view wanted) { return spec.name < wanted; });
  return found != table.end() && found->name == name ? &*found : nullptr;
}

}  // namespace thorong::ops
