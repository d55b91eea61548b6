// SPDX-License-Identifier: Apache-2.0
// Reads ONNX protobuf files (onnx.proto, IR versions 3 to 12) into plain structs. Weights stay
// where they are: tensors are views on the bytes that were given, or on mapped external data files.
// Every malformed input becomes a Status.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thorong/base/file.h"
#include "thorong/base/result.h"
#include "thorong/ops/graph.h"

namespace thorong::onnx {

struct GraphProto;

// A tensor's header, and its data or the reason why it has none here (strings, four-bit integers,
// ...).
struct TensorProto {
  std::string name;
  std::vector<int64_t> dims;
  int32_t data_type = 0;
  std::vector<std::string> strings;  // of a tensor of strings
  Result<ops::Tensor> data = invalid_argument("the tensor was not read.");
};

// One dimension of a declared shape: a size, a name, or neither.
struct Dimension {
  std::optional<int64_t> size;
  std::string name;
};

struct ValueInfo {
  std::string name;
  bool is_tensor = false;  // false: sequence, optional, or map, sparse tensor or no type at all
  bool is_sequence = false, is_optional = false;
  std::shared_ptr<const ValueInfo> element;  // of a sequence or optional
  int32_t element_type = 0;
  bool has_shape = false;
  std::vector<Dimension> shape;
};

enum class AttributeType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
  kSparseTensor = 11,
  kOther = 12,
};

struct AttributeProto {
  std::string name;
  std::string reference;  // in a function's body: the function's attribute that stands here
  AttributeType type = AttributeType::kUndefined;
  double f = 0;
  int64_t i = 0;
  std::string s;
  std::shared_ptr<const TensorProto> tensor;
  std::shared_ptr<const GraphProto> graph;
  std::vector<double> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
};

struct NodeProto {
  std::string name;
  std::string op_type;
  std::string domain;  // "ai.onnx" is read as ""
  std::string overload;
  std::vector<std::string> inputs;  // empty: absent optional operand
  std::vector<std::string> outputs;
  std::vector<AttributeProto> attributes;

  const AttributeProto* attribute(const std::string& attribute_name) const;
  // The name, or the first output's name when the node has none.
  std::string display_name() const;
};

struct GraphProto {
  std::string name;
  std::vector<NodeProto> nodes;
  std::vector<TensorProto> initializers;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::vector<ValueInfo> value_infos;
  size_t sparse_initializers = 0;
};

struct FunctionProto {
  std::string name;
  std::string domain;
  std::string overload;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<std::string> attributes;  // required
  std::vector<AttributeProto> default_attributes;
  std::vector<NodeProto> nodes;
  std::map<std::string, int64_t> opsets;
};

struct ModelProto {
  int64_t ir_version = 0;
  std::string producer_name;
  std::string producer_version;
  std::map<std::string, int64_t> opsets;  // domain -> version
  std::vector<FunctionProto> functions;
  GraphProto graph;
  std::vector<std::shared_ptr<const MappedFile>> external_files;
};

// The format of an ONNX element type (TensorProto.DataType), or an error sentence that names the
// type.
Result<ops::Format> format_of_data_type(int32_t data_type);
std::string data_type_name(int32_t data_type);
inline constexpr int32_t kStringDataType = 8;

// `owner` keeps `bytes` alive; tensors that are views hold it. `folder` is where external data may
// lie; empty: nowhere.
// weights_may_be_missing: external data files need not be there; their tensors are then absent.
Result<ModelProto> read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                              const std::string& folder, bool weights_may_be_missing = false);

// Reads a file that holds one TensorProto, as ONNX test data sets do.
Result<ops::Tensor> read_tensor_pb(const std::string& path);
Result<TensorProto> read_tensor_bytes(std::span<const std::byte> bytes,
                                      std::shared_ptr<const void> owner);

}  // namespace thorong::onnx
