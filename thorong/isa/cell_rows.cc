// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/cell_rows.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace thorong::isa {
namespace {

using Walk = CellCopy::Walk;

// The common refinement of two shapes with equally many elements, innermost first; empty if there
// is none.
std::vector<Walk> walk_of(const AccessPattern& out, const AccessPattern& in) {
  std::vector<Walk> walk;
  int i = out.rank - 1, j = in.rank - 1;
  int64_t a = 1, b = 1, to = 0, from = 0;  // what is left of each pattern's current dimension
  while (true) {
    while (a == 1 && i >= 0)
      a = out.size[static_cast<size_t>(i)], to = out.step[static_cast<size_t>(i)], --i;
    while (b == 1 && j >= 0)
      b = in.size[static_cast<size_t>(j)], from = in.step[static_cast<size_t>(j)], --j;
    if (a == 1 && b == 1) break;
    int64_t size = std::min(a, b);
    if (size < 2 || a % size != 0 || b % size != 0) return {};
    if (!walk.empty() && walk.back().to * walk.back().size == to &&
        walk.back().from * walk.back().size == from) {
      walk.back().size *= size;
    } else {
      walk.push_back({size, to, from});
    }
    a /= size, b /= size, to *= size, from *= size;
  }
  if (walk.empty()) walk.push_back({1, 1, 1});
  return walk;
}

// What a line costs an element, in cache lines: those that it touches, and two to begin it.
double cost(const Walk& walk) {
  constexpr double kCells = 16;  // of a cache line
  auto touched = [=](int64_t step) {
    return std::min(static_cast<double>(std::abs(step)), kCells) / kCells;
  };
  return touched(walk.to) + touched(walk.from) + 2.0 / static_cast<double>(walk.size);
}

void copy_line(float* to, const float* from, const Walk& walk) {
  if (walk.to == 1 && walk.from == 1) {
    std::memmove(to, from, static_cast<size_t>(walk.size) * 4);
  } else if (walk.to == 1 && walk.from == 2) {
    for (int64_t i = 0; i < walk.size; ++i) to[i] = from[2 * i];
  } else if (walk.from == 1) {
    for (int64_t i = 0; i < walk.size; ++i) to[i * walk.to] = from[i];
  } else {
    for (int64_t i = 0; i < walk.size; ++i) to[i * walk.to] = from[i * walk.from];
  }
}

}  // namespace

CellCopy cell_copy(const Operand& out, const Operand& in) {
  CellCopy copy;
  bool plain = out.pattern->format == Format::kFloat32 && in.pattern->format == Format::kFloat32;
  bool fixed = out.pattern->indirect < 0 && in.pattern->indirect < 0;
  if (!plain || !fixed || out.elements != in.elements || out.pattern->buffer == in.pattern->buffer)
    return copy;
  copy.dimensions = walk_of(*out.pattern, *in.pattern);
  if (copy.dimensions.empty() || copy.dimensions.size() > CellCopy::kMost) return {};
  auto inner = std::min_element(copy.dimensions.begin(), copy.dimensions.end(),
                                [](const Walk& a, const Walk& b) { return cost(a) < cost(b); });
  std::iter_swap(copy.dimensions.begin(), inner);
  copy.dimensions.resize(CellCopy::kMost, {1, 0, 0});
  return copy;
}

void copy_cells(const CellCopy& copy, const Operand& out, const Operand& in, int64_t first,
                int64_t last) {
  const std::vector<Walk>& walk = copy.dimensions;
  for (int64_t p = first; p < last; ++p) {
    float* to = out.row(p);
    const float* from = in.row(p);
    for (int64_t a = 0; a < walk[4].size; ++a) {
      for (int64_t b = 0; b < walk[3].size; ++b) {
        for (int64_t c = 0; c < walk[2].size; ++c) {
          float* line_to = to + a * walk[4].to + b * walk[3].to + c * walk[2].to;
          const float* line_from = from + a * walk[4].from + b * walk[3].from + c * walk[2].from;
          for (int64_t d = 0; d < walk[1].size; ++d) {
            copy_line(line_to + d * walk[1].to, line_from + d * walk[1].from, walk[0]);
          }
        }
      }
    }
  }
}

}  // namespace thorong::isa
