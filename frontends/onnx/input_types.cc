// SPDX-License-Identifier: Apache-2.0
// Binds each symbolic dimension once and reports who contradicts whom.
#include "frontends/onnx/input_types.h"

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

}  // namespace

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
