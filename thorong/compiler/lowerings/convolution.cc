// SPDX-License-Identifier: Apache-2.0
// convolution on the tensor engine, without an im2col round trip: channels lie on the partitions,
// every kernel tap is a matmul whose moving operand is a shifted, strided window of the input, and
// all taps and channel blocks accumulate in PSUM.
//
// - Padding: a tap covers only the outputs whose input exists; a tap that covers all goes first,
// else PSUM is cleared.
// - Few channels (a picture's 3): rows of the kernel are stacked on the partitions by DMA (kh x C
// of them), so that a matmul
//   takes a whole column of taps.
// - A transposed convolution (its input dilated): a tap covers the outputs of one phase, every
// spread-th in each dimension, and
//   writes them with that step into PSUM. The zeros between the inputs are never made, and no
//   matmul multiplies them.
// - Groups: weights are laid out block-diagonally within 128 x 128 tiles, tiles of zeros are
// skipped. Zeros meet values of
//   other groups, so an infinity or NaN there would spread within the tile; depthwise goes to the
//   Vector engine (depthwise.cc).
#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

#include "thorong/compiler/window.h"

namespace thorong::compiler {
namespace {

constexpr int64_t kMostStackedChannels =
    42;  // stack kernel rows when at least three fit 128 partitions

class Convolution {
 public:
  Convolution(Codegen& codegen, const Group& group, const Node& node)
      : codegen_(codegen),
        group_(group),
        node_(node),
        graph_(codegen.graph()),
        window_(window_of(graph_, node)),
        x_shape_(graph_.type(node.inputs[0]).shape),
        w_shape_(graph_.type(node.inputs[1]).shape) {
    format_ = codegen.matmul_format(graph_.type(node.inputs[0]).format);
    channels_ = x_shape_[1], outputs_ = w_shape_[0];
    groups_ = node.attributes.integer("feature_group_count", 1);
    columns_ = std::min(static_cast<int64_t>(codegen.core().columns), codegen.block());
    rows_ = std::min(codegen.block(), static_cast<int64_t>(codegen.core().rows));
  }

  Status run() {
    THORONG_TRY(x_, codegen_.acquire(node_.inputs[0], 1, format_));
    stacks_ = !window_.spreads() && groups_ == 1 && channels_ <= kMostStackedChannels &&
              window_.kernel.size() >= 2 && window_.kernel[window_.kernel.size() - 2] > 1 &&
              channels_ * window_.kernel[window_.kernel.size() - 2] <= rows_;
    make_steps();
    codegen_.explain(fmt::format(
        "channels on the partitions{}, {} of shifted windows added in PSUM for {} of "
        "output channels, {}",
        stacks_       ? " with the kernel's rows stacked"
        : groups_ > 1 ? ", groups block-diagonal"
                      : "",
        counted(static_cast<int64_t>(steps_.size()), "product"),
        counted((outputs_ + columns_ - 1) / columns_, "block"), numerics::name(format_)));
    THORONG_RETURN_IF_ERROR(prepare_weights());
    THORONG_RETURN_IF_ERROR(codegen_.begin_output(group_, 1));
    return blocks();
  }

 private:
  // One matmul per chunk: `size` partitions from channel `begin`, at a tap (stacked: all rows of
  // the kernel at column tap).
  struct Step {
    int64_t begin, size;
    std::vector<int64_t> tap;
    int64_t weight_offset;  // elements
  };

  void make_steps() {
    Shape taps = window_.kernel;
    if (stacks_) taps[taps.size() - 2] = 1;
    int64_t offset = 0;
    std::vector<std::vector<int64_t>> order;
    std::vector<int64_t> tap(taps.size(), 0);
    do order.push_back(tap);
    while (ops::next_index(tap, taps));
    // The tap in the middle covers most: first, so that the others can add to a part.
    std::stable_sort(order.begin(), order.end(),
                     [&](const auto& a, const auto& b) { return lost(a) < lost(b); });
    for (const auto& t : order) {
      for (int64_t c = 0; c < channels_; c += rows_) {
        int64_t size = stacks_ ? channels_ * window_.kernel[window_.kernel.size() - 2]
                               : std::min(rows_, channels_ - c);
        steps_.push_back({c, size, t, offset});
        offset += size * outputs_;
      }
    }
    weight_elements_ = offset;
  }

  // Outputs that a tap does not reach.
  int64_t lost(const std::vector<int64_t>& tap) const {
    int64_t missing = 0;
    for (size_t i = 0; i < tap.size(); ++i) {
      if (stacks_ && i + 2 == tap.size()) continue;
      missing += window_.out[i] - window_.reach(i, tap[i], {0, window_.out[i]}).size;
    }
    return missing;
  }

  Status prepare_weights() {
    const ops::Tensor& w = *codegen_.constant(codegen_.base(node_.inputs[1]));
    THORONG_TRY(weights_, codegen_.prepare_constant(
                              graph_.value(codegen_.base(node_.inputs[1])).name, format_,
                              weight_elements_, [&](float* cells) { arrange_weights(w, cells); }));
    return ok_status();
  }

  // From [output, channel of its group, tap] to the steps' [row, output], some outputs at a time.
  void arrange_weights(const ops::Tensor& w, float* cells) const {
    constexpr int64_t kTogether = 16;
    const int64_t taps = ops::element_count(window_.kernel), length = w_shape_[1] * taps;
    const int64_t per_group_in = channels_ / groups_, per_group_out = outputs_ / groups_;
    std::vector<float> rows(static_cast<size_t>(kTogether * length));
    for (int64_t o = 0; o < outputs_; o += kTogether) {
      const int64_t count = std::min(kTogether, outputs_ - o);
      numerics::widen(w.type.format,
                      w.data + static_cast<size_t>(o * length) * numerics::byte_size(w.type.format),
                      rows.data(), static_cast<size_t>(count * length));
      std::array<int64_t, kTogether> first{};  // channel of each output's group
      for (int64_t i = 0; i < count; ++i)
        first[static_cast<size_t>(i)] = (o + i) / per_group_out * per_group_in;
      for (const Step& step : steps_) {
        const int64_t first_tap = flat_tap(step);
        for (int64_t p = 0; p < step.size; ++p) {
          const int64_t channel = stacks_ ? p % channels_ : step.begin + p;
          const int64_t tap = first_tap + (stacks_ ? p / channels_ : 0) * window_.kernel.back();
          float* to = cells + step.weight_offset + p * outputs_ + o;
          for (int64_t i = 0; i < count; ++i) {
            const int64_t inside = channel - first[static_cast<size_t>(i)];
            const bool in_group = inside >= 0 && inside < per_group_in;
            to[i] = in_group ? rows[static_cast<size_t>(i * length + inside * taps + tap)] : 0.0f;
          }
        }
      }
    }
  }

  int64_t flat_tap(const Step& step) const {
    int64_t flat = 0;
    for (size_t i = 0; i < step.tap.size(); ++i) flat = flat * window_.kernel[i] + step.tap[i];
    return flat;
  }

  // Whether the weights of a step and a range of outputs are all zero because they belong to
  // different groups.
  bool skipped(const Step& step, const Range& o) const {
    if (groups_ == 1) return false;
    int64_t per_group_in = channels_ / groups_, per_group_out = outputs_ / groups_;
    int64_t first = o.begin / per_group_out * per_group_in,
            last = ((o.begin + o.size - 1) / per_group_out + 1) * per_group_in;
    return step.begin >= last || step.begin + step.size <= first;
  }

  Placed weight_tile(const Step& step) const {
    Placed tile = dense_hbm(weights_, format_, {step.size, outputs_});
    tile.offset = step.weight_offset;
    return tile;
  }

  // Outer loops: which of input and weights is read again and again depends on which is larger.
  Status blocks() {
    auto bytes = static_cast<int64_t>(numerics::byte_size(format_));
    int64_t capacity = codegen_.builder().stream_capacity_bytes();
    auto k_steps = static_cast<int64_t>(steps_.size());
    int64_t held = std::max(columns_, capacity * 40 / 100 / std::max<int64_t>(1, k_steps * bytes) /
                                          columns_ * columns_);
    held =
        std::min({held, outputs_, columns_ * std::max<int64_t>(1, codegen_.core().psum_banks / 2)});
    holds_ = k_steps * held * bytes <= capacity * 40 / 100;
    std::vector<Box> supers = super_boxes(capacity * 30 / 100 / bytes);
    if (supers.size() == 1 || k_steps * outputs_ * bytes > capacity * 40 / 100) {
      for (int64_t o = 0; o < outputs_; o += held) {
        StreamScope scope(codegen_.builder());
        Range range{o, std::min(held, outputs_ - o)};
        THORONG_TRY(auto weights, load_weights(range, scope));
        for (const Box& super : supers) THORONG_RETURN_IF_ERROR(super_box(super, range, weights));
      }
      return ok_status();
    }
    StreamScope scope(codegen_.builder());
    holds_ = true;
    THORONG_TRY(auto weights, load_weights({0, outputs_}, scope));
    for (const Box& super : supers) {
      for (int64_t o = 0; o < outputs_; o += held) {
        THORONG_RETURN_IF_ERROR(super_box(super, {o, std::min(held, outputs_ - o)}, weights));
      }
    }
    return ok_status();
  }

  Result<std::vector<Placed>> load_weights(Range o, StreamScope& scope) {
    std::vector<Placed> tiles;
    for (const Step& step : steps_) {
      if (!holds_) break;
      if (skipped(step, o)) {
        tiles.emplace_back();
        continue;
      }
      THORONG_TRY(Placed tile,
                  codegen_.bring(weight_tile(step), {{0, step.size}, o}, 0, format_, scope));
      tiles.push_back(tile);
    }
    return tiles;
  }

  // Parts of the output (batch and spatial dimensions) whose input fits the stream region; one part
  // if it is resident.
  std::vector<Box> super_boxes(int64_t elements) const {
    Shape space = window_.out;
    space.insert(space.begin(), x_shape_[0]);
    if (x_.sbuf && !stacks_) return {whole(space)};
    int64_t blocks = stacks_ ? 1 : (channels_ + rows_ - 1) / rows_;
    // Input elements of one output row (innermost two dimensions at most).
    int64_t row = x_shape_.back() + 16, rows = 1;
    if (window_.out.size() >= 2) {
      size_t h = window_.out.size() - 2;
      int64_t overlap = (window_.kernel[h] - 1) * window_.dilation[h] + 1;
      rows = std::max<int64_t>(
          1, (elements / blocks / row - overlap) * window_.spread[h] / window_.stride[h]);
      if (stacks_) rows = std::max<int64_t>(1, std::min<int64_t>(elements / row / 2, 32));
      rows = std::min(rows, window_.out[h]);
    }
    Shape counts(space.size(), 1);
    for (size_t i = 0; i < space.size(); ++i) counts[i] = space[i];
    if (space.size() >= 2) counts.back() = 1;
    if (space.size() >= 3) counts[space.size() - 2] = (space[space.size() - 2] + rows - 1) / rows;
    std::vector<Box> boxes;
    std::vector<int64_t> index(space.size(), 0);
    do {
      Box box;
      for (size_t i = 0; i < space.size(); ++i) box.push_back({index[i], 1});
      box.back() = {0, space.back()};
      if (space.size() >= 3) {
        size_t h = space.size() - 2;
        box[h] = {index[h] * rows, std::min(rows, space[h] - index[h] * rows)};
      }
      boxes.push_back(box);
    } while (ops::next_index(index, counts));
    return boxes;
  }

  Status super_box(const Box& super, Range o, const std::vector<Placed>& weights) {
    StreamScope scope(codegen_.builder());
    std::vector<Placed> inputs;
    if (stacks_) {
      THORONG_TRY(Placed stacked, stack_rows(super, scope));
      inputs.push_back(stacked);
    } else {
      for (int64_t c = 0; c < channels_; c += rows_) {
        Box box{{super[0].begin, super[0].size}, {c, std::min(rows_, channels_ - c)}};
        for (size_t i = 0; i < window_.out.size(); ++i)
          box.push_back(window_.input_range(i, super[i + 1], x_shape_[i + 2]));
        THORONG_TRY(Placed tile, codegen_.bring(x_, box, 1, format_, scope));
        inputs.push_back(tile);
      }
    }
    Shape space;
    for (const Range& range : super) space.push_back(range.size);
    for (Box chunk : chunk_boxes(space, -1, codegen_.block(), codegen_.builder().psum_elements())) {
      for (size_t i = 0; i < chunk.size(); ++i) chunk[i].begin += super[i].begin;
      THORONG_RETURN_IF_ERROR(accumulate(chunk, o, inputs, weights));
    }
    return ok_status();
  }

  // The kernel's rows side by side on the partitions: partition kh * C + c holds row (oh * stride +
  // kh * dilation - padding).
  Result<Placed> stack_rows(const Box& super, StreamScope& scope) {
    size_t h = window_.out.size() - 2;
    const Range& rows = super[h + 1];
    Shape shape = x_shape_;
    shape[0] = super[0].size, shape[h + 2] = rows.size;
    Placed stacked = dense_tile(scope.allocate(format_, row_elements(shape, 1)), format_, shape, 1);
    if (stacked.buffer < 0) return resource_exhausted("no SBUF left to stack a convolution's rows");
    int64_t kernel = window_.kernel[h];
    std::vector<Range> reached;
    bool gaps = false;
    for (int64_t kh = 0; kh < kernel; ++kh) {
      reached.push_back(window_.reached(h, kh, rows));
      gaps = gaps || reached.back().size < rows.size;
    }
    Placed all = stacked;
    all.shape[1] = channels_ * kernel;
    if (gaps) {
      THORONG_TRY(AccessPattern tile, codegen_.view(all, whole(all.shape), 1));
      codegen_.builder().emit(Opcode::memset, Queue::kVector, {tile}, {.immediate0 = 0.0f});
    }
    for (int64_t kh = 0; kh < kernel; ++kh) {
      const Range& r = reached[static_cast<size_t>(kh)];
      if (r.size <= 0) continue;
      Placed to = stacked;
      to.shape[1] = channels_, to.partition_offset = kh * channels_;
      Placed from = x_;
      from.offset += (kh * window_.dilation[h] - window_.padding[h]) * x_.step[h + 2];
      from.step[h + 2] *= window_.stride[h];
      Box to_box = whole(to.shape), from_box = whole(x_shape_);
      to_box[h + 2] = {r.begin - rows.begin, r.size}, from_box[h + 2] = r, from_box[0] = super[0];
      THORONG_RETURN_IF_ERROR(codegen_.copy_box(to, to_box, from, from_box));
    }
    // Coordinates of the chunks are absolute.
    all.offset -= super[0].begin * all.step[0] + rows.begin * all.step[h + 2];
    return all;
  }

  // What a step reaches of a chunk, over its batch and spatial dimensions; sizes are those of the
  // chunk's part.
  std::vector<Reach> reach(const Step& step, const Box& chunk) const {
    std::vector<Reach> part{{chunk[0].begin, chunk[0].size, 1, chunk[0].begin}};
    for (size_t i = 0; i < window_.out.size(); ++i) {
      bool stacked_row = stacks_ && i + 2 == window_.out.size();
      part.push_back(stacked_row
                         ? Reach{chunk[i + 1].begin, chunk[i + 1].size, 1, chunk[i + 1].begin}
                         : window_.reach(i, step.tap[i], chunk[i + 1]));
    }
    return part;
  }

  static int64_t elements_of(const std::vector<Reach>& part) {
    int64_t elements = 1;
    for (const Reach& r : part) elements *= r.size;
    return elements;
  }

  // Which residues of the outputs a part consists of: all taps of one phase reach the same ones.
  static std::vector<int64_t> phase(const std::vector<Reach>& part) {
    std::vector<int64_t> residues;
    for (const Reach& r : part) residues.push_back(r.first % r.step);
    return residues;
  }

  // Whether the first taps of all phases write the whole bank, so that nothing has to be cleared.
  bool is_covered(const Box& chunk, const Range& outputs) const {
    std::map<std::vector<int64_t>, int64_t> first;
    for (const Step& step : steps_) {
      std::vector<Reach> part = reach(step, chunk);
      if (elements_of(part) == 0 || skipped(step, outputs)) continue;
      first.try_emplace(phase(part), elements_of(part));
      if (!window_.spreads()) break;  // there is one phase
    }
    int64_t covered = 0;
    for (const auto& [residues, elements] : first) covered += elements;
    return covered == free_elements(chunk, -1);
  }

  // The moving pattern of a step over the part `r` of the output.
  Result<AccessPattern> window_pattern(const Placed& input, const Step& step,
                                       const std::vector<Reach>& r) {
    Placed view = input;
    Box box(x_shape_.size());
    box[0] = {r[0].first, r[0].size},
    box[1] = stacks_ ? Range{0, step.size} : Range{step.begin, step.size};
    for (size_t i = 0; i < window_.out.size(); ++i) {
      bool stacked_row = stacks_ && i + 2 == window_.out.size();
      view.offset += r[i + 1].input * input.step[i + 2];
      if (!stacked_row) view.step[i + 2] *= window_.stride[i];
      box[i + 2] = {0, r[i + 1].size};
    }
    return codegen_.view(view, box, 1);
  }

  Status accumulate(const Box& chunk, Range o, const std::vector<Placed>& inputs,
                    const std::vector<Placed>& weights) {
    int64_t elements = free_elements(chunk, -1);
    std::vector<AccessPattern> banks;
    std::vector<Range> ranges;
    std::vector<bool> cleared;
    std::vector<std::set<std::vector<int64_t>>> begun;  // phases
    for (int64_t c = o.begin; c < o.begin + o.size; c += columns_) {
      ranges.push_back({c, std::min(columns_, o.begin + o.size - c)});
      banks.push_back(codegen_.builder().psum(ranges.back().size, elements));
      cleared.push_back(!is_covered(chunk, ranges.back()));
      begun.emplace_back();
      if (cleared.back())
        codegen_.builder().emit(Opcode::memset, Queue::kVector, {banks.back()},
                                {.immediate0 = 0.0f});
    }
    for (size_t s = 0; s < steps_.size(); ++s) {
      const std::vector<Reach> r = reach(steps_[s], chunk);
      if (elements_of(r) == 0) continue;
      StreamScope scope(codegen_.builder());
      const Placed& input = inputs[stacks_ ? 0 : static_cast<size_t>(steps_[s].begin / rows_)];
      THORONG_TRY(AccessPattern moving, window_pattern(input, steps_[s], r));
      for (size_t b = 0; b < banks.size(); ++b) {
        if (skipped(steps_[s], ranges[b])) continue;
        Placed w;
        if (holds_)
          w = weights[s];
        else {
          THORONG_TRY(w, codegen_.bring(weight_tile(steps_[s]), {{0, steps_[s].size}, ranges[b]}, 0,
                                        format_, scope));
        }
        THORONG_TRY(AccessPattern stationary,
                    codegen_.view(w, {{0, steps_[s].size}, ranges[b]}, 0));
        THORONG_TRY(AccessPattern target, bank_part(banks[b], chunk, r));
        bool adds = !begun[b].insert(phase(r)).second || cleared[b];
        codegen_.builder().emit(Opcode::nc_matmul, Queue::kTensor, {target, stationary, moving},
                                {.flags = adds ? isa::kAccumulate : uint16_t{0}});
      }
    }
    for (size_t b = 0; b < banks.size(); ++b) {
      Box out{chunk[0], ranges[b]};
      out.insert(out.end(), chunk.begin() + 1, chunk.end());
      THORONG_RETURN_IF_ERROR(codegen_.finish_box(group_, out, banks[b]));
    }
    return ok_status();
  }

  // The part r of a bank that holds the chunk row-major.
  Result<AccessPattern> bank_part(const AccessPattern& bank, const Box& chunk,
                                  const std::vector<Reach>& r) {
    Placed placed = dense_tile(bank.buffer, bank.format, sizes(chunk), -1);
    Box box(chunk.size());
    for (size_t d = 0; d < chunk.size(); ++d) {
      placed.offset += (r[d].first - chunk[d].begin) * placed.step[d];
      placed.step[d] *= r[d].step;
      box[d] = {0, r[d].size};
    }
    THORONG_TRY(AccessPattern part, codegen_.view(placed, box, -1));
    part.partitions = bank.partitions;
    return part;
  }

  Codegen& codegen_;
  const Group& group_;
  const Node& node_;
  const Graph& graph_;
  Window window_;
  Shape x_shape_, w_shape_;
  Format format_ = Format::kFloat32;
  int64_t channels_ = 0, outputs_ = 0, groups_ = 1, columns_ = 128, rows_ = 128,
          weight_elements_ = 0;
  bool stacks_ = false, holds_ = true;
  Placed x_;
  BufferId weights_ = -1;
  std::vector<Step> steps_;
};

bool accepts(const Graph& graph, const Node& node) {
  Format x = graph.type(node.inputs[0]).format;
  bool floats = numerics::is_engine_float(x) && graph.type(node.inputs[1]).format == x;
  // Other dilated inputs were rewritten before (passes/dilate_inputs.cc).
  if (window_of(graph, node).spreads() && !takes_spread_input(graph, node)) return false;
  return floats && graph.is_constant(node.inputs[1]) && !combines_nothing(graph, node) &&
         graph.type(node.inputs[0]).shape.size() <= 5;
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  if (is_depthwise(codegen.graph(), node)) {
    codegen.explain(
        "depthwise: channels on the partitions, one multiply-add a tap beside the tensor engine");
    return lower_depthwise(codegen, group, node);
  }
  return Convolution(codegen, group, node).run();
}

}  // namespace

Lowering lowering_convolution() {
  return {.op = "convolution", .lower = lower, .accepts = accepts};
}

}  // namespace thorong::compiler
