// SPDX-License-Identifier: Apache-2.0
#include "nki_context.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cmath>

#include "errors.h"
#include "frontends/nki/finish.h"
#include "frontends/nki/launch.h"
#include "options.h"
#include "thorong/isa/alu.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;

// Python's objects are the same for all runs and threads; the interpreter's lock guards these
// tables.
struct Tables {
  std::unordered_map<PyObject*, NkiName> names;
  std::unordered_map<PyObject*, nki::Dtype> dtypes;
  std::array<PyObject*, 64> dtype_objects{};
  std::unordered_map<PyObject*, nki::Region> regions;
  std::array<PyObject*, 4> region_objects{};
  std::string package;  // its folder
};

Tables& tables() {
  static auto* all = new Tables;  // never freed: it holds Python objects
  return *all;
}

isa::NameKind name_kind(const std::string& kind) {
  static const std::unordered_map<std::string, isa::NameKind> kinds = {
      {"operator", isa::NameKind::kOperator},    {"engine", isa::NameKind::kEngine},
      {"reduce_cmd", isa::NameKind::kReduce},    {"dge_mode", isa::NameKind::kDge},
      {"oob_mode", isa::NameKind::kOutOfBounds}, {"matmul_perf_mode", isa::NameKind::kPerfMode},
      {"dma_engine", isa::NameKind::kDmaEngine}};
  return kinds.at(kind);
}

// Objects are kept for ever: identity is what is looked up.
void register_name(nb::object object, const std::string& kind, int code) {
  tables().names[object.ptr()] = {name_kind(kind), static_cast<uint8_t>(code)};
  object.release();
}

bool register_operator(nb::object object, const std::string& name) {
  auto op = isa::parse_alu(name);
  if (!op) return false;
  tables().names[object.ptr()] = {isa::NameKind::kOperator, static_cast<uint8_t>(*op)};
  object.release();
  return true;
}

void register_dtype(nb::object object, const std::string& name, bool canonical) {
  auto dtype = nki::parse_dtype(name);
  if (!dtype) throw nb::value_error(("no dtype of nki is called " + name).c_str());
  tables().dtypes[object.ptr()] = *dtype;
  if (canonical) tables().dtype_objects[*dtype] = object.ptr();
  object.release();
}

void register_region(nb::object object, int region, bool canonical) {
  tables().regions[object.ptr()] = static_cast<nki::Region>(region);
  if (canonical) tables().region_objects[static_cast<size_t>(region)] = object.ptr();
  object.release();
}

nki::CheckMode read_check_mode(const std::string& name) {
  auto mode = nki::parse_check_mode(name);
  if (!mode)
    throw_nki_error(invalid_argument("check: expected strict, warn or off, found '" + name + "'."));
  return *mode;
}

nki::RunOptions read_run_options(const nb::dict& given) {
  nki::RunOptions options;
  for (auto [key, value] : given) {
    auto name = nb::cast<std::string>(key);
    if (name == "chip")
      options.chip = nb::cast<std::string>(value);
    else if (name == "generation")
      options.generation = nb::cast<int>(value);
    else if (name == "timing_only")
      options.timing_only = nb::cast<bool>(value);
    else if (name == "stochastic_rounding")
      options.stochastic_rounding = nb::cast<bool>(value);
    else if (name == "precise")
      options.precise = nb::cast<bool>(value);
    else if (name == "seed")
      options.seed = nb::cast<uint64_t>(value);
    else if (name == "threads")
      options.threads = nb::cast<int>(value);
    else if (name == "max_instructions")
      options.max_instructions = nb::cast<int64_t>(value);
    else if (name == "compiled")
      options.compiled = nb::cast<bool>(value);
    else if (name == "assume")
      options.assumptions = read_assumptions(value);
    else if (name == "check")
      options.check = read_check_mode(nb::cast<std::string>(value));
    else
      throw nb::type_error(("unknown option '" + name + "'").c_str());
  }
  return options;
}

std::unique_ptr<NkiRun> begin(const nb::dict& options, int core,
                              std::shared_ptr<nki::Launch> launch) {
  auto context = std::make_unique<NkiRun>();
  context->run =
      value_or_throw(nki::KernelRun::create(read_run_options(options), core, std::move(launch)));
  context->run->set_waiting([](const std::function<void()>& wait) {
    nb::gil_scoped_release release;
    wait();
  });
  return context;
}

using Bytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nki::Tensor wrap(NkiRun& context, const Bytes& bytes, const std::vector<int64_t>& shape,
                 const nb::object& dtype, const std::string& name, bool output) {
  auto found = find_dtype(dtype.ptr());
  if (!found) throw nb::type_error("no dtype of nki");
  std::shared_ptr<void> owner(new Bytes(bytes), [](void* array) {
    nb::gil_scoped_acquire acquire;
    delete static_cast<Bytes*>(array);
  });
  auto role = output ? isa::BufferRole::kOutput : isa::BufferRole::kInput;
  return nki_value(context.run->wrap(reinterpret_cast<std::byte*>(bytes.data()), std::move(owner),
                                     shape, *found, name, role));
}

nki::Tensor allocate(const std::vector<int64_t>& shape, nb::handle dtype, nb::handle region,
                     const std::string& name, std::optional<std::pair<int64_t, int64_t>> address) {
  NkiRun& context = need_run("ndarray");
  auto type = find_dtype(dtype.ptr());
  auto where = find_region(region.ptr());
  if (!type)
    throw nb::type_error(("ndarray: dtype expects a dtype of nki.language, found " +
                          std::string(nb::repr(dtype).c_str()))
                             .c_str());
  if (!where)
    throw nb::type_error(
        ("ndarray: buffer expects nl.sbuf, nl.psum, nl.hbm or nl.shared_hbm, found " +
         std::string(nb::repr(region).c_str()))
            .c_str());
  bool on_chip = *where == nki::Region::kSbuf || *where == nki::Region::kPsum;
  std::string place = on_chip || context.run->checker() == nullptr ? "" : caller(context);
  nki::Tensor made =
      nki_value(context.run->allocate(shape, *type, *where, name, address, std::move(place)));
  report_findings(context);
  return made;
}

report::Result finish(const std::vector<NkiRun*>& runs, const std::string& name,
                      const std::vector<std::pair<std::string, nki::Tensor>>& outputs) {
  std::vector<std::shared_ptr<nki::KernelRun>> cores;
  for (NkiRun* context : runs) cores.push_back(context->run);
  return nki_value(nki::finish(cores, {name, outputs}));
}

}  // namespace

NkiRun*& current_run() {
  thread_local NkiRun* run = nullptr;
  return run;
}

NkiRun& need_run(const char* what) {
  NkiRun* run = current_run();
  if (run == nullptr) {
    throw_nki_error(failed_precondition(
        std::string(what) +
        ": expected to be called by a running kernel, found none in this thread. "
        "Decorate the function with @nki.jit and call it with arrays."));
  }
  return *run;
}

const NkiName* find_name(PyObject* object) {
  auto found = tables().names.find(object);
  return found == tables().names.end() ? nullptr : &found->second;
}

std::optional<nki::Dtype> find_dtype(PyObject* object) {
  auto found = tables().dtypes.find(object);
  if (found != tables().dtypes.end()) return found->second;
  nb::object name = nb::getattr(nb::handle(object), "name", nb::none());  // np.dtype
  if (PyUnicode_Check(object)) name = nb::borrow(object);
  if (!PyUnicode_Check(name.ptr()))
    name = nb::getattr(nb::handle(object), "__name__", nb::none());  // np.float32
  if (!PyUnicode_Check(name.ptr())) return std::nullopt;
  return nki::parse_dtype(nb::cast<std::string>(name));
}

nb::object dtype_object(nki::Dtype dtype) { return nb::borrow(tables().dtype_objects[dtype]); }

std::optional<nki::Region> find_region(PyObject* object) {
  auto found = tables().regions.find(object);
  if (found != tables().regions.end()) return found->second;
  if (!PyUnicode_Check(object)) return std::nullopt;
  auto text = nb::cast<std::string>(nb::handle(object));
  if (text == "hbm") text = "private_hbm";
  for (auto region : {nki::Region::kSbuf, nki::Region::kPsum, nki::Region::kPrivateHbm,
                      nki::Region::kSharedHbm}) {
    if (nki::name(region) == text) return region;
  }
  return std::nullopt;
}

nb::object region_object(nki::Region region) {
  return nb::borrow(tables().region_objects[static_cast<size_t>(region)]);
}

namespace {

// The innermost frame outside of the package.
nb::object kernel_frame(NkiRun& context, NkiRun::Code** code) {
  nb::object frame = nb::borrow(reinterpret_cast<PyObject*>(PyEval_GetFrame()));
  while (frame.is_valid()) {
    auto* raw = reinterpret_cast<PyFrameObject*>(frame.ptr());
    nb::object object = nb::steal(reinterpret_cast<PyObject*>(PyFrame_GetCode(raw)));
    auto [entry, fresh] = context.codes.try_emplace(object.ptr());
    if (fresh) {
      entry->second.keep = object;
      entry->second.file = nb::cast<std::string>(object.attr("co_filename"));
      entry->second.ours = entry->second.file.starts_with(tables().package);
    }
    *code = &entry->second;
    if (!entry->second.ours) return frame;
    nb::object outer = nb::steal(reinterpret_cast<PyObject*>(PyFrame_GetBack(raw)));
    if (!outer.is_valid()) return frame;
    frame = outer;
  }
  return frame;
}

int line_of(const nb::object& frame) {
  return PyFrame_GetLineNumber(reinterpret_cast<PyFrameObject*>(frame.ptr()));
}

}  // namespace

int32_t place_of_caller(NkiRun& context, uint16_t opcode) {
  if (context.place_line > 0)
    return context.run->locate(context.place_file, context.place_line, opcode);
  NkiRun::Code* code = nullptr;
  nb::object frame = kernel_frame(context, &code);
  if (!frame.is_valid()) return -1;
#if PY_VERSION_HEX >= 0x030B0000
  int at = PyFrame_GetLasti(reinterpret_cast<PyFrameObject*>(frame.ptr()));
#else
  int at = line_of(frame);
#endif
  uint64_t key =
      reinterpret_cast<uintptr_t>(code) * 1315423911U ^ (static_cast<uint64_t>(at) << 16) ^ opcode;
  auto [entry, fresh] = context.places.try_emplace(key, -1);
  if (fresh) entry->second = context.run->locate(code->file, line_of(frame), opcode);
  return entry->second;
}

std::string caller(NkiRun& context) {
  if (context.place_line > 0) return context.place_file + ":" + std::to_string(context.place_line);
  NkiRun::Code* code = nullptr;
  nb::object frame = kernel_frame(context, &code);
  return frame.is_valid() ? code->file + ":" + std::to_string(line_of(frame)) : "";
}

namespace {

// File and line of the kernel's code that runs now.
nb::object here(NkiRun& context) {
  NkiRun::Code* code = nullptr;
  nb::object frame = kernel_frame(context, &code);
  if (!frame.is_valid()) return nb::none();
  return nb::make_tuple(code->file, line_of(frame));
}

void set_place(NkiRun& context, const nb::object& place) {
  context.place_line = 0;
  if (place.is_none()) return;
  context.place_file = nb::cast<std::string>(place[0]);
  context.place_line = nb::cast<int>(place[1]);
}

}  // namespace

void set_nki_error(const Status& status, NkiRun* context) {
  std::string where = status.where();
  if (where.empty() && context != nullptr) where = caller(*context);
  nb::object exception =
      nb::module_::import_("thorong.nki._errors")
          .attr("make")(nb::str(code_name(status.code()).data()), status.message(), where);
  PyErr_SetObject(exception.type().ptr(), exception.ptr());
}

void report_findings(NkiRun& context) {
  nki::Checker* checker = context.run->checker();
  if (checker == nullptr || !checker->has_findings()) return;
  nb::object report = nb::module_::import_("thorong.nki._errors").attr("report");
  for (const nki::Finding& finding : checker->take_findings())
    report(finding.check, finding.message, finding.where.empty() ? caller(context) : finding.where);
}

void throw_nki_error(const Status& status) {
  set_nki_error(status, current_run());
  throw nb::python_error();
}

std::vector<int64_t> read_integers(Handle sequence, const char* what) {
  std::vector<int64_t> result;
  auto add = [&](nb::handle item) {
    if (PyFloat_Check(item.ptr())) {  // 1.0 stands for 1
      double value = PyFloat_AS_DOUBLE(item.ptr());
      if (value != std::floor(value) || std::fabs(value) > 9e15) {
        throw nb::type_error(
            (std::string(what) + " expects integers, found " + nb::repr(item).c_str()).c_str());
      }
      result.push_back(static_cast<int64_t>(value));
      return;
    }
    nb::object number = nb::steal(PyNumber_Index(item.ptr()));
    if (!number.is_valid()) throw nb::python_error();
    result.push_back(nb::cast<int64_t>(number));
  };
  if (PyIndex_Check(sequence.ptr()) != 0) {
    add(sequence);
    return result;
  }
  if (PySequence_Check(sequence.ptr()) == 0)
    throw nb::type_error((std::string(what) + " expects integers").c_str());
  for (nb::handle item : sequence) {
    if (PySequence_Check(item.ptr()) != 0 && PyIndex_Check(item.ptr()) == 0) {
      for (nb::handle inner : item) add(inner);
    } else {
      add(item);
    }
  }
  return result;
}

void bind_nki_context(nb::module_& module) {
  nb::class_<nki::Launch>(module, "Launch")
      .def(nb::init<int, int, bool>(), nb::arg("cores"), nb::arg("ranks") = 1,
           nb::arg("given") = false)
      .def_prop_ro("cores", &nki::Launch::cores)
      .def_prop_ro("ranks", &nki::Launch::ranks)
      .def_prop_ro("given", &nki::Launch::given)
      .def("enter", &nki::Launch::enter, nb::call_guard<nb::gil_scoped_release>())
      .def("leave", &nki::Launch::leave, nb::call_guard<nb::gil_scoped_release>())
      .def("stop", &nki::Launch::stop)
      .def("meet", [](nki::Launch& launch, int core, const std::string& name) {
        std::string why;
        bool met = false;
        std::vector<int64_t> rank;
        for (int i = 0; i < launch.cores(); ++i)
          rank.push_back(core / launch.cores() * launch.cores() + i);
        {
          nb::gil_scoped_release release;
          met = launch.meet(core, rank, name, "", &why);
        }
        return met ? nb::none() : nb::object(nb::str(why.c_str()));
      });
  nb::class_<NkiRun>(module, "Run", nb::is_weak_referenceable())
      .def("enter", [](NkiRun& context) { current_run() = &context; })
      .def("exit", [](NkiRun&) { current_run() = nullptr; })
      .def("wrap", wrap)
      .def("begin_order", [](NkiRun& context) { context.run->begin_order(); })
      .def("end_order", [](NkiRun& context) { context.run->end_order(); })
      .def_prop_ro("order_depth", [](const NkiRun& context) { return context.run->order_depth(); })
      .def("chains",
           [](NkiRun& context) {
             auto chains = context.run->chains();
             return std::vector<int32_t>(chains.begin(), chains.end());
           })
      .def("edges",
           [](NkiRun& context) {
             auto edges = context.run->edges();
             return std::vector<std::pair<int32_t, int32_t>>(edges.begin(), edges.end());
           })
      .def("add_edge",
           [](NkiRun& context, const std::string& later, const std::string& earlier) {
             Status status = context.run->add_edge(later, earlier);
             if (!status.ok()) throw_nki_error(status);
           })
      .def("here", here)
      .def("stop", [](NkiRun& context) { context.run->stop(); })
      .def("check_end",
           [](NkiRun& context, const std::vector<nki::Tensor>& returned) {
             Status status = context.run->check_end(returned);
             report_findings(context);
             if (!status.ok()) throw_nki_error(status);
           })
      .def("set_place", set_place, nb::arg("place").none())
      .def_prop_ro("core", [](const NkiRun& context) { return context.run->core_id(); })
      .def_prop_ro("launch", [](const NkiRun& context) { return context.run->launch(); })
      .def_prop_ro("generation", [](const NkiRun& context) { return context.run->generation(); })
      .def_prop_ro("chip", [](const NkiRun& context) { return context.run->chip().name; })
      .def_prop_ro("instructions",
                   [](const NkiRun& context) { return context.run->program().instructions.size(); })
      .def_prop_ro("figures", [](const NkiRun& context) {
        const isa::CoreParameters& core = context.run->core();
        nb::dict figures;
        figures["partitions"] = core.partitions,
        figures["sbuf_bytes_per_partition"] = core.sbuf_bytes_per_partition;
        figures["psum_banks"] = core.psum_banks, figures["psum_bank_bytes"] = core.psum_bank_bytes;
        figures["columns"] = static_cast<int64_t>(core.columns),
        figures["moving_max_columns"] = static_cast<int64_t>(core.moving_max_columns);
        figures["cores"] = core.cores;
        return figures;
      });
  module.def("begin", begin, nb::arg("options"), nb::arg("core") = 0,
             nb::arg("launch").none() = nb::none());
  module.def(
      "current", []() { return current_run(); }, nb::rv_policy::reference);
  module.def("caller",
             []() { return current_run() == nullptr ? std::string() : caller(*current_run()); });
  module.def("allocate", allocate, nb::arg("shape"), nb::arg("dtype"), nb::arg("region"),
             nb::arg("name") = "", nb::arg("address").none() = nb::none());
  module.def("finish", finish);
  module.def("checks", []() {
    nb::list all;
    for (const nki::CheckInfo& check : nki::check_table()) {
      const char* kind = check.kind == nki::CheckKind::kAlways ? "always"
                         : check.kind == nki::CheckKind::kMode ? "mode"
                                                               : "warning";
      all.append(nb::make_tuple(check.name, kind, check.meaning));
    }
    return all;
  });
  module.def("register_name", register_name);
  module.def("register_operator", register_operator);
  module.def("register_dtype", register_dtype);
  module.def("register_region", register_region);
  module.def("set_package", [](const std::string& folder) { tables().package = folder; });
}

}  // namespace thorong::python
