// SPDX-License-Identifier: Apache-2.0
#include "tensors.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "errors.h"
#include "thorong/runtime/session.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;
using InputBytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using OutputBytes = nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>>;

std::string dtype_name(const ops::TensorType& type) {
  return std::string(numerics::name(type.format));
}

// A view: the array lives as long as the tensor or a copy of it.
ops::Tensor from_bytes(const std::string& dtype, const ops::Shape& shape, const InputBytes& bytes) {
  auto format = numerics::parse_format(dtype);
  THORONG_CHECK(format, "the package gave the element type '" + dtype + "'");
  ops::TensorType type{*format, shape};
  THORONG_CHECK(type.bytes() == bytes.size(), "the package gave an array of another size");
  std::byte* empty = nullptr;
  if (bytes.size() == 0) return ops::Tensor::allocate(type, &empty);
  std::shared_ptr<const void> owner(new InputBytes(bytes), [](const InputBytes* array) {
    nb::gil_scoped_acquire acquire;
    delete array;
  });
  return {type, std::move(owner), reinterpret_cast<const std::byte*>(bytes.data())};
}

// The tensor's own memory: nobody else reads a result's values.
OutputBytes to_bytes(const ops::Tensor& tensor) {
  using Owner = std::shared_ptr<const void>;
  nb::capsule owner(new Owner(tensor.owner),
                    [](void* pointer) noexcept { delete static_cast<Owner*>(pointer); });
  auto* data = const_cast<std::byte*>(tensor.data);
  return OutputBytes(reinterpret_cast<uint8_t*>(data), {tensor.bytes()}, owner);
}

}  // namespace

ops::Structures read_structures(const nb::dict& given) {
  using Kind = ops::Structure::Kind;
  ops::Structures structures;
  for (auto [name, value] : given) {
    ops::Structure& structure = structures[nb::cast<std::string>(name)];
    if (value.is_none()) continue;
    if (nb::try_cast<int64_t>(value, structure.count)) {
      structure.kind = Kind::kSequence;
      continue;
    }
    structure.kind = Kind::kText;
    structure.text.shape = nb::cast<std::vector<int64_t>>(value[nb::int_(0)]);
    structure.text.strings = nb::cast<std::vector<std::string>>(value[nb::int_(1)]);
  }
  return structures;
}

nb::dict write_structures(const ops::Structures& structures) {
  using Kind = ops::Structure::Kind;
  nb::dict all;
  for (const auto& [name, structure] : structures) {
    nb::str key(name.c_str(), name.size());
    if (structure.kind == Kind::kSequence)
      all[key] = structure.count;
    else if (structure.kind == Kind::kText)
      all[key] = nb::make_tuple(structure.text.shape, structure.text.strings);
    else
      all[key] = nb::none();
  }
  return all;
}

void bind_tensors(nb::module_& module) {
  nb::class_<ops::Tensor>(module, "Tensor")
      .def_static("from_bytes", from_bytes)
      .def("to_bytes", to_bytes)
      .def_prop_ro("dtype", [](const ops::Tensor& tensor) { return dtype_name(tensor.type); })
      .def_prop_ro("shape", [](const ops::Tensor& tensor) { return tensor.type.shape; });
  nb::class_<runtime::Signature>(module, "Signature")
      .def_ro("name", &runtime::Signature::name)
      .def_prop_ro("dtype", [](const runtime::Signature& s) { return dtype_name(s.type); })
      .def_prop_ro("shape", [](const runtime::Signature& s) { return s.type.shape; });
  std::vector<std::string> formats;
  for (int i = 0; i < numerics::format_count(); ++i) {
    formats.emplace_back(numerics::name(static_cast<numerics::Format>(i)));
  }
  module.attr("formats") = formats;
}

}  // namespace thorong::python
