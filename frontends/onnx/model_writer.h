// SPDX-License-Identifier: Apache-2.0
// Writes small ONNX models for the tests, field by field, so that wrong ones can be written too.
#pragma once

#include <cstdint>
#include <map>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <utility>
#include <vector>

namespace thorong::onnx {

// Each function gives the bytes of one message.
inline std::string message(const std::vector<std::pair<uint32_t, std::string>>& fields) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  for (const auto& [tag, text] : fields) writer.add_bytes(tag, text);
  return bytes;
}

// A dimension: a size, or a name when `name` is given; neither gives an unknown one.
struct TestDimension {
  int64_t size = -1;
  std::string name = {};
};

inline std::string value_info(const std::string& name, int32_t element_type,
                              const std::vector<TestDimension>& dims) {
  std::string shape;
  for (const TestDimension& dim : dims) {
    std::string bytes;
    protozero::pbf_writer writer(bytes);
    if (dim.size >= 0) writer.add_int64(1, dim.size);
    if (!dim.name.empty()) writer.add_string(2, dim.name);
    protozero::pbf_writer(shape).add_message(1, bytes);
  }
  std::string tensor;
  protozero::pbf_writer tensor_writer(tensor);
  tensor_writer.add_int32(1, element_type);
  tensor_writer.add_message(2, shape);
  return message({{1, name}, {2, message({{1, tensor}})}});
}

inline std::string tensor_header(const std::string& name, int32_t data_type,
                                 const std::vector<int64_t>& dims) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  for (int64_t dim : dims) writer.add_int64(1, dim);
  writer.add_int32(2, data_type);
  writer.add_string(8, name);
  return bytes;
}

inline std::string float_tensor(const std::string& name, const std::vector<int64_t>& dims,
                                const std::vector<float>& values) {
  std::string bytes = tensor_header(name, 1, dims);
  protozero::pbf_writer(bytes).add_packed_float(4, values.begin(), values.end());
  return bytes;
}

inline std::string raw_tensor(const std::string& name, int32_t data_type,
                              const std::vector<int64_t>& dims, const std::string& raw) {
  std::string bytes = tensor_header(name, data_type, dims);
  protozero::pbf_writer(bytes).add_bytes(9, raw);
  return bytes;
}

inline std::string int64_tensor(const std::string& name, const std::vector<int64_t>& dims,
                                const std::vector<int64_t>& values) {
  std::string bytes = tensor_header(name, 7, dims);
  protozero::pbf_writer(bytes).add_packed_int64(7, values.begin(), values.end());
  return bytes;
}

inline std::string external_tensor(const std::string& name, const std::vector<int64_t>& dims,
                                   const std::map<std::string, std::string>& entries) {
  std::string bytes = tensor_header(name, 1, dims);
  protozero::pbf_writer writer(bytes);
  for (const auto& [key, value] : entries) writer.add_message(13, message({{1, key}, {2, value}}));
  writer.add_int32(14, 1);
  return bytes;
}

inline std::string int_attribute(const std::string& name, int64_t value) {
  std::string bytes = message({{1, name}});
  protozero::pbf_writer writer(bytes);
  writer.add_int64(3, value);
  writer.add_int32(20, 2);
  return bytes;
}

inline std::string text_attribute(const std::string& name, const std::string& value) {
  std::string bytes = message({{1, name}, {4, value}});
  protozero::pbf_writer(bytes).add_int32(20, 3);
  return bytes;
}

inline std::string float_attribute(const std::string& name, float value) {
  std::string bytes = message({{1, name}});
  protozero::pbf_writer writer(bytes);
  writer.add_float(2, value);
  writer.add_int32(20, 1);
  return bytes;
}

inline std::string reference_attribute(const std::string& name, const std::string& reference,
                                       int32_t type) {
  std::string bytes = message({{1, name}, {21, reference}});
  protozero::pbf_writer(bytes).add_int32(20, type);
  return bytes;
}

inline std::string graph_attribute(const std::string& name, const std::string& graph) {
  std::string bytes = message({{1, name}, {6, graph}});
  protozero::pbf_writer(bytes).add_int32(20, 5);
  return bytes;
}

inline std::string node(const std::string& op_type, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs,
                        const std::vector<std::string>& attributes = {},
                        const std::string& domain = {}, const std::string& name = {}) {
  std::vector<std::pair<uint32_t, std::string>> fields;
  for (const std::string& input : inputs) fields.emplace_back(1, input);
  for (const std::string& output : outputs) fields.emplace_back(2, output);
  if (!name.empty()) fields.emplace_back(3, name);
  fields.emplace_back(4, op_type);
  for (const std::string& attribute : attributes) fields.emplace_back(5, attribute);
  if (!domain.empty()) fields.emplace_back(7, domain);
  return message(fields);
}

struct TestGraph {
  std::vector<std::string> nodes, initializers, inputs, outputs;
  std::string bytes() const {
    std::vector<std::pair<uint32_t, std::string>> fields;
    for (const std::string& part : nodes) fields.emplace_back(1, part);
    fields.emplace_back(2, "test");
    for (const std::string& part : initializers) fields.emplace_back(5, part);
    for (const std::string& part : inputs) fields.emplace_back(11, part);
    for (const std::string& part : outputs) fields.emplace_back(12, part);
    return message(fields);
  }
};

inline std::string opset(const std::string& domain, int64_t version) {
  std::string bytes = message({{1, domain}});
  protozero::pbf_writer(bytes).add_int64(2, version);
  return bytes;
}

inline std::string function(const std::string& domain, const std::string& name,
                            const std::vector<std::string>& inputs,
                            const std::vector<std::string>& outputs,
                            const std::vector<std::string>& nodes) {
  std::vector<std::pair<uint32_t, std::string>> fields{
      {1, name}, {10, domain}, {9, opset("", 17)}, {9, opset(domain, 1)}};
  for (const std::string& input : inputs) fields.emplace_back(4, input);
  for (const std::string& output : outputs) fields.emplace_back(5, output);
  for (const std::string& part : nodes) fields.emplace_back(7, part);
  return message(fields);
}

inline std::string model(const std::string& graph, int64_t version = 17,
                         const std::vector<std::string>& functions = {}) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_int64(1, 8);
  writer.add_string(2, "thorong-test");
  writer.add_message(7, graph);
  writer.add_message(8, opset("", version));
  writer.add_message(8, opset("local", 1));
  for (const std::string& part : functions) writer.add_message(25, part);
  return bytes;
}

}  // namespace thorong::onnx
