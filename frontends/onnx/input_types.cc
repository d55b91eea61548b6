// SPDX-License-Identifier: Apache-2.0
// Binds each symbolic dimension once and reports who contradicts whom.
#include "frontends/onnx/input_types.h"

#include <algorithm>
#include <set>

namespace thorong::onnx {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 40;

struct Binding {
  int64_t size = 0;
  std::string source;  // who said so
};
using Bindings = std::map<std::string, Binding>;

std::string dimension_name(const ValueInfo& input, size_t axis) {
  const Dimension& dimension = input.shape[axis];
  // Exporters write "?" for a dimension they know nothing about: each such place is its own.
  bool anonymous = dimension.name.empty() || dimension.name == "?";
  return anonymous ? input.name + "." + std::to_string(axis) : dimension.name;
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

Status bind_size(Bindings& bindings, const std::string& name, int64_t size,
                 const std::string& source) {
  auto [place, is_new] = bindings.emplace(name, Binding{size, source});
  if (is_new || place->second.size == size) return ok_status();
  return invalid_argument("dimension \"" + name + "\" is " + std::to_string(place->second.size) +
                          " by " + place->second.source + ", but " + std::to_string(size) + " by " +
                          source + ". Give it one size.");
}

Status bind_given(const ValueInfo& input, const ops::TensorType& given, Bindings& bindings) {
  std::string place = "input \"" + input.name + "\"";
  THORONG_TRY(ops::Format format, format_of_data_type(input.element_type));
  if (format != given.format) {
    return invalid_argument("the model declares " + std::string(numerics::name(format)) +
                                ", but the given tensor is " +
                                std::string(numerics::name(given.format)) + "; convert it.",
                            place);
  }
  if (!input.has_shape) return ok_status();
  if (input.shape.size() != given.shape.size()) {
    return invalid_argument("the model declares rank " + std::to_string(input.shape.size()) +
                                ", but the given tensor has shape " + ops::to_string(given.shape) +
                                ".",
                            place);
  }
  for (size_t i = 0; i < input.shape.size(); ++i) {
    const Dimension& dimension = input.shape[i];
    if (!dimension.size) {
      THORONG_RETURN_IF_ERROR(bind_size(bindings, dimension_name(input, i), given.shape[i], place));
    } else if (*dimension.size != given.shape[i]) {
      return invalid_argument("the model declares dimension " + std::to_string(i) + " as " +
                                  std::to_string(*dimension.size) +
                                  ", but the given tensor has shape " +
                                  ops::to_string(given.shape) + ".",
                              place);
    }
  }
  return ok_status();
}

Status bind_options(const ImportOptions& options, const std::set<std::string>& known,
                    Bindings& bindings) {
  for (const auto& [name, size] : options.dims) {
    if (!known.contains(name)) {
      return not_found("the model's inputs have no symbolic dimension \"" + name +
                           "\"; they have: " + joined(known) + ".",
                       "--dim " + name);
    }
    if (size < 0)
      return invalid_argument("the size must not be negative, found " + std::to_string(size) + ".",
                              "--dim " + name);
    THORONG_RETURN_IF_ERROR(bind_size(bindings, name, size, "--dim " + name));
  }
  return ok_status();
}

Status unbound_error(const std::vector<const ValueInfo*>& inputs, const Bindings& bindings,
                     bool random) {
  std::string text, example;
  std::set<std::string> seen;
  for (const ValueInfo* input : inputs) {
    for (size_t i = 0; i < input->shape.size(); ++i) {
      std::string name = dimension_name(*input, i);
      if (input->shape[i].size || bindings.contains(name) || !seen.insert(name).second) continue;
      text += (text.empty() ? "\"" : ", \"") + name + "\" of input \"" + input->name + "\"";
      example += " --dim " + name + "=N";
    }
  }
  std::string how = random ? "" : ", or give the inputs' files";
  return failed_precondition("the sizes of these dimensions are not known: " + text +
                             ". Say them with" + example + how + ".");
}

Result<ops::TensorType> bound_type(const ValueInfo& input, const ImportOptions& options,
                                   const Bindings& bindings) {
  ops::TensorType type;
  THORONG_TRY(type.format, format_of_data_type(input.element_type));
  if (auto given = options.input_types.find(input.name); given != options.input_types.end()) {
    type.shape = given->second.shape;
  } else {
    for (size_t i = 0; i < input.shape.size(); ++i) {
      const Dimension& dimension = input.shape[i];
      type.shape.push_back(dimension.size ? *dimension.size
                                          : bindings.at(dimension_name(input, i)).size);
    }
  }
  int64_t elements = ops::element_count(type.shape);
  if (elements < 0 ||
      elements > kMaxBytes / static_cast<int64_t>(numerics::byte_size(type.format))) {
    return out_of_range("the shape " + ops::to_string(type.shape) +
                        " is too large: a tensor has at most " + std::to_string(kMaxBytes >> 30) +
                        " GiB. Bind smaller sizes (--dim), or check the file.");
  }
  return type;
}

Status check_declarations(const std::vector<const ValueInfo*>& inputs,
                          const ImportOptions& options) {
  std::set<std::string> names;
  for (const ValueInfo* input : inputs) {
    std::string place = "input \"" + input->name + "\"";
    if (!names.insert(input->name).second)
      return invalid_argument("the name is declared twice.", place);
    if (!input->is_tensor)
      return unsupported("only tensors can be inputs; this is a sequence, a map, or has no type.",
                         place);
    if (Status status = format_of_data_type(input->element_type).status(); !status.ok())
      return status.at(place);
    if (!input->has_shape && !options.input_types.contains(input->name)) {
      return failed_precondition("the model declares no shape; give the input's file.", place);
    }
  }
  for (const auto& [name, type] : options.input_types) {
    if (!names.contains(name)) {
      return not_found("the model has no such input; it has: " + joined(names) + ".",
                       "input \"" + name + "\"");
    }
  }
  return ok_status();
}

// The given structure of an input, of the kind that it needs.
const ops::Structure* given_structure(const ImportOptions& options, const std::string& name) {
  auto found = options.input_structures.find(name);
  return found == options.input_structures.end() ? nullptr : &found->second;
}

Result<InputParts> split_sequence(const ValueInfo& input, const ImportOptions& options) {
  InputParts parts{input.name, {}, ops::Structure{ops::Structure::Kind::kSequence, 0, {}}};
  const ops::Structure* given = given_structure(options, input.name);
  if (given != nullptr && given->kind != ops::Structure::Kind::kSequence)
    return invalid_argument("the model declares a sequence; give a list of arrays.");
  int64_t count = given != nullptr ? given->count : 0;
  if (given == nullptr) {
    while (options.input_types.contains(ops::item_name(input.name, count))) ++count;
    if (count == 0) {
      return failed_precondition("the model declares a sequence; give its tensors as " +
                                 ops::item_name(input.name, 0) + ", " +
                                 ops::item_name(input.name, 1) + ", ...");
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    ValueInfo item = input.element ? *input.element : ValueInfo{};
    item.name = ops::item_name(input.name, i);
    item.shape.clear();
    item.has_shape = false;  // the items may differ, whatever names their dimensions have
    if (!item.is_tensor || item.element_type == kStringDataType)
      return unsupported("sequences of anything but tensors of numbers are not done.");
    parts.tensors.push_back(std::move(item));
  }
  parts.structure->count = count;
  return parts;
}

Result<InputParts> split_input(const ValueInfo& input, const ImportOptions& options) {
  using Kind = ops::Structure::Kind;
  if (input.is_sequence) return split_sequence(input, options);
  const ops::Structure* given = given_structure(options, input.name);
  if (input.is_optional) {
    const bool some = options.input_types.contains(input.name) ||
                      options.input_types.contains(ops::item_name(input.name, 0)) ||
                      (given != nullptr && given->kind != Kind::kAbsent);
    if (!some || !input.element) return InputParts{input.name, {}, ops::Structure{}};
    ValueInfo value = *input.element;
    value.name = input.name;
    return split_input(value, options);
  }
  if (given != nullptr && given->kind == Kind::kSequence)
    return invalid_argument("the model declares a tensor, and a list of arrays was given.");
  if (given != nullptr && given->kind == Kind::kAbsent)
    return invalid_argument("the model declares a tensor that is not optional; give an array.");
  const bool is_text = input.is_tensor && input.element_type == kStringDataType;
  if (is_text && given == nullptr)
    return failed_precondition("the model declares strings; give them (random ones are not made).");
  if (is_text) return InputParts{input.name, {}, *given};
  if (given != nullptr)
    return invalid_argument("the model declares numbers, and strings were given.");
  return InputParts{input.name, {input}, std::nullopt};
}

}  // namespace

Result<std::vector<InputParts>> split_inputs(const std::vector<const ValueInfo*>& inputs,
                                             const ImportOptions& options) {
  std::vector<InputParts> all;
  for (const ValueInfo* input : inputs) {
    auto parts = split_input(*input, options);
    if (!parts.ok()) return parts.status().at("input \"" + input->name + "\"");
    all.push_back(std::move(*parts));
  }
  for (const auto& [name, structure] : options.input_structures) {
    if (std::ranges::find(all, name, &InputParts::name) == all.end())
      return not_found("the model has no such input.", "input \"" + name + "\"");
  }
  return all;
}

Result<ops::Text> text_of(const TensorProto& tensor) {
  if (ops::element_count(tensor.dims) != static_cast<int64_t>(tensor.strings.size())) {
    return invalid_argument("the tensor of strings of shape " + ops::to_string(tensor.dims) +
                            " holds " + std::to_string(tensor.strings.size()) + " strings.");
  }
  return ops::Text{tensor.dims, tensor.strings};
}

Result<std::vector<ops::TensorType>> bind_input_types(const std::vector<const ValueInfo*>& inputs,
                                                      const ImportOptions& options) {
  THORONG_RETURN_IF_ERROR(check_declarations(inputs, options));
  std::set<std::string> known;
  for (const ValueInfo* input : inputs) {
    for (size_t i = 0; i < input->shape.size(); ++i) {
      if (!input->shape[i].size) known.insert(dimension_name(*input, i));
    }
  }
  Bindings bindings;
  THORONG_RETURN_IF_ERROR(bind_options(options, known, bindings));
  for (const ValueInfo* input : inputs) {
    auto given = options.input_types.find(input->name);
    if (given != options.input_types.end())
      THORONG_RETURN_IF_ERROR(bind_given(*input, given->second, bindings));
  }
  for (const std::string& name : known) {
    if (!bindings.contains(name))
      return unbound_error(inputs, bindings, options.random_inputs_need_dims);
  }
  std::vector<ops::TensorType> types;
  for (const ValueInfo* input : inputs) {
    auto type = bound_type(*input, options, bindings);
    if (!type.ok()) return type.status().at("input \"" + input->name + "\"");
    types.push_back(*type);
  }
  return types;
}

}  // namespace thorong::onnx
