// SPDX-License-Identifier: Apache-2.0
// dot_general on the tensor engine.
//
// A free dimension d of one side goes to the output's partitions: that side is the stationary
// operand (K on partitions, up to 128 of d as columns), the other side moves (K on partitions, up
// to 512 elements). K is cut into blocks of 128 that accumulate in PSUM; up to four blocks of d
// share each moving tile. Which side is stationary follows the modelled tensor cycles and what the
// readers of the result want on their partitions.
#include "thorong/compiler/lowering.h"
#include "thorong/compiler/product_plan.h"

namespace thorong::compiler {
namespace {

// Emits the product for one plan.
class Product {
 public:
  Product(Codegen& codegen, const Group& group, const ProductPlan& plan, Placed stationary,
          Placed moving, Format format)
      : codegen_(codegen),
        group_(group),
        plan_(plan),
        stationary_(std::move(stationary)),
        moving_(std::move(moving)),
        format_(format) {
    columns_ = static_cast<int64_t>(
        std::min(codegen.core().columns, static_cast<double>(codegen.block())));
    rows_ = std::min(codegen.block(), static_cast<int64_t>(codegen.core().rows));
    s_k_ = static_cast<size_t>(plan.stationary.contract[plan.k]);
    m_k_ = static_cast<size_t>(plan.moving.contract[plan.k]);
    make_k_steps();
  }

  // `row`: what every element of the result gets added, by its moving dimensions, as one more row
  // of K: 1 x row.
  Status add_row(ValueId row, StreamScope& scope) {
    Box box = whole(codegen_.graph().type(group_.result).shape);
    for (size_t d = 0; d < box.size(); ++d) {
      bool moves = std::find(plan_.moving.out.begin(), plan_.moving.out.end(),
                             static_cast<int>(d)) != plan_.moving.out.end();
      if (!moves) box[d] = {0, 1};
    }
    THORONG_TRY(Placed placed, codegen_.place(row));
    THORONG_TRY(row_, codegen_.bring(placed, box, -1, Format::kFloat32, scope));
    BufferId ones = scope.allocate(Format::kFloat32, columns_);
    if (ones < 0) return resource_exhausted("no SBUF left for a row of ones");
    ones_ = codegen_.builder().dense(ones, 1, {columns_});
    codegen_.builder().emit(Opcode::memset, Queue::kVector, {ones_}, {.immediate0 = 1.0f});
    return ok_status();
  }

  Status run() {
    // Indices of the dimensions that neither tile: batch, then the stationary side's other free
    // dimensions.
    Shape outer;
    for (int64_t b : plan_.stationary.batch)
      outer.push_back(stationary_.shape[static_cast<size_t>(b)]);
    for (int64_t f : plan_.stationary.free) {
      outer.push_back(static_cast<int>(f) == plan_.d ? 1
                                                     : stationary_.shape[static_cast<size_t>(f)]);
    }
    std::vector<int64_t> index(outer.size(), 0);
    if (stationary_.sbuf && !moving_.sbuf && plan_.moving.batch.empty()) return moving_once(outer);
    if (shares_bank()) return batches_together(outer);
    do {
      THORONG_RETURN_IF_ERROR(matrix(index));
    } while (ops::next_index(index, outer));
    return ok_status();
  }

 private:
  struct KStep {
    int64_t begin, size;          // of the pair on the partitions
    std::vector<int64_t> others;  // of the other contracting pairs
  };

  void make_k_steps() {
    Shape others;
    for (size_t i = 0; i < plan_.stationary.contract.size(); ++i) {
      others.push_back(
          i == plan_.k ? 1 : stationary_.shape[static_cast<size_t>(plan_.stationary.contract[i])]);
    }
    std::vector<int64_t> index(others.size(), 0);
    do {
      for (int64_t k = 0; k < stationary_.shape[s_k_]; k += rows_) {
        steps_.push_back({k, std::min(rows_, stationary_.shape[s_k_] - k), index});
      }
    } while (ops::next_index(index, others));
  }

  Box stationary_box(const std::vector<int64_t>& index, const KStep& step, Range d) const {
    Box box(stationary_.shape.size());
    size_t at = 0;
    for (int64_t b : plan_.stationary.batch) box[static_cast<size_t>(b)] = {index[at++], 1};
    for (int64_t f : plan_.stationary.free) {
      box[static_cast<size_t>(f)] = static_cast<int>(f) == plan_.d ? d : Range{index[at], 1};
      ++at;
    }
    contract(plan_.stationary, step, box);
    return box;
  }

  Box moving_box(const std::vector<int64_t>& index, const KStep& step, const Box& n) const {
    Box box(moving_.shape.size());
    for (size_t i = 0; i < plan_.moving.batch.size(); ++i)
      box[static_cast<size_t>(plan_.moving.batch[i])] = {index[i], 1};
    for (size_t i = 0; i < plan_.moving.free.size(); ++i)
      box[static_cast<size_t>(plan_.moving.free[i])] = n[i];
    contract(plan_.moving, step, box);
    return box;
  }

  void contract(const ProductSide& side, const KStep& step, Box& box) const {
    for (size_t i = 0; i < side.contract.size(); ++i) {
      box[static_cast<size_t>(side.contract[i])] =
          i == plan_.k ? Range{step.begin, step.size} : Range{step.others[i], 1};
    }
  }

  Box output_box(const std::vector<int64_t>& index, Range d, const Box& n) const {
    Box box(codegen_.graph().type(group_.result).shape.size());
    size_t at = 0;
    for (; at < plan_.stationary.batch.size(); ++at) box[at] = {index[at], 1};
    for (size_t i = 0; i < plan_.stationary.free.size(); ++i, ++at) {
      bool is_d = static_cast<int>(plan_.stationary.free[i]) == plan_.d;
      box[static_cast<size_t>(plan_.stationary.out[i])] = is_d ? d : Range{index[at], 1};
    }
    for (size_t i = 0; i < plan_.moving.free.size(); ++i)
      box[static_cast<size_t>(plan_.moving.out[i])] = n[i];
    return box;
  }

  int64_t columns_of_stationary() const {
    return plan_.d < 0 ? 1 : stationary_.shape[static_cast<size_t>(plan_.d)];
  }

  Box whole_moving() const {
    Box n;
    for (int64_t f : plan_.moving.free) n.push_back({0, moving_.shape[static_cast<size_t>(f)]});
    return n;
  }

  // Small products of neighbouring batch indices (attention heads) share a PSUM bank and one pass
  // of the engines behind, where one block of columns suffices and there is no other outer
  // dimension.
  bool shares_bank() const {
    bool only_d = plan_.stationary.free.size() <= 1;
    return !plan_.stationary.batch.empty() && only_d &&
           2 * free_elements(whole_moving(), -1) <= codegen_.builder().psum_elements() &&
           columns_of_stationary() <= columns_ && batches_at_once() > 1;
  }

  // How many products share a bank: what fits it, and of operands that must be loaded what fits the
  // stream region.
  int64_t batches_at_once() const {
    int64_t n = free_elements(whole_moving(), -1), d = columns_of_stationary();
    int64_t loaded = (stationary_.sbuf ? 0 : d) + (moving_.sbuf ? 0 : n);
    loaded *=
        static_cast<int64_t>(steps_.size()) * static_cast<int64_t>(numerics::byte_size(format_));
    int64_t most = codegen_.builder().psum_elements() / n;
    return loaded == 0 ? most
                       : std::min(most, codegen_.builder().stream_capacity_bytes() / 4 / loaded);
  }

  Status batches_together(const Shape& outer) {
    for (const Box& group : chunk_boxes(outer, -1, codegen_.block(), batches_at_once()))
      THORONG_RETURN_IF_ERROR(batches(group));
    return ok_status();
  }

  // The operands of a K step for a box of batch indices.
  Result<Placed> bring_group(const Placed& placed, const std::vector<int64_t>& batch, Box box,
                             const Box& group, size_t k_dim, StreamScope& scope) {
    for (size_t i = 0; i < batch.size(); ++i) box[static_cast<size_t>(batch[i])] = group[i];
    return codegen_.bring(placed, box, static_cast<int>(k_dim), format_, scope);
  }

  Status batches(const Box& group) {
    StreamScope scope(codegen_.builder());
    Box n = whole_moving();
    int64_t n_elements = free_elements(n, -1), part_begin = 0;
    Range d{0, columns_of_stationary()};
    std::vector<int64_t> first;
    for (const Range& range : group) first.push_back(range.begin);
    std::vector<Placed> stationary, moving;
    for (const KStep& step : steps_) {
      THORONG_TRY(Placed s, bring_group(stationary_, plan_.stationary.batch,
                                        stationary_box(first, step, d), group, s_k_, scope));
      THORONG_TRY(Placed m, bring_group(moving_, plan_.moving.batch, moving_box(first, step, n),
                                        group, m_k_, scope));
      stationary.push_back(s), moving.push_back(m);
    }
    AccessPattern bank = codegen_.builder().psum(d.size, free_elements(group, -1) * n_elements);
    Shape counts = sizes(group);
    std::vector<int64_t> index(group.size(), 0);
    do {
      std::vector<int64_t> at = first;
      for (size_t i = 0; i < at.size(); ++i) at[i] += index[i];
      AccessPattern part = bank;
      part.offset += part_begin;
      part.size[0] = static_cast<int32_t>(n_elements);
      part_begin += n_elements;
      for (size_t k = 0; k < steps_.size(); ++k) {
        THORONG_TRY(
            AccessPattern stays,
            codegen_.view(stationary[k], stationary_box(at, steps_[k], d), static_cast<int>(s_k_)));
        THORONG_TRY(AccessPattern moves,
                    codegen_.view(moving[k], moving_box(at, steps_[k], n), static_cast<int>(m_k_)));
        codegen_.builder().emit(Opcode::nc_matmul, Queue::kTensor, {part, stays, moves},
                                {.flags = k > 0 ? isa::kAccumulate : uint16_t{0}});
      }
    } while (ops::next_index(index, counts));
    Box box = output_box(first, d, n);
    for (size_t i = 0; i < plan_.stationary.batch.size(); ++i) box[i] = group[i];
    return codegen_.finish_box(group_, box, bank);
  }

  // Weights move and activations are resident: each piece of the weights is loaded once and meets
  // every block of columns of every outer index.
  Status moving_once(const Shape& outer) {
    std::vector<std::vector<int64_t>> indices;
    std::vector<int64_t> index(outer.size(), 0);
    do indices.push_back(index);
    while (ops::next_index(index, outer));
    int64_t d_size = plan_.d < 0 ? 1 : stationary_.shape[static_cast<size_t>(plan_.d)];
    Shape n_shape;
    for (int64_t f : plan_.moving.free) n_shape.push_back(moving_.shape[static_cast<size_t>(f)]);
    int64_t most = std::min(codegen_.builder().psum_elements(),
                            static_cast<int64_t>(codegen_.core().moving_max_columns));
    auto bytes = static_cast<int64_t>(numerics::byte_size(format_));
    int64_t at_once = std::max<int64_t>(1, codegen_.core().psum_banks / 2);
    int64_t blocks = (d_size + columns_ - 1) / columns_;
    bool again = static_cast<int64_t>(indices.size()) * blocks > 1;
    auto fits = [&](int64_t elements) {
      return static_cast<int64_t>(steps_.size()) * elements * bytes * 2 <=
             codegen_.builder().stream_capacity_bytes();
    };
    // Shorter pieces rather than loading them again and again.
    constexpr int64_t kShortest = 128;
    while (again && !fits(most) && most > kShortest) most /= 2;
    for (const Box& n : chunk_boxes(n_shape, -1, codegen_.block(), most)) {
      bool keep = again && fits(free_elements(n, -1));
      StreamScope kept(codegen_.builder());
      std::vector<Placed> moving;
      for (const KStep& step : steps_) {
        if (!keep) break;
        THORONG_TRY(Placed tile, codegen_.bring(moving_, moving_box({}, step, n),
                                                static_cast<int>(m_k_), format_, kept));
        moving.push_back(tile);
      }
      for (const auto& at : indices) {
        for (int64_t first = 0; first < blocks; first += at_once) {
          THORONG_RETURN_IF_ERROR(
              banks(at, {0, d_size}, first, std::min(at_once, blocks - first), n, {}, moving));
        }
      }
    }
    return ok_status();
  }

  // The product for one index of the outer dimensions.
  Status matrix(const std::vector<int64_t>& index) {
    int64_t d_size = plan_.d < 0 ? 1 : stationary_.shape[static_cast<size_t>(plan_.d)];
    auto bytes = static_cast<int64_t>(numerics::byte_size(format_));
    auto k_steps = static_cast<int64_t>(steps_.size());
    // How many columns of the stationary side are held at once, for all of K.
    int64_t budget = codegen_.builder().stream_capacity_bytes() * 35 / 100;
    int64_t held = d_size;
    if (!stationary_.sbuf)
      held =
          std::max(columns_, budget / std::max<int64_t>(1, k_steps * bytes) / columns_ * columns_);
    // Beside a few moving columns (a decoder's step) the stationary side is used once, and its
    // loading is all that takes time.
    constexpr int64_t kFewColumns = 16;
    const bool used_once = free_elements(whole_moving(), -1) <= kFewColumns;
    bool holds =
        stationary_.sbuf || (!used_once && k_steps * std::min(held, d_size) * bytes <= budget);
    // What is not held is loaded for as many blocks at a time as have banks, in longer rows.
    if (!holds) held = std::max<int64_t>(1, codegen_.core().psum_banks / 2) * columns_;
    // A moving side that is small as a whole (a vector) is loaded once for all of them.
    StreamScope kept(codegen_.builder());
    std::vector<Placed> whole;
    if (!moving_.sbuf && held < d_size &&
        k_steps * free_elements(whole_moving(), -1) * bytes <= budget / 8) {
      for (const KStep& step : steps_) {
        THORONG_TRY(Placed tile, codegen_.bring(moving_, moving_box(index, step, whole_moving()),
                                                static_cast<int>(m_k_), format_, kept));
        whole.push_back(tile);
      }
    }
    for (int64_t d = 0; d < d_size; d += held) {
      Range range{d, std::min(held, d_size - d)};
      StreamScope scope(codegen_.builder());
      std::vector<Placed> tiles;
      for (const KStep& step : steps_) {
        if (!holds) break;
        THORONG_TRY(Placed tile, codegen_.bring(stationary_, stationary_box(index, step, range),
                                                static_cast<int>(s_k_), format_, scope));
        tiles.push_back(tile);
      }
      THORONG_RETURN_IF_ERROR(columns(index, range, tiles, whole));
    }
    return ok_status();
  }

  // `whole`: the moving tiles of all K, if they are there already.
  Status columns(const std::vector<int64_t>& index, Range d, const std::vector<Placed>& stationary,
                 const std::vector<Placed>& whole) {
    Shape n_shape;
    for (int64_t f : plan_.moving.free) n_shape.push_back(moving_.shape[static_cast<size_t>(f)]);
    int64_t most = std::min(codegen_.builder().psum_elements(),
                            static_cast<int64_t>(codegen_.core().moving_max_columns));
    auto bytes = static_cast<int64_t>(numerics::byte_size(format_));
    int64_t blocks = (d.size + columns_ - 1) / columns_;
    int64_t at_once = std::max<int64_t>(1, codegen_.core().psum_banks / 2);
    for (const Box& n : chunk_boxes(n_shape, -1, codegen_.block(), most)) {
      int64_t n_elements = free_elements(n, -1);
      // The moving tiles of all K are kept while several groups of stationary blocks pass over
      // them.
      bool keep = blocks > at_once && static_cast<int64_t>(steps_.size()) * n_elements * bytes <=
                                          codegen_.builder().stream_capacity_bytes() * 20 / 100;
      StreamScope kept(codegen_.builder());
      std::vector<Placed> moving = whole;
      for (const KStep& step : steps_) {
        if (!keep || !whole.empty()) break;
        THORONG_TRY(Placed tile, codegen_.bring(moving_, moving_box(index, step, n),
                                                static_cast<int>(m_k_), format_, kept));
        moving.push_back(tile);
      }
      for (int64_t first = 0; first < blocks; first += at_once) {
        THORONG_RETURN_IF_ERROR(
            banks(index, d, first, std::min(at_once, blocks - first), n, stationary, moving));
      }
    }
    return ok_status();
  }

  // `count` blocks of columns from the `first`, each in a PSUM bank of its own, over all of K.
  Status banks(const std::vector<int64_t>& index, Range d, int64_t first, int64_t count,
               const Box& n, const std::vector<Placed>& stationary,
               const std::vector<Placed>& moving) {
    int64_t n_elements = free_elements(n, -1);
    std::vector<AccessPattern> psum;
    std::vector<Range> ranges;
    for (int64_t i = 0; i < count; ++i) {
      int64_t begin = (first + i) * columns_;
      ranges.push_back({d.begin + begin, std::min(columns_, d.size - begin)});
      psum.push_back(codegen_.builder().psum(ranges.back().size, n_elements));
    }
    for (size_t k = 0; k < steps_.size(); ++k) {
      StreamScope scope(codegen_.builder());
      Placed moving_now, stationary_now;
      const Placed& m = moving.empty() ? moving_now : moving[k];
      const Box moved = moving_box(index, steps_[k], n);
      if (moving.empty()) {
        THORONG_TRY(moving_now,
                    codegen_.bring(moving_, moved, static_cast<int>(m_k_), format_, scope));
      }
      THORONG_TRY(AccessPattern moves, codegen_.view(m, moved, static_cast<int>(m_k_)));
      const Placed& s = stationary.empty() ? stationary_now : stationary[k];
      if (stationary.empty()) {
        const Range all{ranges[0].begin,
                        ranges.back().begin + ranges.back().size - ranges[0].begin};
        THORONG_TRY(stationary_now,
                    codegen_.bring(stationary_, stationary_box(index, steps_[k], all),
                                   static_cast<int>(s_k_), format_, scope));
      }
      for (size_t i = 0; i < psum.size(); ++i) {
        THORONG_TRY(
            AccessPattern stays,
            codegen_.view(s, stationary_box(index, steps_[k], ranges[i]), static_cast<int>(s_k_)));
        codegen_.builder().emit(Opcode::nc_matmul, Queue::kTensor, {psum[i], stays, moves},
                                {.flags = k > 0 ? isa::kAccumulate : uint16_t{0}});
      }
    }
    for (size_t i = 0; i < psum.size(); ++i) {
      Box box = output_box(index, ranges[i], n);
      if (ones_.buffer >= 0) THORONG_RETURN_IF_ERROR(accumulate_row(psum[i], box));
      THORONG_RETURN_IF_ERROR(codegen_.finish_box(group_, box, psum[i]));
    }
    return ok_status();
  }

  Status accumulate_row(const AccessPattern& bank, Box box) {
    AccessPattern ones = ones_;
    ones.size[0] = bank.partitions;
    for (size_t d = 0; d < box.size(); ++d) {
      if (row_.step[d] == 0) box[d] = {0, 1};
    }
    THORONG_TRY(AccessPattern row, codegen_.view(row_, box, -1));
    codegen_.builder().emit(Opcode::nc_matmul, Queue::kTensor, {bank, ones, row},
                            {.flags = isa::kAccumulate});
    return ok_status();
  }

  Codegen& codegen_;
  const Group& group_;
  const ProductPlan& plan_;
  Placed stationary_, moving_;
  Format format_;
  int64_t columns_ = 128, rows_ = 128;
  size_t s_k_ = 0, m_k_ = 0;
  std::vector<KStep> steps_;
  Placed row_;
  AccessPattern ones_;
};

// A constant that the first elementwise node adds to the product and that varies along the moving
// dimensions only, all of them: it would be needed on every partition, 128 times the DMA traffic.
// As one more row of K it is added with the same single rounding. Worth it where DMA is what the
// program waits for. -1: none.
ValueId shared_addend(const Codegen& codegen, const Group& group, const Node& node,
                      const ProductPlan& plan) {
  if (!codegen.weights_bound() || !codegen.core().fp32_operands || group.elementwise.empty() ||
      plan.d < 0)
    return -1;
  if (!plan.stationary.batch.empty()) return -1;
  const Graph& graph = codegen.graph();
  const Node& add = graph.nodes[static_cast<size_t>(group.elementwise.front())];
  if (add.op->name != "add" || graph.type(add.outputs[0]).format != Format::kFloat32) return -1;
  if (codegen.storage_format(add.outputs[0]) != Format::kFloat32 && group.elementwise.size() > 1)
    return -1;
  for (size_t i = 0; i < 2; ++i) {
    if (add.inputs[i] != node.outputs[0] || add.inputs[1 - i] == node.outputs[0]) continue;
    ValueId row = add.inputs[1 - i], base = codegen.base(row);
    int64_t moving = 1;
    for (int64_t f : plan.moving.free)
      moving *= graph.type(plan.moving.value).shape[static_cast<size_t>(f)];
    const ops::Tensor* constant = codegen.constant(base);
    const Shape& shape = graph.type(add.outputs[0]).shape;
    bool last =
        plan.moving.out.size() == 1 && plan.moving.out[0] == static_cast<int>(shape.size()) - 1;
    if (constant != nullptr && last && constant->type.elements() == moving && moving > 1 &&
        constant->type.shape.back() == moving)
      return row;
  }
  return -1;
}

bool accepts(const Graph& graph, const Node& node) {
  Format a = graph.type(node.inputs[0]).format, b = graph.type(node.inputs[1]).format;
  bool contracts = !node.attributes.integers("lhs_contracting_dimensions").empty();
  return contracts && numerics::is_engine_float(a) && a == b && !combines_nothing(graph, node);
}

// An operand with its contracting dimension on the partitions. Heads that lie side by side there
// are taken as they are, unless the head dimension is one of those that a tile covers.
Result<Placed> acquire_side(Codegen& codegen, const ProductSide& side, size_t k,
                            const std::vector<int64_t>& tiled, Format format) {
  int pdim = static_cast<int>(side.contract[k]);
  THORONG_TRY(Placed placed, codegen.acquire(side.value, pdim, format, true));
  for (int64_t d : tiled) {
    bool selects =
        !placed.partition_step.empty() && placed.partition_step[static_cast<size_t>(d)] != 0;
    if (selects) return codegen.acquire(side.value, pdim, format);
  }
  return placed;
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  ProductPlan plan = plan_product(codegen, group, node);
  Format format = codegen.matmul_format(codegen.graph().type(node.inputs[0]).format);
  codegen.explain(describe_product(codegen, node, plan, format));
  // A tile takes many indices of these dimensions at once.
  std::vector<int64_t> tiled;
  if (plan.d >= 0) tiled.push_back(plan.d);
  THORONG_TRY(Placed stationary, acquire_side(codegen, plan.stationary, plan.k, tiled, format));
  THORONG_TRY(Placed moving, acquire_side(codegen, plan.moving, plan.k, plan.moving.free, format));
  Group rest = group;
  ValueId row = shared_addend(codegen, group, node, plan);
  if (row >= 0) {
    rest.anchor_value =
        codegen.graph().nodes[static_cast<size_t>(rest.elementwise.front())].outputs[0];
    rest.elementwise.erase(rest.elementwise.begin());
  }
  THORONG_RETURN_IF_ERROR(codegen.begin_output(rest, plan.d_out));
  Product product(codegen, rest, plan, stationary, moving, format);
  StreamScope scope(codegen.builder());
  if (row >= 0) THORONG_RETURN_IF_ERROR(product.add_row(row, scope));
  return product.run();
}

}  // namespace

Lowering lowering_dot_general() {
  return {.op = "dot_general", .lower = lower, .accepts = accepts};
}

}  // namespace thorong::compiler
