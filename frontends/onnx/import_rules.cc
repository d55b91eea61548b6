// SPDX-License-Identifier: Apache-2.0
// Collects the rules of imports/*.cc through the list that CMake writes.
#include <algorithm>
#include <unordered_map>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {

#define THORONG_ENTRY(stem) std::vector<ImportRule> import_rules_##stem();
#include "frontends/onnx/imports.inc"
#undef THORONG_ENTRY

const std::vector<ImportRule>& all_rules() {
  static const std::vector<ImportRule> rules = [] {
    std::vector<ImportRule> all;
    auto take = [&all](std::vector<ImportRule> some) {
      for (ImportRule& rule : some) all.push_back(std::move(rule));
    };
#define THORONG_ENTRY(stem) take(import_rules_##stem());
#include "frontends/onnx/imports.inc"
#undef THORONG_ENTRY
    return all;
  }();
  return rules;
}

const ImportRule* find_rule(const std::string& domain, const std::string& op_type,
                            int64_t version) {
  static const auto by_name = [] {
    std::unordered_map<std::string, std::vector<const ImportRule*>> map;
    for (const ImportRule& rule : all_rules())
      map[rule.domain + "\n" + rule.op_type].push_back(&rule);
    return map;
  }();
  auto found = by_name.find(domain + "\n" + op_type);
  if (found == by_name.end()) return nullptr;
  for (const ImportRule* rule : found->second) {
    if (version >= rule->since_version && version <= rule->until_version) return rule;
  }
  return nullptr;
}

}  // namespace thorong::onnx
