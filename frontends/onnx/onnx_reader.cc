// SPDX-License-Identifier: Apache-2.0
// Messages of onnx.proto, field by field. Field numbers are those of onnx.proto; unknown fields are
// skipped.
#include "frontends/onnx/onnx_reader.h"

#include <array>

#include "frontends/onnx/tensor_reader.h"
#include "frontends/onnx/wire.h"

namespace thorong::onnx {
namespace {

constexpr int kMaxGraphDepth = 32;
constexpr int kMaxTypeDepth = 8;

struct Parser {
  std::shared_ptr<const void> owner;
  ExternalFiles external;
  int depth = 0;

  GraphProto graph(std::string_view bytes);
  NodeProto node(std::string_view bytes);
  AttributeProto attribute(std::string_view bytes);
  FunctionProto function(std::string_view bytes);
  ModelProto model(std::string_view bytes);
};

std::string normal_domain(std::string domain) {
  return domain == "ai.onnx" ? std::string() : domain;
}

Dimension parse_dimension(std::string_view bytes) {
  Dimension dimension;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        dimension.size = fields.integer();
        break;
      case 2:
        dimension.name = fields.text();
        break;
      default:
        fields.skip();
    }
  }
  if (dimension.size && *dimension.size < 0)
    dimension.size.reset();  // exporters write -1 for "unknown"
  return dimension;
}

void parse_tensor_type(std::string_view bytes, ValueInfo& info) {
  info.is_tensor = true;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        info.element_type = fields.integer32();
        break;
      case 2:
        info.has_shape = true;
        for (Fields shape(fields.bytes()); shape.next();) {
          if (shape.tag() == 1)
            info.shape.push_back(parse_dimension(shape.bytes()));
          else
            shape.skip();
        }
        break;
      default:
        fields.skip();
    }
  }
}

void parse_type(std::string_view bytes, ValueInfo& info, int depth);

// The element of a sequence or optional type.
void parse_element_type(std::string_view bytes, ValueInfo& info, int depth) {
  ValueInfo element;
  for (Fields fields(bytes); fields.next();) {
    if (fields.tag() == 1)
      parse_type(fields.bytes(), element, depth + 1);
    else
      fields.skip();
  }
  info.element = std::make_shared<const ValueInfo>(std::move(element));
}

void parse_type(std::string_view bytes, ValueInfo& info, int depth) {
  if (depth > kMaxTypeDepth) {
    throw Malformed{"types are nested deeper than " + std::to_string(kMaxTypeDepth) + " levels"};
  }
  for (Fields type(bytes); type.next();) {
    switch (type.tag()) {
      case 1:
        parse_tensor_type(type.bytes(), info);
        break;
      case 4:
        info.is_sequence = true;
        parse_element_type(type.bytes(), info, depth);
        break;
      case 9:
        info.is_optional = true;
        parse_element_type(type.bytes(), info, depth);
        break;
      default:
        type.skip();
    }
  }
}

ValueInfo parse_value_info(std::string_view bytes) {
  ValueInfo info;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        info.name = fields.text();
        break;
      case 2:
        parse_type(fields.bytes(), info, 0);
        break;
      default:
        fields.skip();
    }
  }
  return info;
}

void parse_opset(std::string_view bytes, std::map<std::string, int64_t>& opsets) {
  std::string domain;
  int64_t version = 0;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        domain = fields.text();
        break;
      case 2:
        version = fields.integer();
        break;
      default:
        fields.skip();
    }
  }
  opsets[normal_domain(domain)] = version;
}

// Very old files have no type field: the field that is there says it.
void guess_type(AttributeProto& attribute, AttributeType type) {
  if (attribute.type == AttributeType::kUndefined) attribute.type = type;
}

AttributeProto Parser::attribute(std::string_view bytes) {
  AttributeProto result;
  AttributeType declared = AttributeType::kUndefined;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        result.name = fields.text();
        break;
      case 2:
        result.f = static_cast<double>(fields.number());
        guess_type(result, AttributeType::kFloat);
        break;
      case 3:
        result.i = fields.integer();
        guess_type(result, AttributeType::kInt);
        break;
      case 4:
        result.s = fields.text();
        guess_type(result, AttributeType::kString);
        break;
      case 5:
        result.tensor =
            std::make_shared<const TensorProto>(parse_tensor(fields.bytes(), owner, external));
        guess_type(result, AttributeType::kTensor);
        break;
      case 6:
        result.graph = std::make_shared<const GraphProto>(graph(fields.bytes()));
        guess_type(result, AttributeType::kGraph);
        break;
      case 7:
        fields.append_floats(result.floats);
        guess_type(result, AttributeType::kFloats);
        break;
      case 8:
        fields.append_integers(result.ints);
        guess_type(result, AttributeType::kInts);
        break;
      case 9:
        result.strings.push_back(fields.text());
        guess_type(result, AttributeType::kStrings);
        break;
      case 20:
        declared = static_cast<AttributeType>(fields.integer32());
        break;
      case 21:
        result.reference = fields.text();
        break;
      default:
        fields.skip();
    }
  }
  if (declared != AttributeType::kUndefined) result.type = declared;
  return result;
}

NodeProto Parser::node(std::string_view bytes) {
  NodeProto result;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        result.inputs.push_back(fields.text());
        break;
      case 2:
        result.outputs.push_back(fields.text());
        break;
      case 3:
        result.name = fields.text();
        break;
      case 4:
        result.op_type = fields.text();
        break;
      case 5:
        result.attributes.push_back(attribute(fields.bytes()));
        break;
      case 7:
        result.domain = normal_domain(fields.text());
        break;
      case 8:
        result.overload = fields.text();
        break;
      default:
        fields.skip();
    }
  }
  return result;
}

GraphProto Parser::graph(std::string_view bytes) {
  if (++depth > kMaxGraphDepth) {
    throw Malformed{"graphs are nested deeper than " + std::to_string(kMaxGraphDepth) + " levels"};
  }
  GraphProto result;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        result.nodes.push_back(node(fields.bytes()));
        break;
      case 2:
        result.name = fields.text();
        break;
      case 5:
        result.initializers.push_back(parse_tensor(fields.bytes(), owner, external));
        break;
      case 11:
        result.inputs.push_back(parse_value_info(fields.bytes()));
        break;
      case 12:
        result.outputs.push_back(parse_value_info(fields.bytes()));
        break;
      case 13:
        result.value_infos.push_back(parse_value_info(fields.bytes()));
        break;
      case 15:
        ++result.sparse_initializers;
        fields.skip();
        break;
      default:
        fields.skip();
    }
  }
  --depth;
  return result;
}

FunctionProto Parser::function(std::string_view bytes) {
  FunctionProto result;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        result.name = fields.text();
        break;
      case 4:
        result.inputs.push_back(fields.text());
        break;
      case 5:
        result.outputs.push_back(fields.text());
        break;
      case 6:
        result.attributes.push_back(fields.text());
        break;
      case 7:
        result.nodes.push_back(node(fields.bytes()));
        break;
      case 9:
        parse_opset(fields.bytes(), result.opsets);
        break;
      case 10:
        result.domain = normal_domain(fields.text());
        break;
      case 11:
        result.default_attributes.push_back(attribute(fields.bytes()));
        break;
      case 13:
        result.overload = fields.text();
        break;
      default:
        fields.skip();
    }
  }
  return result;
}

ModelProto Parser::model(std::string_view bytes) {
  ModelProto result;
  bool has_graph = false;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        result.ir_version = fields.integer();
        break;
      case 2:
        result.producer_name = fields.text();
        break;
      case 3:
        result.producer_version = fields.text();
        break;
      case 7:
        if (has_graph) throw Malformed{"the file holds two graphs"};
        result.graph = graph(fields.bytes());
        has_graph = true;
        break;
      case 8:
        parse_opset(fields.bytes(), result.opsets);
        break;
      case 25:
        result.functions.push_back(function(fields.bytes()));
        break;
      default:
        fields.skip();
    }
  }
  if (!has_graph) throw Malformed{"it holds no graph"};
  result.external_files = external.files();
  return result;
}

// What is often given by mistake; empty for anything else.
std::string known_format(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\x93NUMPY")) return "it is a NumPy array (.npy)";
  if (text.starts_with("PK\3\4")) return "it is a zip archive (.npz, or saved by torch.save)";
  return "";
}

// Runs `parse` and turns what it throws into a Status.
template <typename T, typename Parse>
Result<T> guarded(const char* what, std::span<const std::byte> bytes, Parse&& parse) {
  if (bytes.empty())
    return invalid_argument(std::string("the file is empty; expected ") + what + ".");
  if (const std::string known = known_format(bytes); !known.empty())
    return invalid_argument(std::string("the file is not ") + what + ": " + known + ".");
  std::string reason;
  try {
    return parse(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  } catch (const Malformed& error) {
    reason = error.reason;
  } catch (const protozero::end_of_buffer_exception&) {
    reason = "a field is longer than the file; the file may be cut off";
  } catch (const protozero::exception&) {
    reason = "its bytes are no protobuf message";
  } catch (const std::bad_alloc&) {
    return resource_exhausted(std::string("not enough memory to read ") + what + ".");
  }
  return invalid_argument("the file is not " + std::string(what) + ", or it is damaged: " + reason +
                          ".");
}

constexpr std::array<const char*, 29> kTypeNames = {
    "undefined",      "float32",    "uint8",          "int8",       "uint16",    "int16",
    "int32",          "int64",      "string",         "bool",       "float16",   "float64",
    "uint32",         "uint64",     "complex64",      "complex128", "bfloat16",  "float8e4m3fn",
    "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",      "int4",      "float4e2m1",
    "float8e8m0",     "uint2",      "int2",           "float6e2m3", "float6e3m2"};

}  // namespace

std::string data_type_name(int32_t data_type) {
  if (data_type < 0 || static_cast<size_t>(data_type) >= kTypeNames.size()) {
    return "number " + std::to_string(data_type);
  }
  return kTypeNames[static_cast<size_t>(data_type)];
}

Result<ops::Format> format_of_data_type(int32_t data_type) {
  using numerics::Format;
  switch (data_type) {
    case 1:
      return Format::kFloat32;
    case 2:
      return Format::kUint8;
    case 3:
      return Format::kInt8;
    case 4:
      return Format::kUint16;
    case 5:
      return Format::kInt16;
    case 6:
      return Format::kInt32;
    case 7:
      return Format::kInt64;
    case 9:
      return Format::kBool;
    case 10:
      return Format::kFloat16;
    case 11:
      return Format::kFloat64;
    case 12:
      return Format::kUint32;
    case 13:
      return Format::kUint64;
    case 16:
      return Format::kBfloat16;
    case 17:
      return Format::kFloat8E4m3fn;
    case 18:
      return Format::kFloat8E4m3fnuz;
    case 19:
      return Format::kFloat8E5m2;
    case 20:
      return Format::kFloat8E5m2fnuz;
    case 21:
      return Format::kUint4;
    case 22:
      return Format::kInt4;
    case 23:
      return Format::kFloat4E2m1fn;
    case 24:
      return Format::kFloat8E8m0fnu;
    case 25:
      return Format::kUint2;
    case 26:
      return Format::kInt2;
    case 27:
      return Format::kFloat6E2m3fn;
    case 28:
      return Format::kFloat6E3m2fn;
    default:
      break;
  }
  if (data_type <= 0 || static_cast<size_t>(data_type) >= kTypeNames.size()) {
    return invalid_argument("element type " + data_type_name(data_type) + " is not an ONNX type.");
  }
  return unsupported(
      "tensors of element type " + data_type_name(data_type) +
      " are not done here; convert them to a float or to an integer of up to 64 bits.");
}

const AttributeProto* NodeProto::attribute(const std::string& attribute_name) const {
  for (const AttributeProto& candidate : attributes) {
    if (candidate.name == attribute_name) return &candidate;
  }
  return nullptr;
}

std::string NodeProto::display_name() const {
  if (!name.empty()) return name;
  for (const std::string& output : outputs) {
    if (!output.empty()) return output;
  }
  return op_type;
}

Result<ModelProto> read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                              const std::string& folder, bool weights_may_be_missing) {
  Parser parser{std::move(owner), ExternalFiles(folder, weights_may_be_missing)};
  return guarded<ModelProto>("an ONNX model", bytes,
                             [&](std::string_view view) { return parser.model(view); });
}

Result<TensorProto> read_tensor_bytes(std::span<const std::byte> bytes,
                                      std::shared_ptr<const void> owner) {
  ExternalFiles external("");
  return guarded<TensorProto>("an ONNX tensor", bytes, [&](std::string_view view) {
    return parse_tensor(view, owner, external);
  });
}

Result<ops::Tensor> read_tensor_pb(const std::string& path) {
  THORONG_TRY(auto file, MappedFile::open(path));
  auto tensor = read_tensor_bytes(file->bytes(), file);
  if (!tensor.ok()) return tensor.status().at(path);
  if (!tensor->data.ok()) return tensor->data.status().at(path);
  return tensor->data;
}

}  // namespace thorong::onnx
