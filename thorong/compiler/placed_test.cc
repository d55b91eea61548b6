// SPDX-License-Identifier: Apache-2.0
// Placements against brute force: where a view, a pattern or a chunk says that an element is, it
// must be. Address spaces against a list of intervals.
#include "thorong/compiler/placed.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <vector>

#include "thorong/ops/operator_support.h"
#include "thorong/sim/address_space.h"

namespace thorong::compiler {
namespace {

using ops::Graph;
using ops::make_attributes;
using ops::ValueId;
using Indices = std::vector<int64_t>;

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int64_t percent) { return pick(1, 100) <= percent; }

 private:
  std::mt19937_64 engine_;
};

// An element's place: partition (SBUF) and element of the row or buffer.
using Place = std::pair<int64_t, int64_t>;

Place place_of(const Placed& placed, const Indices& index, int64_t block) {
  int64_t partition = placed.partition_offset, at = placed.offset;
  for (size_t d = 0; d < index.size(); ++d) {
    if (placed.sbuf && static_cast<int>(d) == placed.pdim)
      partition += index[d];
    else
      at += index[d] * placed.step[d];
    if (!placed.partition_step.empty()) partition += index[d] * placed.partition_step[d];
  }
  if (!placed.sbuf) return {0, at};
  return {partition % block, at + partition / block * placed.tile_step};
}

Placed resident(const Shape& shape, int pdim) {
  Placed placed;
  placed.sbuf = true, placed.buffer = 0, placed.shape = shape, placed.pdim = pdim;
  placed.step.assign(shape.size(), 0);
  int64_t row = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (static_cast<int>(d) != pdim) placed.step[d] = row, row *= shape[d];
  }
  placed.tile_step = row;
  return placed;
}

Shape random_shape(Random& random, int64_t rank) {
  static constexpr int64_t kSizes[] = {1, 2, 3, 4, 6, 8, 32, 64};
  Shape shape;
  for (int64_t d = 0; d < rank; ++d) shape.push_back(kSizes[random.pick(0, d == 0 ? 7 : 5)]);
  return shape;
}

// A node of a view operator on x, and for each index of the result the index of x.
struct View {
  const ops::Node* node = nullptr;
  Shape shape;
  std::function<Indices(const Indices&)> source;
};

View random_view(Random& random, Graph& graph, ValueId x) {
  const Shape in = graph.type(x).shape;
  View view;
  const auto made = [&](const char* op, ops::Attributes attributes) {
    auto result = graph.add1(op, {x}, std::move(attributes));
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    view.node = &graph.nodes.back();
    view.shape = graph.type(*result).shape;
  };
  const auto rank = static_cast<int64_t>(in.size());
  switch (random.pick(0, 3)) {
    case 0: {
      Shape out = in;  // merge two dimensions, or split one
      const auto d = static_cast<size_t>(random.pick(0, rank - 1));
      if (d + 1 < out.size() && random.chance(50)) {
        out[d] *= out[d + 1];
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(d) + 1);
      } else {
        const int64_t part = out[d] % 2 == 0 ? 2 : out[d] % 3 == 0 ? 3 : 1;
        out[d] /= part;
        const auto at = static_cast<std::ptrdiff_t>(d) + (random.chance(50) ? 1 : 0);
        out.insert(out.begin() + at, part);
      }
      made("reshape", make_attributes({{"shape", out}}));
      view.source = [in, out](const Indices& index) {
        int64_t flat = 0;
        for (size_t i = 0; i < out.size(); ++i) flat = flat * out[i] + index[i];
        Indices result(in.size());
        for (size_t i = in.size(); i-- > 0; flat /= in[i]) result[i] = flat % in[i];
        return result;
      };
      break;
    }
    case 1: {
      Indices permutation;
      for (int64_t d = 0; d < rank; ++d) permutation.push_back(d);
      for (size_t d = permutation.size(); d-- > 1;) {
        const int64_t other = random.pick(0, static_cast<int64_t>(d));
        std::swap(permutation[d], permutation[static_cast<size_t>(other)]);
      }
      made("transpose", make_attributes({{"permutation", permutation}}));
      view.source = [permutation](const Indices& index) {
        Indices result(index.size());
        for (size_t i = 0; i < index.size(); ++i) {
          result[static_cast<size_t>(permutation[i])] = index[i];
        }
        return result;
      };
      break;
    }
    case 2: {
      Indices start, limit, stride;
      for (const int64_t size : in) {
        start.push_back(random.chance(50) ? 0 : random.pick(0, size - 1));
        limit.push_back(random.chance(50) ? size : random.pick(start.back() + 1, size));
        stride.push_back(random.chance(70) ? 1 : 2);
      }
      made("slice", make_attributes(
                        {{"start_indices", start}, {"limit_indices", limit}, {"strides", stride}}));
      view.source = [start, stride](const Indices& index) {
        Indices result;
        for (size_t i = 0; i < index.size(); ++i) result.push_back(start[i] + index[i] * stride[i]);
        return result;
      };
      break;
    }
    default: {
      Shape out;
      Indices dimensions;
      for (size_t d = 0; d < in.size(); ++d) {
        if (random.chance(25)) out.push_back(random.pick(1, 3));
        dimensions.push_back(static_cast<int64_t>(out.size()));
        out.push_back(in[d] == 1 && random.chance(60) ? 4 : in[d]);
      }
      made("broadcast_in_dim",
           make_attributes({{"shape", out}, {"broadcast_dimensions", dimensions}}));
      view.source = [in, dimensions](const Indices& index) {
        Indices result;
        for (size_t i = 0; i < in.size(); ++i) {
          result.push_back(in[i] == 1 ? 0 : index[static_cast<size_t>(dimensions[i])]);
        }
        return result;
      };
    }
  }
  return view;
}

TEST(Placed, ViewsPointAtTheElementsOfTheirSource) {
  constexpr int64_t kBlock = 128;
  int views = 0, refused = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    SCOPED_TRACE(seed);
    Graph graph;
    const Shape shape = random_shape(random, random.pick(1, 4));
    ValueId x = graph.add_input("x", {Format::kFloat32, shape});
    const bool sbuf = random.chance(70);
    const auto rank = static_cast<int64_t>(shape.size());
    Placed placed = sbuf ? resident(shape, static_cast<int>(random.pick(-1, rank - 1)))
                         : dense_hbm(0, Format::kFloat32, shape);
    for (int depth = 0; depth < 3; ++depth) {
      const View view = random_view(random, graph, x);
      auto next = try_view(*view.node, placed, view.shape, 128);
      const bool free_anywhere = view.node->op->name != "reshape" && !sbuf;
      EXPECT_TRUE(next || !free_anywhere) << view.node->op->name << " of HBM is a view";
      if (!next) {
        ++refused;
        break;
      }
      ++views;
      ASSERT_EQ(next->shape, view.shape);
      Indices index(view.shape.size(), 0);
      do {
        ASSERT_EQ(place_of(*next, index, kBlock), place_of(placed, view.source(index), kBlock))
            << view.node->op->name << " of " << ops::to_string(placed.shape);
      } while (ops::next_index(index, view.shape));
      placed = *next;
      x = view.node->outputs[0];
    }
  }
  EXPECT_GT(views, 2000);
  EXPECT_GT(refused, 50);
}

TEST(Placed, ADenseTensorInHbmIsAViewInAnyShape) {
  Graph graph;
  const ValueId x = graph.add_input("x", {Format::kFloat32, {6, 4}});
  for (const Shape& shape : {Shape{24}, Shape{2, 3, 4}, Shape{4, 6}, Shape{3, 8, 1}}) {
    ASSERT_TRUE(graph.add1("reshape", {x}, make_attributes({{"shape", shape}})).ok());
    EXPECT_TRUE(try_view(graph.nodes.back(), dense_hbm(0, Format::kFloat32, {6, 4}), shape, 128));
  }
}

// Every element of the box, partition by partition, then dimension by dimension.
TEST(Placed, PatternsVisitTheBoxInOrder) {
  int made = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    SCOPED_TRACE(seed);
    const Shape shape = random_shape(random, random.pick(1, 5));
    const auto rank = static_cast<int64_t>(shape.size());
    const int64_t block = random.chance(50) ? 16 : 128;
    const int pdim = static_cast<int>(random.pick(-1, rank - 1));
    const bool sbuf = random.chance(60);
    Placed placed = sbuf ? resident(shape, pdim) : dense_hbm(0, Format::kFloat32, shape);
    placed.offset = random.pick(0, 9);
    Box box;
    for (const int64_t size : shape) {
      const int64_t begin = random.chance(60) ? 0 : random.pick(0, size - 1);
      box.push_back({begin, random.chance(60) ? size - begin : random.pick(1, size - begin)});
    }
    const auto ap = pattern(placed, box, pdim, block);
    if (!ap) continue;
    ++made;
    std::vector<Place> expected, actual;
    Shape order, counts;  // pdim first
    if (pdim >= 0) order.push_back(pdim);
    for (int64_t d = 0; d < rank; ++d) {
      if (d != pdim) order.push_back(d);
    }
    for (const int64_t d : order) counts.push_back(box[static_cast<size_t>(d)].size);
    Indices at(counts.size(), 0);
    do {
      Indices index(shape.size());
      for (size_t i = 0; i < order.size(); ++i) {
        const auto d = static_cast<size_t>(order[i]);
        index[d] = box[d].begin + at[i];
      }
      expected.push_back(place_of(placed, index, block));
    } while (ops::next_index(at, counts));
    ASSERT_EQ(ap->elements(), static_cast<int64_t>(expected.size()));
    const Shape sizes(ap->size.begin(), ap->size.begin() + ap->rank);
    for (int64_t p = 0; p < ap->partitions; ++p) {
      Indices inner(sizes.size(), 0);
      do {
        int64_t element = ap->offset + (sbuf ? 0 : p * ap->partition_step);
        for (size_t d = 0; d < sizes.size(); ++d) element += inner[d] * ap->step[d];
        actual.emplace_back(sbuf ? ap->start_partition + p : 0, element);
      } while (ops::next_index(inner, sizes));
    }
    ASSERT_EQ(actual, expected);
  }
  EXPECT_GT(made, 1500);
}

TEST(Placed, PatternsRefuseWhatOneInstructionCannotVisit) {
  // Five free dimensions that do not merge.
  Placed placed = dense_hbm(0, Format::kFloat32, {3, 3, 3, 3, 3});
  const Box inner(5, Range{0, 2});
  EXPECT_FALSE(pattern(placed, inner, -1, 128));
  EXPECT_TRUE(pattern(placed, inner, 0, 128));
  EXPECT_TRUE(pattern(placed, whole(placed.shape), -1, 128)) << "whole dimensions merge";
  // Partitions of two blocks.
  placed = resident({200, 4}, 0);
  EXPECT_FALSE(pattern(placed, {{100, 60}, {0, 4}}, 0, 128));
  const auto second = pattern(placed, {{128, 60}, {0, 4}}, 0, 128);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->start_partition, 0);
  EXPECT_EQ(second->offset, 4);
}

TEST(ChunkBoxes, CoverEachElementOnce) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Random random(seed);
    SCOPED_TRACE(seed);
    Shape shape = random_shape(random, random.pick(1, 6));
    for (size_t d = shape.size(); d-- > 0 && ops::element_count(shape) > 3000;) shape[d] = 2;
    if (random.chance(20)) shape[0] = random.pick(1, 300);
    if (random.chance(3)) shape[0] = 0;
    const auto rank = static_cast<int64_t>(shape.size());
    const int pdim = static_cast<int>(random.pick(-1, rank - 1));
    const int64_t block = random.chance(50) ? 16 : 128, most = random.pick(1, 500);
    const int aligned = random.chance(20) ? static_cast<int>(random.pick(0, rank - 1)) : -1;
    std::vector<int> visits(static_cast<size_t>(ops::element_count(shape)));
    const Indices strides = ops::row_major_strides(shape);
    for (const Box& box : chunk_boxes(shape, pdim, block, most, aligned)) {
      int wide = 0;
      for (size_t d = 0; d < box.size(); ++d) {
        ASSERT_GE(box[d].size, 1);
        wide += static_cast<int>(d) != pdim && box[d].size > 1;
        if (static_cast<int>(d) == pdim) {
          EXPECT_EQ(box[d].begin / block, (box[d].begin + box[d].size - 1) / block);
        } else if (static_cast<int>(d) == aligned) {
          EXPECT_TRUE(box[d].size == shape[d] || box[d].begin % block == 0 || shape[d] <= most);
        }
      }
      EXPECT_LE(wide, isa::kMaxFreeRank);
      if (aligned < 0) {
        EXPECT_LE(free_elements(box, pdim), most);
      }
      Shape counts;
      for (const Range& range : box) counts.push_back(range.size);
      Indices at(counts.size(), 0);
      do {
        int64_t element = 0;
        for (size_t d = 0; d < at.size(); ++d) element += (at[d] + box[d].begin) * strides[d];
        ++visits[static_cast<size_t>(element)];
      } while (ops::next_index(at, counts));
    }
    for (const int count : visits) ASSERT_EQ(count, 1);
  }
}

// ---- Addresses ----

TEST(AddressSpace, AgreesWithAListOfIntervals) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    SCOPED_TRACE(seed);
    constexpr int64_t kBegin = 128, kEnd = 128 + 64 * 40;
    sim::AddressSpace space(kBegin, kEnd);
    std::map<int64_t, int64_t> used;  // the naive model: address, rounded size
    int64_t peak = 0;
    const auto largest_gap = [&] {
      int64_t at = kBegin, best = 0;
      for (const auto& [address, bytes] : used) {
        best = std::max(best, address - at);
        at = address + bytes;
      }
      return std::max(best, kEnd - at);
    };
    for (int step = 0; step < 120; ++step) {
      if (!used.empty() && random.chance(45)) {
        auto it = used.begin();
        std::advance(it, random.pick(0, static_cast<int64_t>(used.size()) - 1));
        space.free(it->first);
        used.erase(it);
      } else {
        const int64_t bytes = random.pick(0, 500);
        const int64_t rounded = std::max<int64_t>(1, (bytes + 63) / 64) * 64;
        const int64_t spare = random.pick(0, 700), gap = largest_gap();
        const int64_t kind = random.pick(0, 2);
        const auto address = kind == 0   ? space.allocate_first_fit(bytes)
                             : kind == 1 ? space.allocate_oldest(bytes)
                                         : space.allocate_top(bytes, spare);
        if (kind < 2) {
          EXPECT_EQ(address.has_value(), rounded <= gap) << "refused with room";
        }
        if (!address) continue;
        EXPECT_EQ(*address % 64, 0);
        EXPECT_GE(*address, kBegin);
        EXPECT_LE(*address + rounded, kEnd);
        for (const auto& [other, size] : used) {
          EXPECT_TRUE(*address + rounded <= other || other + size <= *address) << "overlap";
        }
        if (kind == 0) {  // nothing lower would have done
          for (int64_t at = kBegin; at < *address; at += 64) {
            bool fits = true;
            for (const auto& [other, size] : used) {
              fits = fits && (at + rounded <= other || other + size <= at);
            }
            EXPECT_FALSE(fits);
          }
        }
        used[*address] = rounded;
        if (kind == 2) {
          EXPECT_GE(largest_gap(), spare);
        }
      }
      int64_t total = 0;
      for (const auto& [address, bytes] : used) total += bytes;
      peak = std::max(peak, total);
      EXPECT_EQ(space.in_use(), total);
      EXPECT_EQ(space.peak(), peak);
      EXPECT_EQ(space.largest_gap(), largest_gap());
    }
  }
}

TEST(AddressSpace, HandsOutThePlaceThatIsFreeForLongest) {
  sim::AddressSpace space(0, 256);
  EXPECT_EQ(space.allocate_oldest(64), 0);
  space.free(0);
  EXPECT_EQ(space.allocate_oldest(64), 64) << "not the place that was just freed";
  EXPECT_EQ(space.allocate_oldest(128), 128);
  EXPECT_EQ(space.allocate_oldest(64), 0);
  EXPECT_EQ(space.allocate_oldest(1), std::nullopt);
  space.free(128);
  space.free(0);
  space.free(64);
  EXPECT_EQ(space.allocate_oldest(64), 128) << "given back first";
  EXPECT_EQ(space.allocate_oldest(128), 0) << "across two pieces, the later of which counts";
  space.free(12345);  // nothing there
  EXPECT_EQ(space.in_use(), 192);
  EXPECT_EQ(space.capacity(), 256);
}

}  // namespace
}  // namespace thorong::compiler
