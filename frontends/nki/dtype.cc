// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/dtype.h"

#include <array>

#include "thorong/base/check.h"

namespace thorong::nki {
namespace {

using isa::Packed;
using numerics::Format;

constexpr std::array<DtypeInfo, 22> kDtypes = {
    {{"float32", Format::kFloat32},
     {"bfloat16", Format::kBfloat16},
     {"float16", Format::kFloat16},
     {"tfloat32", Format::kTfloat32},
     {"float8_e4m3", Format::kFloat8E4m3},
     {"float8_e4m3fn", Format::kFloat8E4m3fn},
     {"float8_e5m2", Format::kFloat8E5m2},
     {"float8_e3m4", Format::kFloat8E3m4},
     {"int8", Format::kInt8},
     {"int16", Format::kInt16},
     {"int32", Format::kInt32},
     {"int64", Format::kInt64},
     {"uint8", Format::kUint8},
     {"uint16", Format::kUint16},
     {"uint32", Format::kUint32},
     {"uint64", Format::kUint64},
     {"bool", Format::kBool},
     {"float64", Format::kFloat64},
     {"float8_e4m3fn_x4", Format::kUint32, Packed::kFloat8E4m3fnX4},
     {"float8_e5m2_x4", Format::kUint32, Packed::kFloat8E5m2X4},
     {"float4_e2m1fn_x4", Format::kUint16, Packed::kFloat4E2m1fnX4},
     {"float8_e8m0fnu", Format::kUint8, Packed::kFloat8E8m0fnu}}};

}  // namespace

std::span<const DtypeInfo> dtypes() { return kDtypes; }

std::optional<Dtype> parse_dtype(std::string_view name) {
  if (name == "bool_") name = "bool";
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (kDtypes[i].name == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

Dtype dtype_of(numerics::Format format) {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (kDtypes[i].format == format && kDtypes[i].packed == Packed::kNone)
      return static_cast<Dtype>(i);
  }
  THORONG_CHECK(false, "a format without a dtype of nki.language");
  return 0;
}

}  // namespace thorong::nki
