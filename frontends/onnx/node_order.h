// SPDX-License-Identifier: Apache-2.0
// The order in which a graph's nodes are imported.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "frontends/onnx/onnx_reader.h"

namespace thorong::onnx {

// The nodes that `outputs` need, operands before users, otherwise in the file's order. `known` says
// whether a name is defined outside the nodes. Errors: a name that nothing defines, a name defined
// twice, a cycle (naming its nodes).
Result<std::vector<const NodeProto*>> order_nodes(
    const std::vector<NodeProto>& nodes, const std::vector<std::string>& outputs,
    const std::function<bool(const std::string&)>& known);

}  // namespace thorong::onnx
