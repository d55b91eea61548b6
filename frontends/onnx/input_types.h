// SPDX-License-Identifier: Apache-2.0
// Static types for a model's inputs: symbolic dimensions are bound by --dim, by the inputs that
// were given, and by each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "frontends/onnx/importer.h"
#include "frontends/onnx/onnx_reader.h"

namespace thorong::onnx {

// One declared input: a tensor, or a structure with its tensors.
struct InputParts {
  std::string name;
  std::vector<ValueInfo> tensors;
  std::optional<ops::Structure> structure;
};

// Sequences become one tensor an item, named as ops::item_name does; optionals become their value
// or nothing.
Result<std::vector<InputParts>> split_inputs(const std::vector<const ValueInfo*>& inputs,
                                             const ImportOptions& options);

// The strings of a tensor of strings; an error when their number is not the shape's.
Result<ops::Text> text_of(const TensorProto& tensor);

// Types parallel to `inputs`, which are tensors.
Result<std::vector<ops::TensorType>> bind_input_types(const std::vector<const ValueInfo*>& inputs,
                                                      const ImportOptions& options);

}  // namespace thorong::onnx
