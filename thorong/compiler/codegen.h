// SPDX-License-Identifier: Apache-2.0
// From fused groups of the graph to tiles: where each value lives, how an operand gets onto the
// partitions that an instruction wants, and the elementwise epilogue that every anchor (matmul,
// convolution, reduction, ...) shares.
//
// A value stays in SBUF when there is room until its last use, else it is spilled to HBM and
// streams through. Operands in another layout are transposed on the tensor engine; constants are
// arranged once, when the program is compiled.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "thorong/compiler/groups.h"
#include "thorong/compiler/options.h"
#include "thorong/compiler/placed.h"
#include "thorong/compiler/tile_builder.h"
#include "thorong/ops/operator.h"

namespace thorong::compiler {

using ops::Graph;
using ops::Node;
using ops::ValueId;

// The format in which the tensor engine takes operands that are declared so.
Format matmul_format(Format declared, const isa::CoreParameters& core,
                     const CompileOptions& options);

// "1 block", "8 blocks": for what is explained to people.
inline std::string counted(int64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

class Codegen {
 public:
  Codegen(const Graph& graph, const std::vector<Group>& groups, const isa::CoreParameters& core,
          const CompileOptions& options);

  // Before run(): these constants stay in SBUF until their last group, if there is room.
  void keep(std::map<ValueId, int> constants) { recurring_ = std::move(constants); }
  bool kept_some() const { return kept_some_; }
  Status run();
  isa::Program take_program() { return std::move(builder_.program()); }
  // The group at which run() stopped; the number of groups if it got through them.
  size_t group_index() const { return group_index_; }
  // Results of groups that found no room in SBUF.
  const std::vector<ValueId>& spilled() const { return spilled_; }

  // --- for lowerings ---
  const Graph& graph() const { return graph_; }
  TileBuilder& builder() { return builder_; }
  const isa::CoreParameters& core() const { return builder_.core(); }
  int64_t block() const { return builder_.partitions(); }

  // The format in which operands of matmuls enter the array, for a value of that declared format.
  Format matmul_format(Format declared) const;
  // The format in which a value is kept on the device.
  Format storage_format(ValueId value) const;

  // The value with `pdim` on the partitions (SBUF), or in HBM loadable that way, in `format`. pdim
  // -1: one row. `split`: the caller takes one index at a time of dimensions that select partitions
  // (Placed::partition_step).
  Result<Placed> acquire(ValueId value, int pdim, Format format, bool split = false);
  // A pattern of SBUF over the box, loading it from HBM into `scope` when it is not there yet. For
  // tensors in SBUF the box's partitions must lie within one block.
  Result<AccessPattern> fetch(const Placed& placed, const Box& box, int pdim, Format format,
                              StreamScope& scope);
  // The same as a tile of its own that many patterns can be cut from: coordinates stay those of
  // `placed`.
  Result<Placed> bring(const Placed& placed, const Box& box, int pdim, Format format,
                       StreamScope& scope);
  // A DMA into a tile of SBUF that nothing writes to afterwards; the host need not copy what stays
  // as it is in HBM.
  void load(const Placed& from, Format format, const AccessPattern& out, const AccessPattern& in);
  // The pattern of a box, which must be in SBUF; unsupported if it is not one pattern.
  Result<AccessPattern> view(const Placed& placed, const Box& box, int pdim);
  // A constant that the lowering arranges itself: `fill` writes fp32 cells, which are then rounded
  // to `format`.
  Result<BufferId> prepare_constant(const std::string& name, Format format, int64_t elements,
                                    const std::function<void(float*)>& fill);
  // Where the result of a concatenate is, if operands have been written into their places of it;
  // in_place: whether this one.
  std::optional<Placed> joined(ValueId result) const;
  bool in_place(ValueId operand) const { return in_place_.contains(operand); }
  // Sets a whole tensor to one value.
  Status fill(const Placed& placed, float value);
  // Where the value is now, whatever its layout.
  Result<Placed> place(ValueId value);
  // The value as a dense row-major HBM tensor of its declared format.
  Result<Placed> to_hbm(ValueId value);
  // The same in another format.
  Result<Placed> to_hbm_as(ValueId value, Format format);
  // The tensor of a constant, else nullptr.
  const ops::Tensor* constant(ValueId value) const;
  // The value behind reshapes, transposes, slices and broadcasts.
  ValueId base(ValueId value) const { return base_of(value); }
  // The partition dimension of a value that is in SBUF now, else -1.
  int resident_pdim(ValueId value) {
    auto placed = place(value);
    return placed.ok() && placed->sbuf ? placed->pdim : -1;
  }

  // What a lowering chose for the present operator, as people read it ("rhs stationary ...").
  void explain(const std::string& choice);

  // The program is bound by the loading of its weights: DMA is dear and the engines wait.
  bool weights_bound() const { return weights_bound_; }

  // The partition dimension that suits the consumers of `value`; `choices` in order of the
  // producer's preference.
  int preferred_pdim(ValueId value, const std::vector<int>& choices) const;

  // --- output of the present group ---
  // Places the group's result with pdim on the partitions and gets the external operands of its
  // elementwise part ready.
  Status begin_output(const Group& group, int pdim);
  int output_pdim() const { return output_pdim_; }
  // Applies the group's elementwise part to the anchor's result over `box` (of the group's output)
  // and stores it. `anchor`: the anchor's result for the box; PSUM or SBUF, rank as it is.
  Status finish_box(const Group& group, const Box& box, const std::optional<AccessPattern>& anchor);
  // Where the anchor may write its box itself (no elementwise part, output in SBUF in that format);
  // else nullopt.
  std::optional<AccessPattern> direct_target(const Group& group, const Box& box);
  // The result was placed by the lowering itself (data movement).
  void set_placed(ValueId value, Placed placed) { placed_[value] = std::move(placed); }
  Placed& output_placed() { return output_; }
  // Elements of a partition that a tensor takes in SBUF.
  int64_t resident_elements(const Shape& shape, int pdim) const;
  // A new tensor in SBUF, if there is room.
  std::optional<Placed> allocate_resident(const Shape& shape, int pdim, Format format);
  // A new tensor: in SBUF when there is room, else in HBM scratch arranged with pdim outermost.
  Placed allocate(const Shape& shape, int pdim, Format format, const std::string& name);
  // DMA or engine copy of a box between two placed tensors of the same box shape (data movement).
  Status copy_box(const Placed& to, const Box& to_box, const Placed& from, const Box& from_box);
  Status run_reference(const Group& group);

 private:
  friend class ElementwiseEmitter;
  using Variant = std::pair<ValueId, std::pair<int, Format>>;  // another layout, another format
  using Variants = std::map<Variant, Placed>;
  Status run_group(const Group& group);
  Status place_inputs();
  Status store_outputs();
  // How a view of a constant lies over the constant's own elements; none where it is no view of
  // one.
  std::optional<Placed> constant_view(ValueId value) const;
  Result<Placed> materialize_constant(ValueId value, int pdim, Format format);
  // A copy in SBUF of a constant that is to be kept, if there is room; else as it is.
  Result<Placed> keep_constant(ValueId value, const Placed& arranged, int pdim);
  Result<Placed> relayout(const Placed& from, int pdim, Format format, const std::string& name);
  Result<Placed> convert_placed(const Placed& from, Format format, const std::string& name);
  Result<Placed> broadcast_rows(const Placed& from, int pdim, Format format);
  Placed store_dense(const Placed& from, Format format, const std::string& name);
  Status copy_to_hbm(const Placed& from, const Placed& to);
  Variants::iterator first_variant(ValueId value);
  void release_after(size_t group_index);
  void release_original(ValueId value);
  void begin_operator(const Group& group, const Node& first);
  void explain_place(const Group& group);
  bool joins(ValueId value) const;  // whether a concatenate is all that reads it
  std::optional<Placed> place_in_join(ValueId value, int pdim);
  Placed place_result(ValueId value, int pdim);

  void find_lifetimes();
  ValueId base_of(ValueId value) const { return base_[static_cast<size_t>(value)]; }
  bool find_weights_bound() const;
  bool is_view(const Node& node) const;

  const Graph& graph_;
  const std::vector<Group>& groups_;
  CompileOptions options_;
  TileBuilder builder_;
  std::vector<std::vector<int>> consumers_;  // value -> nodes
  std::vector<ValueId> base_;                // value -> value behind the views
  std::vector<int> last_group_;              // base value -> last group that reads it
  std::vector<std::vector<ValueId>> dying_;  // group -> values, ascending, that end with it
  std::map<ValueId, Placed> placed_;
  Variants variants_, constants_;
  std::set<Variant> constant_rows_;   // those of variants_ that live for the present group
  std::map<ValueId, int> recurring_;  // constants to keep in SBUF, and their last group
  std::vector<std::pair<int, BufferId>> kept_;  // copies of such in SBUF, and their last group
  int64_t kept_bytes_ = 0;                      // a partition
  bool kept_some_ = false;
  std::map<ValueId, isa::BufferId> output_buffers_;
  std::map<ValueId, Placed>
      joins_;  // results of concatenates whose operands are being written into them
  std::set<ValueId> in_place_;  // those operands: their buffer is the result's
  std::vector<ValueId> spilled_;
  std::map<std::pair<int32_t, std::string>, int32_t>
      copies_;  // Node::copy_of and what the group does -> operator
  // of the present group
  Placed output_;
  int output_pdim_ = -1;
  bool output_in_place_ = false;
  std::map<ValueId, Placed> externals_;
  std::vector<std::pair<std::string, std::pair<BufferId, AccessPattern>>>
      row_cache_;  // fetched operands that repeat
  size_t group_index_ = 0;
  bool weights_bound_ = false;
};

// Of a partition of SBUF: what constants of recurrences may take.
inline constexpr double kKeptShare = 0.5;

// A lowering: emits tiles for groups anchored at a node of `op`; return unsupported to fall back on
// the reference.
struct Lowering {
  std::string op;
  Status (*lower)(Codegen& codegen, const Group& group, const Node& node) = nullptr;
  // Whether it takes this node at all (shapes, attributes); others are decomposed or run by
  // reference.
  bool (*accepts)(const Graph& graph, const Node& node) = nullptr;
  // Whether elementwise operators behind it may join its group (it ends in Codegen::finish_box).
  bool fuses = true;
};
const Lowering* find_lowering(std::string_view op);

}  // namespace thorong::compiler
