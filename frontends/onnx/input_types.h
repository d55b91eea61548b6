// SPDX-License-Identifier: Apache-2.0
// Static types for a model's inputs: symbolic dimensions are bound by --dim, by the inputs that
// were given, and by each other.
#pragma once

#include <vector>

#include "frontends/onnx/importer.h"
#include "frontends/onnx/onnx_reader.h"

namespace thorong::onnx {

// Types parallel to `inputs`.
Result<std::vector<ops::TensorType>> bind_input_types(const std::vector<const ValueInfo*>& inputs,
                                                      const ImportOptions& options);

}  // namespace thorong::onnx
