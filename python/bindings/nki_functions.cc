// SPDX-License-Identifier: Apache-2.0
// The functions of nki.isa, one object for each instruction with parameters: name, signature and
// documentation come from the instruction's table. A call goes by the vector call protocol straight
// to KernelRun::call.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <structmember.h>

#include <cstddef>
#include <memory>
#include <span>

#include "errors.h"
#include "nki_context.h"
#include "thorong/isa/instruction_table.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;
using isa::Argument;

constexpr size_t kMostParameters = 20;

// What a call returns.
struct NkiInstruction {
  int64_t index;
};

struct Function {
  PyObject_HEAD vectorcallfunc vectorcall;
  uint16_t opcode;
  uint16_t parameters;
  PyObject* names[kMostParameters];  // interned
};

PyTypeObject* tensor_type = nullptr;

bool read_list(PyObject* object, Argument& value) {
  Py_ssize_t n = PySequence_Fast_GET_SIZE(object);
  if (n > 0 && Py_TYPE(PySequence_Fast_GET_ITEM(object, 0)) == tensor_type) {
    value.kind = Argument::Kind::kTiles;
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(object, i);
      if (Py_TYPE(item) != tensor_type) return false;
      value.objects.push_back(nb::inst_ptr<nki::Tensor>(nb::handle(item)));
    }
    return true;
  }
  value.kind = Argument::Kind::kIntegers;
  value.integers = read_integers(nb::handle(object), "a list");
  return true;
}

bool read_number(PyObject* object, Argument& value) {
  value.kind = Argument::Kind::kNumber;
  if (PyFloat_Check(object)) {
    value.number = PyFloat_AS_DOUBLE(object);
    value.integer =
        value.number >= -9e18 && value.number <= 9e18 ? static_cast<int64_t>(value.number) : 0;
    return true;
  }
  if (PyIndex_Check(object) != 0) {
    nb::object number = nb::steal(PyNumber_Index(object));
    if (!number.is_valid()) return false;
    int overflow = 0;
    value.integer = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0)
      value.integer = static_cast<int64_t>(PyLong_AsUnsignedLongLongMask(number.ptr()));
    value.integral = true;
    value.number =
        overflow != 0 ? PyLong_AsDouble(number.ptr()) : static_cast<double>(value.integer);
    return PyErr_Occurred() == nullptr;
  }
  nb::object number = nb::steal(PyNumber_Float(object));
  if (!number.is_valid()) return false;
  return read_number(number.ptr(), value);
}

// False: not something that an instruction takes; a Python error may be set.
bool read_value(PyObject* object, Argument& value) {
  if (Py_TYPE(object) == tensor_type) {
    value.kind = Argument::Kind::kTile,
    value.object = nb::inst_ptr<nki::Tensor>(nb::handle(object));
    return true;
  }
  if (object == Py_None) {
    value.kind = Argument::Kind::kNone;
    return true;
  }
  if (PyBool_Check(object)) {
    value.kind = Argument::Kind::kBool, value.flag = object == Py_True,
    value.number = value.flag ? 1 : 0, value.integer = value.flag ? 1 : 0;
    return true;
  }
  if (PyFloat_CheckExact(object) || PyLong_CheckExact(object)) return read_number(object, value);
  if (const NkiName* name = find_name(object)) {
    value.kind = Argument::Kind::kName, value.name_kind = name->kind, value.code = name->code;
    return true;
  }
  if (PyUnicode_Check(object)) {
    value.kind = Argument::Kind::kText, value.object = object;
    return true;
  }
  if (PyList_Check(object) || PyTuple_Check(object)) return read_list(object, value);
  if (PyNumber_Check(object) != 0) return read_number(object, value);
  return false;
}

size_t find_parameter(const Function& function, PyObject* name) {
  for (size_t i = 0; i < function.parameters; ++i) {
    if (function.names[i] == name) return i;
  }
  for (size_t i = 0; i < function.parameters; ++i) {
    if (PyUnicode_Compare(function.names[i], name) == 0) return i;
  }
  return kMostParameters;
}

// `dtype=` beside dst says what dst says already, or a warning is due; false: warnings are errors.
bool agrees_with_destination(const Function& function, PyObject* dtype,
                             const Argument& destination) {
  if (dtype == nullptr || dtype == Py_None) return true;
  if (destination.kind == Argument::Kind::kTile &&
      find_dtype(dtype) == static_cast<const nki::Tensor*>(destination.object)->dtype)
    return true;
  nb::module_::import_("thorong.nki._errors")
      .attr("report")(
          "dtype",
          nb::str("{}: dtype={!r} has no effect beside dst: the result is written as dst's dtype. "
                  "Leave dtype out, or make dst of that dtype.")
              .attr("format")(isa::spec(function.opcode).mnemonic, nb::handle(dtype)),
          caller(need_run("dtype")));
  return true;
}

// Sets the error of a keyword that the function does not have.
void no_parameter(const Function& function, PyObject* name) {
  std::string all;
  for (const isa::Parameter& parameter : isa::spec(function.opcode).parameters)
    all += (all.empty() ? "" : ", ") + std::string(parameter.name);
  PyErr_Format(PyExc_TypeError, "%s: no parameter is called '%U'; there are %s",
               isa::spec(function.opcode).mnemonic.c_str(), name, all.c_str());
}

bool read_arguments(const Function& function, PyObject* const* arguments, size_t positional,
                    PyObject* keywords, Argument* values) {
  const std::string& mnemonic = isa::spec(function.opcode).mnemonic;
  if (positional > function.parameters) {
    PyErr_Format(PyExc_TypeError, "%s: expected at most %d arguments, found %zd", mnemonic.c_str(),
                 static_cast<int>(function.parameters), static_cast<Py_ssize_t>(positional));
    return false;
  }
  bool has_destination = PyUnicode_CompareWithASCIIString(function.names[0], "dst") == 0;
  PyObject* dtype = nullptr;
  size_t total =
      positional + (keywords != nullptr ? static_cast<size_t>(PyTuple_GET_SIZE(keywords)) : 0);
  for (size_t i = 0; i < total; ++i) {
    size_t at = i;
    if (i >= positional) {
      PyObject* name = PyTuple_GET_ITEM(keywords, static_cast<Py_ssize_t>(i - positional));
      at = find_parameter(function, name);
      if (at == kMostParameters) {
        if (has_destination && PyUnicode_CompareWithASCIIString(name, "dtype") == 0) {
          dtype = arguments[i];
          continue;
        }
        no_parameter(function, name);
        return false;
      }
    }
    if (values[at].kind != Argument::Kind::kAbsent) {
      PyErr_Format(PyExc_TypeError, "%s: the argument '%U' is given twice", mnemonic.c_str(),
                   function.names[at]);
      return false;
    }
    if (!read_value(arguments[i], values[at])) {
      if (PyErr_Occurred() == nullptr) {
        PyErr_Format(PyExc_TypeError,
                     "%s: %U expects a tensor, a number or an operator of nki, found %R",
                     mnemonic.c_str(), function.names[at], arguments[i]);
      }
      return false;
    }
  }
  return agrees_with_destination(function, dtype, values[0]);
}

// As many arguments as the function has, on the stack: most calls have few.
struct Arguments {
  explicit Arguments(size_t n) : all(reinterpret_cast<Argument*>(room), n) {
    std::uninitialized_value_construct(all.begin(), all.end());
  }
  ~Arguments() { std::destroy(all.begin(), all.end()); }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  alignas(Argument) std::byte room[sizeof(Argument) * kMostParameters];
  std::span<Argument> all;
};

PyObject* call(PyObject* self, PyObject* const* arguments, size_t flags, PyObject* keywords) {
  auto& function = *reinterpret_cast<Function*>(self);
  try {
    Arguments values(function.parameters);
    if (!read_arguments(function, arguments, static_cast<size_t>(PyVectorcall_NARGS(flags)),
                        keywords, values.all.data()))
      return nullptr;
    NkiRun& context = need_run(isa::spec(function.opcode).mnemonic.c_str());
    Status status =
        context.run->call(function.opcode, values.all, place_of_caller(context, function.opcode));
    if (!status.ok()) {
      set_nki_error(status, &context);
      return nullptr;
    }
    report_findings(context);
    auto index = static_cast<int64_t>(context.run->program().instructions.size()) - 1;
    const Argument& name = values.all.back();  // the last parameter of each
    if (name.kind == Argument::Kind::kText) {
      context.run->name_last(nb::cast<std::string>(
          nb::handle(static_cast<PyObject*>(const_cast<void*>(name.object)))));
    }
    return nb::cast(NkiInstruction{index}).release().ptr();
  } catch (nb::python_error& error) {
    error.restore();
  } catch (const StatusError& error) {
    set_nki_error(error.status(), current_run());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  }
  return nullptr;
}

std::string signature(const isa::InstructionSpec& spec) {
  std::string text = "(";
  for (const isa::Parameter& parameter : spec.parameters) {
    if (text.size() > 1) text += ", ";
    text += parameter.name;
    if (*parameter.by_default != 0) text += std::string("=") + parameter.by_default;
  }
  return text + ")";
}

std::string documentation(const isa::InstructionSpec& spec) {
  std::string text = spec.mnemonic + signature(spec) + "\n\n" + spec.summary + "\n\n";
  for (const isa::Parameter& parameter : spec.parameters)
    text += std::string(parameter.name) + ": " + parameter.doc + "\n";
  return text + "\nCost: " + spec.source;
}

PyObject* get_name(PyObject* self, void*) {
  return PyUnicode_FromString(
      isa::spec(reinterpret_cast<Function*>(self)->opcode).mnemonic.c_str());
}
PyObject* get_doc(PyObject* self, void*) {
  return PyUnicode_FromString(
      documentation(isa::spec(reinterpret_cast<Function*>(self)->opcode)).c_str());
}
PyObject* get_module(PyObject*, void*) { return PyUnicode_FromString("nki.isa"); }
PyObject* get_signature(PyObject* self, void*) {
  return PyUnicode_FromString(
      signature(isa::spec(reinterpret_cast<Function*>(self)->opcode)).c_str());
}
// What inspect.signature asks for.
PyObject* get_inspected(PyObject* self, void*) {
  nb::list parameters;
  for (const isa::Parameter& parameter :
       isa::spec(reinterpret_cast<Function*>(self)->opcode).parameters)
    parameters.append(nb::make_tuple(parameter.name, parameter.by_default));
  try {
    nb::module_ python = nb::module_::import_("thorong.nki.isa._signature");
    return nb::object(python.attr("signature")(parameters)).release().ptr();
  } catch (nb::python_error& error) {
    error.restore();
    return nullptr;
  }
}
PyObject* represent(PyObject* self) {
  return PyUnicode_FromFormat(
      "<function nki.isa.%s>",
      isa::spec(reinterpret_cast<Function*>(self)->opcode).mnemonic.c_str());
}

PyGetSetDef getters[] = {{"__name__", get_name, nullptr, nullptr, nullptr},
                         {"__qualname__", get_name, nullptr, nullptr, nullptr},
                         {"__doc__", get_doc, nullptr, nullptr, nullptr},
                         {"__module__", get_module, nullptr, nullptr, nullptr},
                         {"__text_signature__", get_signature, nullptr, nullptr, nullptr},
                         {"__signature__", get_inspected, nullptr, nullptr, nullptr},
                         {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Function, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_getset, getters},
                       {Py_tp_members, members},
                       {Py_tp_repr, reinterpret_cast<void*>(represent)},
                       {0, nullptr}};
PyType_Spec type_spec = {"nki.isa.function", sizeof(Function), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, slots};

}  // namespace

void bind_nki_functions(nb::module_& module) {
  tensor_type = reinterpret_cast<PyTypeObject*>(module.attr("NkiTensor").ptr());
  nb::class_<NkiInstruction>(module, "NkiInstruction")
      .def_ro("index", &NkiInstruction::index)
      .def("depends_on", [](nb::handle self, nb::args producers) {
        auto later = nb::cast<NkiInstruction&>(self).index;
        for (nb::handle producer : producers) {
          Status status =
              need_run("depends_on")
                  .run->add_edge(later, nb::cast<const NkiInstruction&>(producer).index);
          if (!status.ok()) throw_nki_error(status);
        }
        return nb::borrow(self);
      });
  nb::object type = nb::steal(PyType_FromSpec(&type_spec));
  auto table = isa::instruction_table();
  nb::dict functions, collectives;
  for (uint16_t opcode = 0; opcode < table.size(); ++opcode) {
    const isa::InstructionSpec& spec = table[opcode];
    if (spec.parameters.empty()) continue;
    auto* function = PyObject_New(Function, reinterpret_cast<PyTypeObject*>(type.ptr()));
    if (function == nullptr) throw nb::python_error();
    function->vectorcall = call;
    function->opcode = opcode;
    function->parameters = static_cast<uint16_t>(spec.parameters.size());
    for (size_t i = 0; i < spec.parameters.size(); ++i)
      function->names[i] = PyUnicode_InternFromString(spec.parameters[i].name);
    (spec.between_ranks ? collectives : functions)[spec.mnemonic.c_str()] =
        nb::steal(reinterpret_cast<PyObject*>(function));
  }
  module.attr("collectives") = collectives;  // nki.collectives has their Python side
  module.attr("functions") = functions;
}

}  // namespace thorong::python
