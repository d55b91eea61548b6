// SPDX-License-Identifier: Apache-2.0
// If with a condition that is known: the branch is imported in its place.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Status import_if(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(int64_t condition, c.constant_integer(0, "cond"));
  const AttributeProto* branch = node.attribute(condition != 0 ? "then_branch" : "else_branch");
  if (branch == nullptr || !branch->graph)
    return invalid_argument("then_branch or else_branch is missing.");
  THORONG_TRY(auto results, c.import_subgraph(*branch->graph));
  for (size_t i = 0; i < results.size(); ++i) THORONG_RETURN_IF_ERROR(c.set_output(i, results[i]));
  return ok_status();
}

}  // namespace

std::vector<ImportRule> import_rules_control() { return {{"", "If", 1, kAnyVersion, import_if}}; }

}  // namespace thorong::onnx
