// SPDX-License-Identifier: Apache-2.0
// A checked cursor over one protobuf message, on top of protozero: the wire type of every field is
// checked before it is read. Errors are thrown as protozero::exception or Malformed and caught in
// onnx_reader.cc; they never leave this folder.
#pragma once

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace thorong::onnx {

struct Malformed {
  std::string reason;
};

class Fields {
 public:
  explicit Fields(std::string_view bytes) : reader_(bytes.data(), bytes.size()) {}

  bool next() { return reader_.next(); }
  uint32_t tag() const { return reader_.tag(); }
  void skip() { reader_.skip(); }

  int64_t integer() {
    need(protozero::pbf_wire_type::varint);
    return reader_.get_int64();
  }
  int32_t integer32() { return static_cast<int32_t>(integer()); }
  float number() {
    need(protozero::pbf_wire_type::fixed32);
    return reader_.get_float();
  }
  std::string_view bytes() {
    need(protozero::pbf_wire_type::length_delimited);
    protozero::data_view view = reader_.get_view();
    return {view.data(), view.size()};
  }
  std::string text() { return std::string(bytes()); }

  // Repeated numbers: packed, or one a field.
  void append_integers(std::vector<int64_t>& values) {
    if (reader_.wire_type() != protozero::pbf_wire_type::length_delimited) {
      values.push_back(integer());
      return;
    }
    for (int64_t value : reader_.get_packed_int64()) values.push_back(value);
  }
  void append_floats(std::vector<double>& values) {
    if (reader_.wire_type() != protozero::pbf_wire_type::length_delimited) {
      values.push_back(static_cast<double>(number()));
      return;
    }
    for (float value : reader_.get_packed_float()) values.push_back(static_cast<double>(value));
  }
  void append_doubles(std::vector<double>& values) {
    if (reader_.wire_type() != protozero::pbf_wire_type::length_delimited) {
      need(protozero::pbf_wire_type::fixed64);
      values.push_back(reader_.get_double());
      return;
    }
    for (double value : reader_.get_packed_double()) values.push_back(value);
  }

 private:
  void need(protozero::pbf_wire_type type) const {
    if (reader_.wire_type() != type) {
      throw Malformed{"field " + std::to_string(reader_.tag()) + " has wire type " +
                      std::to_string(static_cast<int>(reader_.wire_type())) + " where type " +
                      std::to_string(static_cast<int>(type)) + " is expected"};
    }
  }

  protozero::pbf_reader reader_;
};

}  // namespace thorong::onnx
