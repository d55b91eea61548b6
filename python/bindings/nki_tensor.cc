// SPDX-License-Identifier: Apache-2.0
// NkiTensor, VirtualRegister and ds for Python: views are made in C++, without a Python frame.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "nki_context.h"
#include "thorong/isa/instruction_table.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;
using nki::Index;
using nki::Tensor;

// nki.isa.VirtualRegister.
struct VirtualRegister {
  std::shared_ptr<nki::Register> state = std::make_shared<nki::Register>();
  bool frozen = false;  // the index of a counted loop
};

// nl.ds(start, size).
struct DynamicSlice {
  nb::object start;
  int64_t size;
};

std::shared_ptr<const Tensor> share(const Tensor& tensor) {
  return std::make_shared<const Tensor>(tensor);
}

// An index that the machine learns as it runs; false: an ordinary number.
bool dynamic_index(nb::handle item, Index& index) {
  if (nb::isinstance<Tensor>(item)) {
    index.kind = Index::Kind::kDynamic, index.tile = share(nb::cast<const Tensor&>(item));
    return true;
  }
  if (nb::isinstance<VirtualRegister>(item)) {
    index.kind = Index::Kind::kDynamic,
    index.register_ = nb::cast<const VirtualRegister&>(item).state;
    return true;
  }
  return false;
}

int64_t to_integer(nb::handle item) {
  Py_ssize_t value = PyNumber_AsSsize_t(item.ptr(), PyExc_IndexError);
  if (value == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
  return value;
}

std::optional<int64_t> maybe_integer(PyObject* item) {
  if (item == Py_None) return std::nullopt;
  return to_integer(nb::handle(item));
}

Index read_index(nb::handle item) {
  Index index;
  PyObject* raw = item.ptr();
  if (PyLong_Check(raw)) {
    index.start = to_integer(item);
  } else if (PySlice_Check(raw)) {
    auto* range = reinterpret_cast<PySliceObject*>(raw);
    index.kind = Index::Kind::kSlice;
    index.start = maybe_integer(range->start), index.stop = maybe_integer(range->stop);
    index.step = maybe_integer(range->step).value_or(1);
  } else if (raw == Py_Ellipsis) {
    index.kind = Index::Kind::kEllipsis;
  } else if (raw == Py_None) {
    index.kind = Index::Kind::kNewAxis;
  } else if (nb::isinstance<DynamicSlice>(item)) {
    const auto& part = nb::cast<const DynamicSlice&>(item);
    if (dynamic_index(part.start, index)) {
      index.size = part.size;
    } else {
      index.kind = Index::Kind::kSlice;
      index.start = to_integer(part.start), index.stop = *index.start + part.size;
    }
  } else if (!dynamic_index(item, index)) {
    if (PyIndex_Check(raw) == 0) {
      throw nb::type_error(
          (std::string(
               "a tensor is indexed by integers, slices, ..., nl.ds and index tiles, found ") +
           nb::repr(item).c_str())
              .c_str());
    }
    index.start = to_integer(item);
  }
  return index;
}

Tensor get_item(const Tensor& tensor, nb::handle key) {
  std::array<Index, nki::kMaxRank * 2> items;
  size_t count = 0;
  if (PyTuple_Check(key.ptr())) {
    auto n = static_cast<size_t>(PyTuple_GET_SIZE(key.ptr()));
    if (n > items.size()) throw nb::index_error("too many indices");
    for (; count < n; ++count)
      items[count] =
          read_index(nb::handle(PyTuple_GET_ITEM(key.ptr(), static_cast<Py_ssize_t>(count))));
  } else {
    items[count++] = read_index(key);
  }
  return nki_value(nki::index(tensor, std::span(items).first(count)));
}

// tensor[key] without nanobind's argument matching.
PyObject* subscript(PyObject* self, PyObject* key) {
  try {
    return nb::cast(get_item(*nb::inst_ptr<Tensor>(nb::handle(self)), nb::handle(key)))
        .release()
        .ptr();
  } catch (nb::python_error& error) {
    error.restore();
  } catch (const nb::builtin_exception& error) {
    PyErr_SetString(
        error.type() == nb::exception_type::type_error ? PyExc_TypeError : PyExc_IndexError,
        error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

PyType_Slot tensor_slots[] = {{Py_mp_subscript, reinterpret_cast<void*>(subscript)}, {0, nullptr}};

nb::tuple to_tuple(std::span<const int64_t> list) {
  nb::object result = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(list.size())));
  for (size_t i = 0; i < list.size(); ++i)
    PyTuple_SET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromLongLong(list[i]));
  return nb::borrow<nb::tuple>(result);
}

nki::Dtype need_dtype(nb::handle object) {
  auto dtype = find_dtype(object.ptr());
  if (!dtype)
    throw nb::type_error(
        (std::string("expected a dtype of nki.language, found ") + nb::repr(object).c_str())
            .c_str());
  return *dtype;
}

Tensor make_ap(const Tensor& tensor, nb::handle pattern, nb::handle offset,
               nb::handle scalar_offset, nb::handle vector_offset, int64_t indirect_dim,
               nb::handle dtype) {
  nki::ApOptions options;
  if (!offset.is_none()) options.offset = to_integer(offset);
  if (!dtype.is_none()) options.dtype = need_dtype(dtype);
  options.indirect_dim = indirect_dim;
  Index index;
  if (!scalar_offset.is_none()) {
    if (dynamic_index(scalar_offset, index))
      options.scalar_tile = index.tile, options.scalar_register = index.register_;
    else
      options.offset =
          options.offset.value_or(0) +
          to_integer(scalar_offset) * tensor.strides[static_cast<size_t>(indirect_dim)];
  }
  if (!vector_offset.is_none()) {
    if (!dynamic_index(vector_offset, index) || index.tile == nullptr)
      throw nb::type_error("ap: vector_offset expects an index tile");
    options.vector_tile = index.tile;
  }
  return nki_value(nki::ap(tensor, read_integers(pattern, "ap: pattern"), options));
}

Tensor select_item(const Tensor& tensor, int64_t dim, nb::handle item) {
  Index index;
  if (!dynamic_index(item, index)) index.start = to_integer(item);
  return nki_value(nki::select(tensor, dim, index));
}

nb::list pattern_of(const Tensor& tensor) {
  nb::list result;
  for (size_t i = 0; i < tensor.rank; ++i) {
    nb::list pair;
    pair.append(tensor.strides[i]);
    pair.append(tensor.shape[i]);
    result.append(pair);
  }
  return result;
}

// The values as the dtype's bytes: a NumPy array of uint8.
nb::object to_bytes(const Tensor& tensor) {
  auto n = static_cast<size_t>(tensor.elements() * tensor.element_bytes());
  auto* data = new std::byte[n];
  nb::capsule owner(data,
                    [](void* pointer) noexcept { delete[] static_cast<std::byte*>(pointer); });
  nki::read_bytes(tensor, data);
  return nb::cast(
      nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>>(reinterpret_cast<uint8_t*>(data), {n}, owner));
}

void from_bytes(
    const Tensor& tensor,
    const nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& bytes) {
  if (static_cast<int64_t>(bytes.size()) != tensor.elements() * tensor.element_bytes())
    throw nb::value_error("an array of another size");
  nki::write_bytes(tensor, reinterpret_cast<const std::byte*>(bytes.data()));
}

void bind_views(nb::class_<Tensor>& tensor) {
  using Ints = const std::vector<int64_t>&;
  tensor
      .def(
          "slice",
          [](const Tensor& t, int64_t dim, int64_t start, int64_t end, int64_t step) {
            return nki_value(nki::slice(t, dim, start, end, step));
          },
          nb::arg("dim"), nb::arg("start"), nb::arg("end"), nb::arg("step") = 1)
      .def("select", select_item, nb::arg("dim"), nb::arg("index"))
      .def(
          "vector_select",
          [](const Tensor& t, int64_t dim, const Tensor& offsets) {
            return nki_value(nki::vector_select(t, dim, share(offsets)));
          },
          nb::arg("dim"), nb::arg("vector_offset"))
      .def(
          "permute", [](const Tensor& t, Ints dims) { return nki_value(nki::permute(t, dims)); },
          nb::arg("dims"))
      .def(
          "broadcast",
          [](const Tensor& t, int64_t dim, int64_t size) {
            return nki_value(nki::broadcast(t, dim, size));
          },
          nb::arg("dim"), nb::arg("size"))
      .def(
          "expand_dim",
          [](const Tensor& t, int64_t dim) { return nki_value(nki::expand_dim(t, dim)); },
          nb::arg("dim"))
      .def(
          "squeeze_dim",
          [](const Tensor& t, int64_t dim) { return nki_value(nki::squeeze_dim(t, dim)); },
          nb::arg("dim"))
      .def(
          "reshape_dim",
          [](const Tensor& t, int64_t dim, Ints shape) {
            return nki_value(nki::reshape_dim(t, dim, shape));
          },
          nb::arg("dim"), nb::arg("shape"))
      .def(
          "flatten_dims",
          [](const Tensor& t, int64_t start, int64_t end) {
            return nki_value(nki::flatten_dims(t, start, end));
          },
          nb::arg("start_dim"), nb::arg("end_dim"))
      .def(
          "reshape", [](const Tensor& t, Ints shape) { return nki_value(nki::reshape(t, shape)); },
          nb::arg("shape"))
      .def(
          "view",
          [](const Tensor& t, nb::handle dtype) {
            return nki_value(nki::view(t, need_dtype(dtype)));
          },
          nb::arg("dtype"))
      .def("ap", make_ap, nb::arg("pattern"), nb::arg("offset") = nb::none(),
           nb::arg("scalar_offset") = nb::none(), nb::arg("vector_offset") = nb::none(),
           nb::arg("indirect_dim") = 0, nb::arg("dtype") = nb::none())
      .def(
          "indirect",
          [](const Tensor& t, const Tensor& index, std::optional<int64_t> n) {
            return nki_value(nki::indirect(t, share(index), n));
          },
          nb::arg("index"), nb::arg("num_elem") = nb::none());
}

int32_t place_of(NkiRun& context, isa::Opcode opcode) {
  return place_of_caller(context, static_cast<uint16_t>(opcode));
}

void finish_call(NkiRun& context, const Status& status) {
  if (!status.ok()) throw_nki_error(status);
  report_findings(context);
}

// Outside of a kernel a register is a number only.
void refuse_frozen(const VirtualRegister& target, const char* function) {
  if (!target.frozen) return;
  throw_nki_error(invalid_argument(std::string(function) +
                                   ": expected a register that the kernel may write, found the "
                                   "index of a counted loop. Copy it to a register of your own."));
}

void move_register(VirtualRegister& target, nb::handle source) {
  refuse_frozen(target, "register_move");
  int64_t value = to_integer(source);
  NkiRun* context = current_run();
  if (context == nullptr) {
    target.state->value = value, target.state->set = true;
    return;
  }
  const nki::Register* from = nb::isinstance<VirtualRegister>(source)
                                  ? nb::cast<const VirtualRegister&>(source).state.get()
                                  : nullptr;
  finish_call(*context,
              context->run->move_register(*target.state, value, from,
                                          place_of(*context, isa::Opcode::register_move)));
}

// `if register:` and `while register:` are the core's branches.
bool condition(const VirtualRegister& r) {
  if (NkiRun* context = current_run()) {
    const nki::Register* read = r.state.get();
    finish_call(*context, context->run->branch(std::span(&read, 1), nullptr, 0,
                                               place_of(*context, isa::Opcode::branch)));
  }
  return r.state->value != 0;
}

// A step of a counted loop; `bounds`: registers and numbers that decide whether there is one more.
void branch(const nb::list& bounds, VirtualRegister* index, int64_t value) {
  std::vector<const nki::Register*> read;
  for (nb::handle bound : bounds) {
    if (nb::isinstance<VirtualRegister>(bound))
      read.push_back(nb::cast<const VirtualRegister&>(bound).state.get());
  }
  NkiRun* context = current_run();
  if (context == nullptr) return;
  finish_call(*context, context->run->branch(read, index == nullptr ? nullptr : index->state.get(),
                                             value, place_of(*context, isa::Opcode::branch)));
}

void bind_register(nb::module_& module) {
  nb::class_<VirtualRegister>(module, "VirtualRegister")
      .def(
          "__init__",
          [](VirtualRegister* self, nb::handle state, bool frozen) {
            new (self) VirtualRegister;
            self->frozen = frozen;
            if (state.is_none()) return;
            self->state->value = to_integer(state), self->state->set = true;
          },
          nb::arg("state") = nb::none(), nb::arg("frozen") = false)
      .def_prop_ro("value", [](const VirtualRegister& r) { return r.state->value; })
      .def("__int__", [](const VirtualRegister& r) { return r.state->value; })
      .def("__index__", [](const VirtualRegister& r) { return r.state->value; })
      .def("__bool__", condition)
      .def("__repr__", [](const VirtualRegister& r) {
        return "VirtualRegister(" + std::to_string(r.state->value) + ")";
      });
  module.def("move_register", move_register);
  module.def("load_register", [](VirtualRegister& target, const Tensor& source) {
    NkiRun& context = need_run("register_load");
    refuse_frozen(target, "register_load");
    finish_call(context, context.run->load_register(*target.state, source,
                                                    place_of(context, isa::Opcode::register_load)));
  });
  module.def("store_register", [](const Tensor& target, const VirtualRegister& source) {
    NkiRun& context = need_run("register_store");
    finish_call(context,
                context.run->store_register(target, *source.state,
                                            place_of(context, isa::Opcode::register_store)));
  });
  module.def("branch", branch, nb::arg("bounds"), nb::arg("index").none(), nb::arg("value"));
}

}  // namespace

void bind_nki_tensor(nb::module_& module) {
  nb::class_<DynamicSlice>(module, "ds")
      .def(
          "__init__",
          [](DynamicSlice* self, nb::object start, int64_t size) {
            new (self) DynamicSlice{std::move(start), size};
          },
          nb::arg("start"), nb::arg("size"))
      .def_ro("start", &DynamicSlice::start)
      .def_ro("size", &DynamicSlice::size);
  auto tensor = nb::class_<Tensor>(module, "NkiTensor", nb::type_slots(tensor_slots),
                                   nb::is_weak_referenceable());
  tensor.def_prop_ro("shape", [](const Tensor& t) { return to_tuple(t.sizes()); })
      .def_prop_ro("strides",
                   [](const Tensor& t) {
                     return to_tuple({t.strides.data(), t.rank});
                   })
      .def_ro("offset", &Tensor::offset)
      .def_prop_ro("ndim", [](const Tensor& t) { return static_cast<int>(t.rank); })
      .def_prop_ro("size", &Tensor::elements)
      .def_prop_ro("dtype", [](const Tensor& t) { return dtype_object(t.dtype); })
      .def_prop_ro("buffer", [](const Tensor& t) { return region_object(t.storage->region); })
      .def_prop_rw(
          "name", [](const Tensor& t) { return t.storage->name; },
          [](Tensor& t, const std::string& name) { t.storage->name = name; })
      .def_prop_ro("itemsize", &Tensor::element_bytes)
      .def_prop_ro("address", [](const Tensor& t) { return t.storage->address; })
      .def("is_contiguous", &Tensor::contiguous)
      .def("is_indirect", [](const Tensor& t) { return t.dynamic != nullptr; })
      .def("get_pattern", pattern_of)
      .def("same_storage",
           [](const Tensor& t, const Tensor& other) { return t.storage == other.storage; })
      .def("to_bytes", to_bytes)
      .def("from_bytes", from_bytes)
      .def("__len__", [](const Tensor& t) { return t.shape[0]; })
      .def("__repr__", [](const Tensor& t) { return "<NkiTensor " + nki::to_string(t) + ">"; });
  bind_views(tensor);
  tensor.attr("reinterpret_cast") = tensor.attr("view");
  bind_register(module);
}

}  // namespace thorong::python
