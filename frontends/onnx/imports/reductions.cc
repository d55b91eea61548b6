// SPDX-License-Identifier: Apache-2.0
// The Reduce family, ArgMax and ArgMin, TopK, CumSum, CumProd.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

struct Request {
  Integers axes;
  bool keep = true;
  bool nothing = false;  // noop_with_empty_axes: the elementwise parts only
};

// Axes are an attribute before version 18 (ReduceSum: 13), then an operand.
Result<Request> read_request(ImportContext& c, ValueId x) {
  Request request;
  THORONG_TRY(request.axes, c.integers_from(1, "axes"));
  THORONG_TRY(int64_t keep, c.integer("keepdims", 1));
  THORONG_TRY(int64_t noop, c.integer("noop_with_empty_axes", 0));
  request.keep = keep != 0;
  request.nothing = request.axes.empty() && noop != 0;
  if (request.axes.empty() && noop == 0) request.axes = counting(c.rank(x));
  return request;
}

Result<ValueId> mean(ImportContext& c, ValueId x, const Request& request) {
  THORONG_TRY(ValueId sum, c.reduce("add", x, request.axes, request.keep));
  THORONG_TRY(auto axes, resolve_axes(request.axes, c.rank(x)));
  Shape shape = c.shape(x);
  double count = 1;
  for (size_t axis : axes) count *= static_cast<double>(shape[axis]);
  if (numerics::is_integer(c.format(x))) return c.add_scalar("divide", sum, count);
  return c.add_scalar("multiply", sum, 1 / count);
}

// log(sum(exp(x - m))) + m with m the largest element.
Result<ValueId> log_sum_exp(ImportContext& c, ValueId x, const Request& request) {
  if (request.nothing) return x;
  THORONG_TRY(ValueId largest, c.reduce("maximum", x, request.axes, true));
  THORONG_TRY(ValueId wide, c.broadcast_to(largest, c.shape(x)));
  THORONG_TRY(ValueId shifted, c.add("subtract", {x, wide}));
  THORONG_TRY(ValueId powers, c.add("exponential", {shifted}));
  THORONG_TRY(ValueId sum, c.reduce("add", powers, request.axes, request.keep));
  THORONG_TRY(ValueId logarithm, c.add("log", {sum}));
  THORONG_TRY(largest, c.reshape(largest, c.shape(logarithm)));
  return c.add("add", {logarithm, largest});
}

Result<ValueId> extreme(ImportContext& c, const char* function, ValueId x, const Request& request) {
  bool is_bool = c.format(x) == Format::kBool;
  if (is_bool) {
    THORONG_TRY(x, c.convert(x, Format::kUint8));
  }
  THORONG_TRY(ValueId y, c.reduce(function, x, request.axes, request.keep));
  return is_bool ? c.convert(y, Format::kBool) : Result<ValueId>(y);
}

Result<ValueId> reduced(ImportContext& c, const std::string& op, ValueId x,
                        const Request& request) {
  auto sum = [&](ValueId value) { return c.reduce("add", value, request.axes, request.keep); };
  if (op == "ReduceSum") return sum(x);
  if (op == "ReduceMean") return mean(c, x, request);
  if (op == "ReduceProd") return c.reduce("multiply", x, request.axes, request.keep);
  if (op == "ReduceMax") return extreme(c, "maximum", x, request);
  if (op == "ReduceMin") return extreme(c, "minimum", x, request);
  if (op == "ReduceLogSumExp") return log_sum_exp(c, x, request);
  if (op == "ReduceLogSum") {
    THORONG_TRY(ValueId total, sum(x));
    return c.add("log", {total});
  }
  THORONG_TRY(ValueId part, c.add(op == "ReduceL1" ? "abs" : "square", {x}));
  THORONG_TRY(ValueId total, sum(part));
  if (op != "ReduceL2") return total;
  Format format = c.format(total);
  if (numerics::is_float(format)) return c.add("sqrt", {total});
  THORONG_TRY(total, c.convert(total, Format::kFloat64));
  THORONG_TRY(total, c.add("sqrt", {total}));
  return c.convert(total, format);
}

Status import_reduce(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Request request, read_request(c, x));
  return c.set_output(0, reduced(c, node.op_type, x, request));
}

Status import_arg(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t axis, c.integer("axis", 0));
  THORONG_TRY(int64_t keep, c.integer("keepdims", 1));
  THORONG_TRY(int64_t last, c.integer("select_last_index", 0));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(x)));
  THORONG_TRY(
      ValueId y,
      c.add("arg_reduce", {x},
            make_attributes(
                {{"dimension", static_cast<int64_t>(dimension)},
                 {"function", std::string(node.op_type == "ArgMax" ? "maximum" : "minimum")},
                 {"select_last", int64_t{last != 0}}})));
  Shape kept = c.shape(x);
  kept[dimension] = 1;
  return c.set_output(0, keep != 0 ? c.reshape(y, kept) : Result<ValueId>(y));
}

Status import_top_k(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  int64_t k = 0;
  if (c.version() >= 10) {
    THORONG_TRY(k, c.constant_integer(1, "K"));
  } else {
    THORONG_TRY(k, c.integer("k", 0));
  }
  THORONG_TRY(int64_t axis, c.integer("axis", -1));
  THORONG_TRY(int64_t largest, c.integer("largest", 1));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(x)));
  auto attributes = make_attributes(
      {{"k", k}, {"axis", static_cast<int64_t>(dimension)}, {"largest", int64_t{largest != 0}}});
  THORONG_TRY(auto results, c.add_many("top_k", {x}, attributes));
  THORONG_RETURN_IF_ERROR(c.set_output(0, results[0]));
  return c.set_output(1, results[1]);
}

Status import_cumulative(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t axis, c.constant_integer(1, "axis"));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(x)));
  THORONG_TRY(int64_t exclusive, c.integer("exclusive", 0));
  THORONG_TRY(int64_t reverse, c.integer("reverse", 0));
  return c.set_output(0, c.add(node.op_type == "CumSum" ? "cumsum" : "cumprod", {x},
                               make_attributes({{"axis", static_cast<int64_t>(dimension)},
                                                {"exclusive", int64_t{exclusive != 0}},
                                                {"reverse", int64_t{reverse != 0}}})));
}

}  // namespace

std::vector<ImportRule> import_rules_reductions() {
  std::vector<ImportRule> rules;
  for (const char* name :
       {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare",
        "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"}) {
    rules.push_back({"", name, 1, kAnyVersion, import_reduce});
  }
  rules.push_back({"", "ArgMax", 1, kAnyVersion, import_arg});
  rules.push_back({"", "ArgMin", 1, kAnyVersion, import_arg});
  rules.push_back({"", "TopK", 1, kAnyVersion, import_top_k});
  rules.push_back({"", "CumSum", 11, kAnyVersion, import_cumulative});
  rules.push_back({"", "CumProd", 26, kAnyVersion, import_cumulative});
  return rules;
}

}  // namespace thorong::onnx
