// SPDX-License-Identifier: Apache-2.0
// TensorProto to ops::Tensor. Raw and external data become views; typed fields, and elements of
// less than 8 bits, which ONNX packs and Thorong holds one to a byte, are decoded into memory of
// their own.
#include "frontends/onnx/tensor_reader.h"

#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "frontends/onnx/wire.h"

namespace thorong::onnx {
namespace {

using numerics::Format;

constexpr int64_t kMaxTensorBytes = int64_t{1} << 40;

// The fields of one TensorProto message as they stand in the file.
struct RawFields {
  std::vector<double> doubles;    // float_data or double_data
  std::vector<int64_t> integers;  // int32_data, int64_data or uint64_data
  std::string_view raw;
  bool has_raw = false, is_external = false, is_segment = false;
  std::map<std::string, std::string> external;
};

void parse_entry(std::string_view bytes, std::map<std::string, std::string>& entries) {
  std::string key, value;
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        key = fields.text();
        break;
      case 2:
        value = fields.text();
        break;
      default:
        fields.skip();
    }
  }
  entries[key] = value;
}

void parse_fields(std::string_view bytes, TensorProto& tensor, RawFields& raw) {
  for (Fields fields(bytes); fields.next();) {
    switch (fields.tag()) {
      case 1:
        fields.append_integers(tensor.dims);
        break;
      case 2:
        tensor.data_type = fields.integer32();
        break;
      case 3:
        raw.is_segment = true;
        fields.skip();
        break;
      case 4:
        fields.append_floats(raw.doubles);
        break;
      case 5:
      case 7:
      case 11:
        fields.append_integers(raw.integers);
        break;
      case 6:
        tensor.strings.push_back(fields.text());
        break;
      case 8:
        tensor.name = fields.text();
        break;
      case 9:
        raw.raw = fields.bytes();
        raw.has_raw = true;
        break;
      case 10:
        fields.append_doubles(raw.doubles);
        break;
      case 13:
        parse_entry(fields.bytes(), raw.external);
        break;
      case 14:
        raw.is_external = fields.integer() == 1;
        break;
      default:
        fields.skip();
    }
  }
}

Result<int64_t> parse_count(const std::string& text, const char* what) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return invalid_argument(std::string("external data ") + what + " \"" + text +
                            "\" is not a count of bytes.");
  }
  return value;
}

// Bytes of a tensor's raw data.
int64_t raw_bytes(const ops::TensorType& type) {
  const int64_t bits = numerics::info(type.format).bits;
  return bits >= 8 ? static_cast<int64_t>(type.bytes()) : (type.elements() * bits + 7) / 8;
}

// Elements of 2, 4 or 6 bits from a stream whose first bits are the low bits of the first byte.
ops::Tensor unpack(const ops::TensorType& type, const std::byte* packed) {
  const auto bits = static_cast<size_t>(numerics::info(type.format).bits);
  const auto bytes = static_cast<size_t>(raw_bytes(type));
  const auto count = static_cast<size_t>(type.elements());
  std::byte* to = nullptr;
  ops::Tensor tensor = ops::Tensor::allocate(type, &to);
  for (size_t i = 0; i < count; ++i) {
    const size_t first = i * bits / 8;
    auto window = std::to_integer<unsigned>(packed[first]);
    if (first + 1 < bytes) window |= std::to_integer<unsigned>(packed[first + 1]) << 8;
    to[i] = static_cast<std::byte>(window >> (i * bits % 8) & ((1U << bits) - 1));
  }
  return tensor;
}

// Raw data at an address that `owner` keeps alive.
ops::Tensor raw_tensor(const ops::TensorType& type, const std::byte* data,
                       std::shared_ptr<const void> owner) {
  if (numerics::info(type.format).bits < 8) return unpack(type, data);
  ops::Tensor tensor;
  tensor.type = type;
  tensor.data = data;
  tensor.owner = std::move(owner);
  return tensor;
}

Result<ops::Tensor> external_tensor(const ops::TensorType& type, const RawFields& raw,
                                    ExternalFiles& external) {
  auto location = raw.external.find("location");
  if (location == raw.external.end()) {
    return invalid_argument(
        "the tensor says that its data is external, but gives no \"location\".");
  }
  int64_t offset = 0;
  const int64_t length = raw_bytes(type);
  if (auto entry = raw.external.find("offset"); entry != raw.external.end()) {
    THORONG_TRY(offset, parse_count(entry->second, "offset"));
  }
  if (auto entry = raw.external.find("length"); entry != raw.external.end()) {
    THORONG_TRY(int64_t given, parse_count(entry->second, "length"));
    if (given != length) {
      return invalid_argument("external data length is " + std::to_string(given) + ", but " +
                              ops::to_string(type.shape) + " of " +
                              std::string(numerics::name(type.format)) + " takes " +
                              std::to_string(length) + " bytes.");
    }
  }
  auto opened = external.open(location->second);
  const bool missing = opened.status().code() == Code::kNotFound ||
                       opened.status().code() == Code::kFailedPrecondition;
  if (missing && external.may_be_missing()) return ops::Tensor::absent_values(type);
  THORONG_TRY(auto file, std::move(opened));
  auto size = static_cast<int64_t>(file->bytes().size());
  if (offset > size || length > size - offset) {
    return out_of_range("external data file \"" + location->second + "\" has " +
                        std::to_string(size) + " bytes, but the tensor needs bytes " +
                        std::to_string(offset) + " to " + std::to_string(offset + length) +
                        ". Is the file complete?");
  }
  return raw_tensor(type, file->bytes().data() + offset, file);
}

template <typename T>
void store_as(std::byte* to, size_t index, int64_t value) {
  T element = static_cast<T>(value);
  std::memcpy(to + index * sizeof(T), &element, sizeof(T));
}

// Typed fields: floats in float_data/double_data; everything else, sixteen-bit and eight-bit floats
// too, as integers; of elements of 2 and 4 bits a packed byte each.
Result<ops::Tensor> typed_tensor(const ops::TensorType& type, const RawFields& raw) {
  const int bits = numerics::info(type.format).bits;
  const bool packed = bits == 2 || bits == 4;
  auto count = static_cast<size_t>(packed ? raw_bytes(type) : type.elements());
  bool in_doubles = type.format == Format::kFloat32 || type.format == Format::kFloat64;
  size_t found = in_doubles ? raw.doubles.size() : raw.integers.size();
  if (found != count) {
    return invalid_argument("the tensor of shape " + ops::to_string(type.shape) + " needs " +
                            std::to_string(count) + (packed ? " packed bytes" : " elements") +
                            ", but the file holds " + std::to_string(found) + ".");
  }
  if (packed) {
    std::vector<std::byte> bytes;
    for (int64_t value : raw.integers) bytes.push_back(static_cast<std::byte>(value & 0xFF));
    return unpack(type, bytes.data());
  }
  std::byte* to = nullptr;
  ops::Tensor tensor = ops::Tensor::allocate(type, &to);
  for (size_t i = 0; i < count; ++i) {
    if (type.format == Format::kFloat32) {
      auto value = static_cast<float>(raw.doubles[i]);
      std::memcpy(to + i * sizeof(float), &value, sizeof(float));
    } else if (type.format == Format::kFloat64) {
      std::memcpy(to + i * sizeof(double), &raw.doubles[i], sizeof(double));
    } else {
      switch (numerics::byte_size(type.format)) {
        case 1:
          store_as<uint8_t>(to, i, raw.integers[i] & ((1 << bits) - 1));
          break;
        case 2:
          store_as<uint16_t>(to, i, raw.integers[i]);
          break;
        case 4:
          store_as<uint32_t>(to, i, raw.integers[i]);
          break;
        default:
          store_as<int64_t>(to, i, raw.integers[i]);
          break;
      }
    }
  }
  return tensor;
}

Result<ops::Tensor> decode(const TensorProto& header, const RawFields& raw,
                           const std::shared_ptr<const void>& owner, ExternalFiles& external) {
  ops::TensorType type;
  THORONG_TRY(type.format, format_of_data_type(header.data_type));
  if (raw.is_segment)
    return unsupported("tensors in segments are not read; save the model with whole tensors.");
  type.shape = header.dims;
  int64_t count = ops::element_count(type.shape);
  auto element_bytes = static_cast<int64_t>(numerics::byte_size(type.format));
  if (count < 0 || count > kMaxTensorBytes / element_bytes) {
    return invalid_argument("the dimensions " + ops::to_string(type.shape) +
                            " are negative or their product is too large: a tensor has at most " +
                            std::to_string(kMaxTensorBytes >> 30) + " GiB. Is the file damaged?");
  }
  if (raw.is_external) return external_tensor(type, raw, external);
  if (count == 0) {
    std::byte* unused = nullptr;
    return ops::Tensor::allocate(type, &unused);
  }
  if (!raw.has_raw) return typed_tensor(type, raw);
  if (static_cast<int64_t>(raw.raw.size()) != raw_bytes(type)) {
    return invalid_argument("the tensor of shape " + ops::to_string(type.shape) + " and type " +
                            std::string(numerics::name(type.format)) + " needs " +
                            std::to_string(raw_bytes(type)) + " bytes, but its raw data has " +
                            std::to_string(raw.raw.size()) + ".");
  }
  return raw_tensor(type, reinterpret_cast<const std::byte*>(raw.raw.data()), owner);
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> ExternalFiles::open(const std::string& location) {
  namespace fs = std::filesystem;
  if (auto found = open_.find(location); found != open_.end()) return found->second;
  std::string quoted = "external data file \"" + location + "\"";
  if (folder_.empty()) {
    return failed_precondition(quoted +
                               " is needed, but the model was given as bytes, without a folder.");
  }
  fs::path relative(location);
  bool leaves =
      location.empty() || relative.is_absolute() || location.find('\0') != std::string::npos;
  for (const fs::path& part : relative) leaves = leaves || part == "..";
  if (leaves) {
    return invalid_argument(
        quoted +
        " does not lie inside the model's folder; its location must be a relative path "
        "without \"..\".");
  }
  std::error_code error;
  fs::path root = fs::canonical(folder_, error);
  if (error)
    return not_found("the model's folder cannot be resolved: " + error.message() + ".", folder_);
  fs::path path = fs::canonical(root / relative, error);
  if (error) {
    return not_found(quoted + " is missing in the folder \"" + folder_ +
                     "\". Put it beside the model.");
  }
  fs::path inside = path.lexically_relative(root);
  if (inside.empty() || *inside.begin() == "..") {
    return invalid_argument(
        quoted + " is a link that leaves the model's folder; copy the file there instead.");
  }
  THORONG_TRY(auto file, MappedFile::open(path.string()));
  open_[location] = file;
  return file;
}

std::vector<std::shared_ptr<const MappedFile>> ExternalFiles::files() const {
  std::vector<std::shared_ptr<const MappedFile>> result;
  for (const auto& [location, file] : open_) result.push_back(file);
  return result;
}

TensorProto parse_tensor(std::string_view bytes, const std::shared_ptr<const void>& owner,
                         ExternalFiles& external) {
  TensorProto tensor;
  RawFields raw;
  parse_fields(bytes, tensor, raw);
  tensor.data = decode(tensor, raw, owner, external);
  return tensor;
}

}  // namespace thorong::onnx
