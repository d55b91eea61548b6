// SPDX-License-Identifier: Apache-2.0
// Two kinds of strips, of which either may hold the other:
//
// * regions without weights (scores, softmax and their product with the values) around each value
// that found no room: they cost
//   nothing, so the largest strips whose values take a small part of SBUF are made without asking;
// * the widest region around the largest such value, with weights: each strip reads them again, so
// the number of strips is what
//   the timing model says is fastest.
#include "thorong/compiler/strip_search.h"

#include <algorithm>
#include <optional>
#include <set>

#include "thorong/compiler/passes/strips.h"
#include "thorong/sim/timing.h"

namespace thorong::compiler {
namespace {

using ops::Graph;
using ops::ValueId;

// Below this share of the program's time, moving spilled values is not worth a search.
constexpr double kWorthSearching = 0.02;
// The share of SBUF that the values of one strip of a region without weights may take.
constexpr double kShareOfStrip = 0.2;
// Strips within strips are tried when no more than this share of the spilled bytes is left.
constexpr double kFewSpills = 0.5;
// Numbers of strips that are tried for the widest region.
constexpr int kMostTries = 5;

class Search {
 public:
  Search(const Graph& graph, const isa::CoreParameters& core, const Generate& generate)
      : graph_(graph), core_(core), generate_(generate) {}

  Result<isa::Program> run() {
    Candidate whole;
    THORONG_TRY(whole.generated, generate_(graph_));
    if (whole.generated.spilled.empty()) return std::move(whole.generated.program);
    take_time(whole);
    double moved = 2 * bytes(graph_, whole.generated.spilled) / core_.hbm_core_bytes_per_s;
    if (moved < kWorthSearching * whole.time_s) return std::move(whole.generated.program);
    Region widest = widest_region(graph_, whole.generated.spilled);
    best_ = std::move(whole);
    std::vector<ValueId> spilled = best_.generated.spilled;
    double time_whole = best_.time_s;
    spilled_whole_ = bytes(graph_, spilled);
    int tries = 0;
    for (int64_t n = 2; n <= widest.extent && tries < kMostTries && widest.bytes > 0; ++n) {
      if (widest.extent % n != 0) continue;
      ++tries;
      widest.strips = n;
      if (!try_outer(widest)) break;
    }
    if (best_.time_s == time_whole) try_inner(graph_, spilled);
    return std::move(best_.generated.program);
  }

 private:
  struct Candidate {
    Generated generated;
    double time_s = 0;
  };

  Result<Candidate> compile(const Graph& graph) {
    Candidate candidate;
    THORONG_TRY(candidate.generated, generate_(graph));
    take_time(candidate);
    return candidate;
  }

  void take_time(Candidate& candidate) const {
    int64_t end =
        sim::simulate_timing(candidate.generated.program, core_, sim::Schedule::kVendor).end_ps;
    candidate.time_s = static_cast<double>(end) * 1e-12;
  }

  static double bytes(const Graph& graph, const std::vector<ValueId>& values) {
    double sum = 0;
    for (ValueId v : values) sum += static_cast<double>(graph.type(v).bytes());
    return sum;
  }

  static std::vector<ValueId> largest_first(const Graph& graph, std::vector<ValueId> values) {
    auto larger = [&](ValueId a, ValueId b) {
      return graph.type(a).bytes() > graph.type(b).bytes();
    };
    std::stable_sort(values.begin(), values.end(), larger);
    return values;
  }

  // The region around the value which keeps most between its operators, over parts of one of its
  // dimensions. A dimension may hold several that were merged: the sizes of other values'
  // dimensions tell in how many parts it may fall.
  static Region widest_around(const Graph& graph, ValueId seed, const std::set<int64_t>& extents,
                              bool weights) {
    Region best;
    const ops::Shape& shape = graph.type(seed).shape;
    for (size_t d = 0; d < shape.size(); ++d) {
      for (int64_t extent : extents) {
        if (extent > shape[d] || shape[d] % extent != 0) continue;
        Region region = find_region(graph, seed, static_cast<int>(d), extent, weights);
        if (region.bytes > best.bytes) best = std::move(region);
      }
    }
    return best;
  }

  static std::set<int64_t> extents_of(const Graph& graph, const std::vector<ValueId>& values) {
    std::set<int64_t> extents;
    for (ValueId v : values) {
      for (int64_t size : graph.type(v).shape) extents.insert(size);
    }
    extents.erase(extents.begin(), extents.lower_bound(2));
    return extents;
  }

  // The widest region around values of different shapes.
  static Region widest_region(const Graph& graph, const std::vector<ValueId>& values) {
    constexpr size_t kMostSeeds = 3;
    std::set<ops::Shape> shapes;
    Region best;
    for (ValueId seed : largest_first(graph, values)) {
      if (shapes.size() == kMostSeeds || !shapes.insert(graph.type(seed).shape).second) continue;
      Region region = widest_around(graph, seed, extents_of(graph, values), true);
      if (region.bytes > best.bytes) best = std::move(region);
    }
    return best;
  }

  // All regions without weights around values that found no room, with the fewest strips that do.
  std::vector<Region> inner_regions(const Graph& graph, const std::vector<ValueId>& values) const {
    double room =
        kShareOfStrip * static_cast<double>(core_.sbuf_bytes_per_partition * core_.partitions);
    std::set<int64_t> extents = extents_of(graph, values);
    std::vector<Region> regions;
    std::set<int> taken;
    for (ValueId v : largest_first(graph, values)) {
      if (taken.contains(graph.value(v).producer)) continue;
      Region region = widest_around(graph, v, extents, false);
      if (std::any_of(region.nodes.begin(), region.nodes.end(),
                      [&](int n) { return taken.contains(n); }))
        continue;
      region.strips = 0;
      for (int64_t n = 2; n <= region.extent && region.strips == 0 && region.bytes > 0; ++n) {
        if (region.extent % n == 0 &&
            (region.bytes <= room * static_cast<double>(n) || n == region.extent))
          region.strips = n;
      }
      if (region.strips == 0) continue;
      taken.insert(region.nodes.begin(), region.nodes.end());
      regions.push_back(std::move(region));
    }
    return regions;
  }

  // Keeps the program of this graph if it is faster; a graph that cannot be compiled is no
  // candidate.
  std::optional<Candidate> consider(const Result<Graph>& graph) {
    if (!graph.ok()) return std::nullopt;
    auto candidate = compile(*graph);
    return candidate.ok() ? std::optional<Candidate>(std::move(*candidate)) : std::nullopt;
  }

  void keep(std::optional<Candidate> candidate) {
    if (candidate && candidate->time_s < best_.time_s) best_ = std::move(*candidate);
  }

  void try_inner(const Graph& graph, const std::vector<ValueId>& spilled) {
    std::vector<Region> regions = inner_regions(graph, spilled);
    if (!regions.empty()) keep(consider(split_into_strips(graph, regions)));
  }

  // False: everything fits SBUF, and more strips would only read weights more often.
  bool try_outer(const Region& region) {
    Result<Graph> graph = split_into_strips(graph_, {region});
    auto candidate = consider(graph);
    if (!candidate) return true;
    std::vector<ValueId> spilled = candidate->generated.spilled;
    keep(std::move(candidate));
    if (bytes(*graph, spilled) < kFewSpills * spilled_whole_) try_inner(*graph, spilled);
    return !spilled.empty();
  }

  const Graph& graph_;
  const isa::CoreParameters& core_;
  const Generate& generate_;
  Candidate best_;
  double spilled_whole_ = 0;  // bytes of the graph as it is
};

}  // namespace

Result<isa::Program> fastest_in_strips(const Graph& graph, const isa::CoreParameters& core,
                                       const Generate& generate) {
  return Search(graph, core, generate).run();
}

}  // namespace thorong::compiler
