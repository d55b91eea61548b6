// SPDX-License-Identifier: Apache-2.0
#include "thorong/runtime/inputs.h"

#include <fmt/format.h>

#include <cmath>

#include "frontends/onnx/onnx_reader.h"
#include "thorong/report/report.h"

namespace thorong::runtime {
namespace {

using numerics::mix;

// By a counter, so that an input's values do not depend on the other inputs.
ops::Tensor random_tensor(const Signature& signature, uint64_t seed) {
  std::byte* data = nullptr;
  ops::Tensor tensor = ops::Tensor::allocate(signature.type, &data);
  uint64_t key = mix(mix(seed), signature.name);
  bool floats = numerics::is_float(signature.type.format);
  auto n = static_cast<size_t>(signature.type.elements());
  for (size_t i = 0; i < n; ++i) {
    uint64_t bits = mix(key + i);
    auto count = static_cast<uint64_t>(signature.range.high - signature.range.low) + 1;
    auto value =
        static_cast<double>(signature.range.low + static_cast<int64_t>((bits >> 11) % count));
    if (floats) {
      // The sum of twelve uniforms is normal enough, and the same on every host (no libm).
      value = -6;
      for (int j = 0; j < 4; ++j, bits = mix(bits)) {
        value += static_cast<double>(bits & 0x1fffff) / 0x200000 +
                 static_cast<double>((bits >> 21) & 0x1fffff) / 0x200000 +
                 static_cast<double>((bits >> 42) & 0x1fffff) / 0x200000;
      }
    }
    numerics::store_from_double(signature.type.format, data, i, value);
  }
  return tensor;
}

}  // namespace

Result<std::vector<ops::Tensor>> complete_inputs(const std::vector<Signature>& declared,
                                                 const std::map<std::string, ops::Tensor>& given,
                                                 uint64_t seed, bool timing_only,
                                                 std::vector<std::string>* random) {
  std::string names;
  for (const Signature& s : declared) {
    names += fmt::format("{}'{}' {} {}", names.empty() ? "" : ", ", s.name,
                         numerics::name(s.type.format), ops::to_string(s.type.shape));
  }
  for (const auto& [name, tensor] : given) {
    bool known = false;
    for (const Signature& s : declared) known = known || s.name == name;
    if (!known)
      return invalid_argument(
          fmt::format("the model has no input '{}'. Its inputs are {}.", name, names), "--input");
  }
  std::vector<ops::Tensor> tensors;
  for (const Signature& s : declared) {
    auto it = given.find(s.name);
    if (it == given.end()) {
      random->push_back(s.name);
      tensors.push_back(timing_only ? ops::Tensor{} : random_tensor(s, seed));
      continue;
    }
    const ops::Tensor& tensor = it->second;
    if (tensor.type.shape != s.type.shape) {
      return invalid_argument(
          fmt::format("input '{}' has shape {} and the model declares {}. Give an array of that "
                      "shape, or bind "
                      "symbolic dimensions with --dim.",
                      s.name, ops::to_string(tensor.type.shape), ops::to_string(s.type.shape)),
          "--input");
    }
    bool raw = numerics::byte_size(tensor.type.format) == numerics::byte_size(s.type.format) &&
               tensor.type.format != s.type.format &&
               numerics::name(tensor.type.format).starts_with("uint") &&
               numerics::is_float(s.type.format) && numerics::byte_size(s.type.format) <= 2;
    if (tensor.type.format != s.type.format && !raw) {
      return invalid_argument(
          fmt::format("input '{}' is {} and the model declares {}. Convert the array (NumPy: "
                      "array.astype(...)).",
                      s.name, numerics::name(tensor.type.format), numerics::name(s.type.format)),
          "--input");
    }
    tensors.push_back(tensor);
    tensors.back().type.format = s.type.format;  // bf16 and fp8 arrays arrive as raw words
  }
  return tensors;
}

Result<ops::Tensor> read_input_file(const std::string& path, const std::string& input) {
  if (path.ends_with(".pb")) return onnx::read_tensor_pb(path);
  THORONG_TRY(auto file, MappedFile::open(path));
  if (path.ends_with(".npz")) {
    auto named = report::parse_npz(file->bytes(), input, path);
    if (named.status().code() != Code::kNotFound) return named;
    auto only = report::parse_npz(file->bytes(), "", path);  // whatever its name
    return only.ok() ? only : named;
  }
  return report::parse_npy(file->bytes(), path);
}

}  // namespace thorong::runtime
