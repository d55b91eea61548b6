// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/memory_map.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "thorong/report/html_data.h"

namespace thorong::report {
namespace {

// Bytes [first, end) of a partition that come into use (count 1) or go out of it (-1).
struct Change {
  int64_t time_ps, first, end;
  int count;
};

std::vector<Change> changes_of(const Result& result, Memory memory) {
  std::vector<Change> changes;
  for (const TileUse& tile : result.tiles) {
    if (tile.memory != memory || tile.bytes <= 0 || tile.end_ps <= tile.start_ps) continue;
    changes.push_back({tile.start_ps, tile.address, tile.address + tile.bytes, 1});
    changes.push_back({tile.end_ps, tile.address, tile.address + tile.bytes, -1});
  }
  // At one time places are given back before others are taken.
  std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return std::tie(a.time_ps, a.count, a.first, a.end) <
           std::tie(b.time_ps, b.count, b.first, b.end);
  });
  return changes;
}

// How many tiles lie on each byte of a partition, as stretches between the bytes where that
// changes.
class Coverage {
 public:
  void add(const Change& change) {
    auto from = split(change.first), to = split(change.end);
    for (auto at = from; at != to; ++at) {
      int64_t length = std::next(at)->first - at->first;
      if (at->second == 0) used_ += length;
      at->second += change.count;
      if (at->second == 0) used_ -= length;
    }
    join(from), join(to);
  }
  int64_t used() const { return used_; }
  int64_t largest_free(int64_t end) const {
    int64_t most = 0, free_from = 0;
    for (auto at = stretches_.begin(); at != stretches_.end(); ++at) {
      if (at->second == 0) continue;  // the last of all is free
      most = std::max(most, std::min(at->first, end) - free_from);
      free_from = std::next(at)->first;
    }
    return std::max(most, end - free_from);
  }

 private:
  using Stretches = std::map<int64_t, int>;  // from a byte to the next entry's
  Stretches::iterator split(int64_t at) {
    auto next = stretches_.lower_bound(at);
    if (next != stretches_.end() && next->first == at) return next;
    int count = next == stretches_.begin() ? 0 : std::prev(next)->second;
    return stretches_.emplace_hint(next, at, count);
  }
  // Removes an entry that says what the one before it says.
  void join(Stretches::iterator at) {
    int before = at == stretches_.begin() ? 0 : std::prev(at)->second;
    if (at->second == before) stretches_.erase(at);
  }

  Stretches stretches_;
  int64_t used_ = 0;
};

const MemoryShape& shape_of(const Result& result, Memory memory) {
  return memory == Memory::kPsum ? result.psum : result.sbuf;
}

}  // namespace

std::string_view name(Memory memory) {
  constexpr std::string_view kNames[] = {"hbm", "sbuf", "psum"};
  return kNames[static_cast<size_t>(memory)];
}

std::vector<OccupancyPoint> occupancy(const Result& result, Memory memory) {
  std::vector<std::pair<int64_t, int64_t>> changes;
  for (const TileUse& tile : result.tiles) {
    if (tile.memory != memory) continue;
    changes.emplace_back(tile.start_ps, tile.total_bytes());
    changes.emplace_back(tile.end_ps, -tile.total_bytes());
  }
  std::sort(changes.begin(), changes.end());
  std::vector<OccupancyPoint> points;
  int64_t bytes = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    bytes += changes[i].second;
    if (i + 1 < changes.size() && changes[i + 1].first == changes[i].first) continue;
    points.push_back({changes[i].first, bytes});
  }
  return points;
}

MemoryPeak memory_peak(const Result& result, Memory memory) {
  const int64_t capacity = shape_of(result, memory).bytes;
  const std::vector<Change> changes = changes_of(result, memory);
  MemoryPeak peak;
  peak.free_bytes = peak.largest_free_bytes = capacity;
  Coverage coverage;
  size_t steps = 0;  // up to the peak
  for (size_t i = 0; i < changes.size(); ++i) {
    coverage.add(changes[i]);
    peak.highest_byte = std::max(peak.highest_byte, changes[i].end);
    if (coverage.used() <= peak.used_bytes) continue;
    peak.time_ps = changes[i].time_ps, peak.used_bytes = coverage.used();
    steps = i + 1;
  }
  Coverage then;
  for (size_t i = 0; i < steps; ++i) then.add(changes[i]);
  if (steps > 0) {
    peak.free_bytes = std::max<int64_t>(0, capacity - peak.used_bytes);
    peak.largest_free_bytes = std::max<int64_t>(0, then.largest_free(capacity));
  }
  return peak;
}

std::vector<TileUse> largest_tiles(const Result& result, Memory memory, size_t most) {
  using Weighed = std::pair<double, const TileUse*>;  // minus bytes x time, so the largest is first
  std::vector<Weighed> all;
  for (const TileUse& tile : result.tiles) {
    if (tile.memory != memory) continue;
    all.emplace_back(
        -static_cast<double>(tile.total_bytes()) * static_cast<double>(tile.end_ps - tile.start_ps),
        &tile);
  }
  if (all.size() > most) {
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(most), all.end());
    all.resize(most);
  }
  std::sort(all.begin(), all.end(), [](const Weighed& a, const Weighed& b) {
    return std::tie(a.second->start_ps, a.second->address, a) <
           std::tie(b.second->start_ps, b.second->address, b);
  });
  std::vector<TileUse> tiles;
  for (const auto& [weight, tile] : all) tiles.push_back(*tile);
  return tiles;
}

int64_t map_top(const Result& result, Memory memory) {
  const int64_t capacity = shape_of(result, memory).bytes;
  if (memory == Memory::kPsum) return capacity;
  int64_t highest = 0;
  for (const TileUse& tile : result.tiles) {
    if (tile.memory == memory) highest = std::max(highest, tile.address + tile.bytes);
  }
  constexpr int64_t kSteps = 16;
  const int64_t step = std::max<int64_t>(1, capacity / kSteps);
  return std::clamp((highest + step - 1) / step * step, std::min(step, capacity), capacity);
}

std::vector<float> memory_grid(const Result& result, Memory memory, size_t rows, size_t columns) {
  std::vector<float> grid(rows * columns, 0.0F);
  const double row = static_cast<double>(map_top(result, memory)) / static_cast<double>(rows);
  const double column = static_cast<double>(span_ps(result)) / static_cast<double>(columns);
  if (row <= 0 || column <= 0) return grid;
  // The part of cell i of a size that [from, to) covers.
  auto part = [](size_t i, double size, double from, double to) {
    double low = std::max(from, static_cast<double>(i) * size),
           high = std::min(to, static_cast<double>(i + 1) * size);
    return std::max(0.0, high - low) / size;
  };
  for (const TileUse& tile : result.tiles) {
    if (tile.memory != memory) continue;
    auto low = static_cast<double>(tile.address),
         high = static_cast<double>(tile.address + tile.bytes);
    auto from = static_cast<double>(tile.start_ps), to = static_cast<double>(tile.end_ps);
    for (auto r = static_cast<size_t>(low / row); r < rows && static_cast<double>(r) * row < high;
         ++r) {
      for (auto c = static_cast<size_t>(from / column);
           c < columns && static_cast<double>(c) * column < to; ++c) {
        float& cell = grid[r * columns + c];
        cell = std::min(
            1.0F, cell + static_cast<float>(part(r, row, low, high) * part(c, column, from, to)));
      }
    }
  }
  return grid;
}

}  // namespace thorong::report
