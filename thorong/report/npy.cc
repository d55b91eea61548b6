// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy format: writing version 1.0, reading versions 1 to 3. The header is a Python
// dictionary of three keys; what is read of a file is checked before memory is reserved for it.
#include "thorong/report/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "thorong/report/report.h"

namespace thorong::report {
namespace {

using numerics::Format;

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
constexpr size_t kMaxDimensions = 64;  // NumPy's own limit

struct Descriptor {
  std::string_view text;
  Format format;
};

// As np.save writes them. ml_dtypes' formats are raw bytes; float8_e5m2 too, because the '<f1' that
// np.save writes for it is refused by np.load.
constexpr std::array<Descriptor, 14> kDescriptors = {{{"<f4", Format::kFloat32},
                                                      {"<f8", Format::kFloat64},
                                                      {"<f4", Format::kTfloat32},
                                                      {"<f2", Format::kFloat16},
                                                      {"|b1", Format::kBool},
                                                      {"|i1", Format::kInt8},
                                                      {"<i2", Format::kInt16},
                                                      {"<i4", Format::kInt32},
                                                      {"<i8", Format::kInt64},
                                                      {"|u1", Format::kUint8},
                                                      {"<u2", Format::kUint16},
                                                      {"<u4", Format::kUint32},
                                                      {"<u8", Format::kUint64},
                                                      {"<V2", Format::kBfloat16}}};
constexpr std::string_view kRawByte = "<V1";  // every other format

std::string_view descriptor(Format format) {
  for (const Descriptor& entry : kDescriptors) {
    if (entry.format == format) return entry.text;
  }
  return kRawByte;
}

struct Header {
  std::string descr;
  bool fortran_order = false;
  ops::Shape shape;
};

// Reads the header's dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  thorong::Result<Header> parse() {
    Header header;
    int seen = 0;
    if (!take('{')) return bad("does not start with '{'");
    while (!take('}')) {
      std::string key;
      if (!read_string(key) || !take(':')) return bad("has no quoted key followed by ':'");
      if (key == "descr") {
        THORONG_RETURN_IF_ERROR(read_descr(header));
        seen |= 1;
      } else if (key == "fortran_order") {
        if (!read_bool(header.fortran_order))
          return bad("has a fortran_order that is not True or False");
        seen |= 2;
      } else if (key == "shape") {
        if (!read_shape(header.shape)) return bad("has a shape that is not a tuple of sizes");
        seen |= 4;
      } else {
        return bad(fmt::format("has the unknown key of {} characters", key.size()));
      }
      if (!take(',') && !peek('}')) return bad("lacks a ',' between entries");
    }
    skip_space();
    if (at_ != text_.size()) return bad("goes on after its '}'");
    if (seen != 7) return bad("lacks one of 'descr', 'fortran_order', 'shape'");
    return header;
  }

 private:
  Status bad(std::string_view what) const {
    return invalid_argument(
        fmt::format("the .npy header {} (at its byte {}). Save the array again with numpy.save.",
                    what, at_),
        where_);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t'))
      ++at_;
  }
  bool peek(char wanted) {
    skip_space();
    return at_ < text_.size() && text_[at_] == wanted;
  }
  bool take(char wanted) {
    bool found = peek(wanted);
    if (found) ++at_;
    return found;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool read_string(std::string& value) {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return false;
    size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return false;
    value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value.find('\\') == std::string::npos;
  }

  Status read_descr(Header& header) {
    if (peek('[')) {
      return unsupported("holds a structured array (fields); give a plain array of numbers.",
                         where_);
    }
    if (!read_string(header.descr)) return bad("has a descr that is not a string");
    return ok_status();
  }

  bool read_bool(bool& value) {
    value = take_word("True");
    return value || take_word("False");
  }

  bool read_shape(ops::Shape& shape) {
    if (!take('(')) return false;
    while (!take(')')) {
      int64_t size = 0;
      if (!read_size(size) || shape.size() >= kMaxDimensions) return false;
      shape.push_back(size);
      if (!take(',') && !peek(')')) return false;
    }
    return true;
  }

  bool read_size(int64_t& size) {
    skip_space();
    size_t first = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (__builtin_mul_overflow(size, 10, &size) ||
          __builtin_add_overflow(size, text_[at_] - '0', &size)) {
        return false;
      }
    }
    bool any = at_ > first;
    if (any && at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2
    return any;
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

// Descriptors of raw bytes do not say which format they hold.
thorong::Result<Format> raw_format(size_t bytes, std::optional<Format> hint,
                                   const std::string& where) {
  if (hint && numerics::byte_size(*hint) == bytes) return *hint;
  if (hint) {
    return invalid_argument(fmt::format("holds raw elements of {} bytes, but {} was expected.",
                                        bytes, numerics::name(*hint)),
                            where);
  }
  if (bytes == 2) return Format::kBfloat16;
  return invalid_argument(
      fmt::format(
          "holds raw elements of {} byte(s) (NumPy's dtype V{}), which do not say their number "
          "format. Save the array as float32, or pass it through the Python interface.",
          bytes, bytes),
      where);
}

thorong::Result<Format> format_of(const std::string& descr, std::optional<Format> hint,
                                  const std::string& where) {
  std::string kind = descr;
  if (!kind.empty() && (kind[0] == '=' || kind[0] == '|')) kind[0] = '<';
  if (kind == "<V1" || kind == "<V2") return raw_format(kind == "<V1" ? 1 : 2, hint, where);
  if (kind == "<f1") return Format::kFloat8E5m2;  // np.save of ml_dtypes' only format of kind 'f'
  if (kind == "<b1" || kind == "<?") return Format::kBool;
  for (const Descriptor& entry : kDescriptors) {
    if (kind.substr(kind.empty() ? 0 : 1) == entry.text.substr(1) && kind[0] == '<') {
      // A float32 file serves where tfloat32 is expected, and nothing else is ambiguous here.
      return hint == Format::kTfloat32 && entry.format == Format::kFloat32 ? *hint : entry.format;
    }
  }
  if (!kind.empty() && kind[0] == '>') {
    return unsupported(
        fmt::format("is big-endian ('{}'). Convert it: a.astype(a.dtype.newbyteorder('<')).",
                    descr),
        where);
  }
  if (kind.find('O') != std::string::npos) {
    return unsupported("holds Python objects, which are never read from a file. Save numbers.",
                       where);
  }
  return unsupported(
      fmt::format(
          "has the NumPy dtype '{}'. Booleans, integers and real floating-point numbers of up to "
          "64 bits can be read; convert with a.astype.",
          descr.substr(0, 40)),
      where);
}

// Copies a column-major array into row-major order.
ops::Tensor from_fortran(const ops::TensorType& type, const std::byte* source) {
  std::byte* target = nullptr;
  ops::Tensor tensor = ops::Tensor::allocate(type, &target);
  const size_t rank = type.shape.size();
  const size_t size = numerics::byte_size(type.format);
  std::vector<size_t> stride(rank, 1), index(rank, 0);
  for (size_t d = 1; d < rank; ++d)
    stride[d] = stride[d - 1] * static_cast<size_t>(type.shape[d - 1]);
  const auto count = static_cast<size_t>(type.elements());
  for (size_t i = 0, from = 0; i < count; ++i) {
    std::memcpy(target + i * size, source + from * size, size);
    for (size_t d = rank; d-- > 0;) {
      from += stride[d];
      if (++index[d] < static_cast<size_t>(type.shape[d])) break;
      from -= stride[d] * index[d];
      index[d] = 0;
    }
  }
  return tensor;
}

// NumPy reads any byte but zero as True; here a bool is 0 or 1.
bool has_odd_bools(const ops::TensorType& type, const std::byte* data, size_t bytes) {
  return type.format == Format::kBool &&
         std::any_of(data, data + bytes, [](std::byte b) { return b > std::byte{1}; });
}

ops::Tensor make_tensor(ops::TensorType type, bool fortran, std::span<const std::byte> data,
                        std::shared_ptr<const void> owner) {
  if (fortran && type.shape.size() > 1 && !data.empty()) return from_fortran(type, data.data());
  bool odd = has_odd_bools(type, data.data(), data.size());
  if (owner && !data.empty() && !odd) {
    return ops::Tensor{std::move(type), std::move(owner), data.data()};
  }
  std::byte* target = nullptr;
  ops::Tensor tensor = ops::Tensor::allocate(std::move(type), &target);
  if (!data.empty()) std::memcpy(target, data.data(), data.size());
  if (odd)
    std::transform(target, target + data.size(), target,
                   [](std::byte b) { return b == std::byte{0} ? std::byte{0} : std::byte{1}; });
  return tensor;
}

// Splits the file into header text and data.
Status split(std::span<const std::byte> bytes, const std::string& where, std::string_view& header,
             std::span<const std::byte>& data) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < 10) {
    return invalid_argument("is not an .npy file: it does not start with NumPy's mark.", where);
  }
  auto byte_at = [&](size_t i) { return static_cast<size_t>(std::to_integer<uint8_t>(bytes[i])); };
  const size_t version = byte_at(6);
  if (version < 1 || version > 3) {
    return unsupported(fmt::format("has .npy version {}; 1 to 3 can be read.", version), where);
  }
  const size_t start = version == 1 ? 10 : 12;
  size_t length = byte_at(8) | (byte_at(9) << 8);
  if (version > 1 && text.size() >= start) length |= (byte_at(10) << 16) | (byte_at(11) << 24);
  if (text.size() < start || length > text.size() - start) {
    return invalid_argument("ends inside its .npy header; the file is cut short.", where);
  }
  header = text.substr(start, length);
  data = bytes.subspan(start + length);
  return ok_status();
}

}  // namespace

std::string npy_header(const ops::TensorType& type) {
  std::string shape;
  for (int64_t size : type.shape) shape += fmt::format("{}{}", shape.empty() ? "" : ", ", size);
  if (type.shape.size() == 1) shape += ",";
  std::string dictionary = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                       descriptor(type.format), shape);
  const size_t before = kMagic.size() + 4;
  const size_t total = (before + dictionary.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  const size_t length = total - before;
  dictionary.append(length - dictionary.size() - 1, ' ');
  std::string header(kMagic);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(length & 0xff);
  header += static_cast<char>((length >> 8) & 0xff);
  return header + dictionary + "\n";
}

std::string to_npy(const ops::Tensor& tensor) {
  std::string image = npy_header(tensor.type);
  if (tensor) image.append(tensor.as<char>(), tensor.bytes());
  return image;
}

thorong::Result<ops::Tensor> parse_npy_as(std::span<const std::byte> bytes,
                                          const std::string& where, std::optional<Format> hint,
                                          std::shared_ptr<const void> owner) {
  std::string_view text;
  std::span<const std::byte> data;
  THORONG_RETURN_IF_ERROR(split(bytes, where, text, data));
  THORONG_TRY(Header header, HeaderParser(text, where).parse());
  THORONG_TRY(Format format, format_of(header.descr, hint, where));
  ops::TensorType type{format, std::move(header.shape)};
  int64_t elements = type.elements();
  const auto size = static_cast<int64_t>(numerics::byte_size(format));
  int64_t needed = 0;
  if (elements < 0 || __builtin_mul_overflow(elements, size, &needed)) {
    return invalid_argument(
        fmt::format("has a shape whose size cannot be counted: {}.", ops::to_string(type.shape)),
        where);
  }
  if (static_cast<uint64_t>(needed) != data.size()) {
    return invalid_argument(
        fmt::format(
            "holds {} bytes of data where its shape {} and dtype {} need {}; the file is {}.",
            data.size(), ops::to_string(type.shape), numerics::name(format), needed,
            static_cast<uint64_t>(needed) > data.size() ? "cut short" : "longer than one array"),
        where);
  }
  return make_tensor(std::move(type), header.fortran_order, data, std::move(owner));
}

thorong::Result<ops::Tensor> parse_npy(std::span<const std::byte> bytes, const std::string& where) {
  return parse_npy_as(bytes, where, std::nullopt);
}

}  // namespace thorong::report
