// SPDX-License-Identifier: Apache-2.0
// Constants are brought into the order and format in which the program loads them once, when it is
// compiled, as the vendor's compiler does with weights. Where the model file already has that
// order, the program keeps a view and copies nothing.
#include <algorithm>
#include <cstring>

#include "thorong/compiler/codegen.h"
#include "thorong/isa/machine_state.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::compiler {
namespace {

// The order of dimensions in memory: pdim first, then the others as they are.
std::vector<size_t> memory_order(const Shape& shape, int pdim) {
  std::vector<size_t> order;
  if (pdim >= 0) order.push_back(static_cast<size_t>(pdim));
  for (size_t d = 0; d < shape.size(); ++d) {
    if (static_cast<int>(d) != pdim) order.push_back(d);
  }
  return order;
}

// An arranged tensor: source elements visited in `sizes`/`steps` order, widened to host cells.
// Lines are the innermost dimension.
struct Lines {
  const ops::Tensor& tensor;
  Shape sizes;
  std::vector<int64_t> steps;
  Format format;
};

// Elements [begin, end) of every line.
void arrange_lines(const Lines& lines, int64_t offset, int64_t begin, int64_t end, std::byte* out) {
  const ops::Tensor& tensor = lines.tensor;
  Format declared = tensor.type.format, cell = isa::host_cell(lines.format);
  size_t declared_size = numerics::byte_size(declared), cell_size = numerics::byte_size(cell);
  int64_t step = lines.steps.back(), pitch = lines.sizes.back();
  Shape outer(lines.sizes.begin(), lines.sizes.end() - 1);
  std::vector<int64_t> outer_index(outer.size(), 0);
  out += static_cast<size_t>(begin) * cell_size;
  auto count = static_cast<size_t>(end - begin);
  do {
    int64_t at = offset + begin * step;
    for (size_t d = 0; d < outer.size(); ++d) at += outer_index[d] * lines.steps[d];
    const std::byte* from = tensor.data + static_cast<size_t>(at) * declared_size;
    if (step == 1) {
      numerics::convert(declared, from, cell, out, count);
    } else if (declared == Format::kFloat32 && cell == Format::kFloat32) {
      for (size_t i = 0; i < count; ++i)
        std::memcpy(out + i * 4, from + static_cast<int64_t>(i) * step * 4, 4);
    } else {
      for (size_t i = 0; i < count; ++i) {
        numerics::convert(declared, from + i * static_cast<size_t>(step) * declared_size, cell,
                          out + i * cell_size, 1);
      }
    }
    if (cell == Format::kFloat32) {
      isa::round_values(lines.format, reinterpret_cast<float*>(out), count, {});
    }
    out += static_cast<size_t>(pitch) * cell_size;
  } while (ops::next_index(outer_index, outer));
}

// All cells of the arranged tensor. Where lines gather elements that lie apart, as a transpose
// does, a few elements of every line at a time: each stretch of the source is then read once and
// together, and need not stay in memory.
void arrange(const Lines& lines, int64_t offset, const std::function<void()>& were_read,
             std::byte* out) {
  if (ops::element_count(lines.sizes) == 0) return;  // the walk begins with a line
  constexpr int64_t kTogether = 64;
  int64_t line = lines.sizes.back(), part = lines.steps.back() == 1 ? line : kTogether;
  for (int64_t begin = 0; begin < line; begin += part) {
    arrange_lines(lines, offset, begin, std::min(line, begin + part), out);
    if (were_read) were_read();
  }
}

}  // namespace

std::optional<Placed> Codegen::constant_view(ValueId value) const {
  // Strides of the value over its base constant: the views between them are applied to a dense HBM
  // placement.
  ValueId base = base_of(value);
  if (!graph_.is_constant(base)) return std::nullopt;
  std::vector<ValueId> chain;
  for (ValueId v = value; v != base;
       v = graph_.nodes[static_cast<size_t>(graph_.value(v).producer)].inputs[0])
    chain.push_back(v);
  Placed view = dense_hbm(-1, graph_.type(base).format, graph_.type(base).shape);
  for (size_t i = chain.size(); i-- > 0;) {
    const Node& node = graph_.nodes[static_cast<size_t>(graph_.value(chain[i]).producer)];
    auto next = try_view(node, view, graph_.type(chain[i]).shape, block());
    if (!next) return std::nullopt;
    view = *next;
  }
  return view;
}

Result<Placed> Codegen::materialize_constant(ValueId value, int pdim, Format format) {
  std::optional<Placed> viewed = constant_view(value);
  if (!viewed) return place(value);  // not a view of the constant: as an ordinary tensor in HBM
  const Placed& view = *viewed;
  ValueId base = base_of(value);
  const ops::Tensor& tensor = graph_.value(base).constant;
  Shape sizes;
  std::vector<int64_t> steps;
  Placed placed;
  placed.shape = view.shape, placed.format = format, placed.step.assign(view.shape.size(), 0);
  int64_t total = 1;
  std::vector<size_t> order = memory_order(view.shape, pdim);
  for (size_t i = order.size(); i-- > 0;) {
    size_t d = order[i];
    bool repeats = view.step[d] == 0 && view.shape[d] > 1;
    if (!repeats) placed.step[d] = total, total *= view.shape[d];
  }
  for (size_t d : order) {
    if (view.shape[d] == 1 || (view.step[d] == 0)) continue;
    sizes.push_back(view.shape[d]);
    steps.push_back(view.step[d]);
  }
  const std::string& name = graph_.value(base).name;
  if (options_.timing_only) {
    placed.buffer = builder_.add_constant(name, format, total, nullptr, nullptr);
    return placed;
  }
  bool same = isa::host_cell(format) == tensor.type.format && (format == tensor.type.format);
  int64_t dense = 1;
  for (size_t i = sizes.size(); i-- > 0;) same = same && steps[i] == dense, dense *= sizes[i];
  const std::byte* data =
      tensor.data + static_cast<size_t>(view.offset) * numerics::byte_size(tensor.type.format);
  if (same && reinterpret_cast<uintptr_t>(data) % numerics::byte_size(format) == 0) {
    placed.buffer = builder_.add_constant(name, format, total, tensor.owner, data);
    return placed;
  }
  std::byte* cells = nullptr;
  ops::Tensor arranged = ops::Tensor::allocate({isa::host_cell(format), {total}}, &cells);
  if (sizes.empty()) sizes = {1}, steps = {1};
  arrange({tensor, sizes, steps, format}, view.offset, options_.constants_were_read, cells);
  placed.buffer = builder_.add_constant(name, format, total, arranged.owner, cells);
  return placed;
}

Result<Placed> Codegen::keep_constant(ValueId value, const Placed& arranged, int pdim) {
  const auto found = recurring_.find(value);
  if (pdim < 0 || found == recurring_.end() || ops::element_count(arranged.shape) == 0)
    return arranged;
  int64_t bytes = resident_elements(arranged.shape, pdim) *
                  static_cast<int64_t>(numerics::byte_size(arranged.format));
  if (static_cast<double>(kept_bytes_ + bytes) >
      kKeptShare * static_cast<double>(core().sbuf_bytes_per_partition))
    return arranged;
  std::optional<Placed> kept = allocate_resident(arranged.shape, pdim, arranged.format);
  if (!kept) return arranged;
  for (const Box& box : chunk_boxes(arranged.shape, pdim, block(), kCopyChunk))
    THORONG_RETURN_IF_ERROR(copy_box(*kept, box, arranged, box));
  kept_.emplace_back(found->second, kept->buffer);
  kept_bytes_ += bytes;
  kept_some_ = true;
  explain("weights stay in SBUF");
  return *kept;
}

Result<BufferId> Codegen::prepare_constant(const std::string& name, Format format, int64_t elements,
                                           const std::function<void(float*)>& fill) {
  if (options_.timing_only) return builder_.add_constant(name, format, elements, nullptr, nullptr);
  std::byte* cells = nullptr;
  ops::Tensor arranged = ops::Tensor::allocate({Format::kFloat32, {elements}}, &cells);
  auto* values = reinterpret_cast<float*>(cells);
  fill(values);
  isa::round_values(format, values, static_cast<size_t>(elements), {});
  if (options_.constants_were_read) options_.constants_were_read();
  return builder_.add_constant(name, format, elements, arranged.owner, cells);
}

}  // namespace thorong::compiler
