// SPDX-License-Identifier: Apache-2.0
// What lies where in a memory over time, computed from Result::tiles when a view asks for it.
#pragma once

#include <vector>

#include "thorong/report/result.h"

namespace thorong::report {

std::string_view name(Memory memory);  // sbuf, psum, hbm

// Bytes in use over time: a step function sorted by time.
std::vector<OccupancyPoint> occupancy(const Result& result, Memory memory);

// The moment at which most of a memory is in use, as a partition sees it. Tiles that share bytes
// (addresses that a kernel gave) count once.
struct MemoryPeak {
  int64_t time_ps = 0;
  int64_t used_bytes = 0, free_bytes = 0, largest_free_bytes = 0;  // of each partition
  int64_t highest_byte = 0;                                        // end of the last tile, ever
  // How much of the free bytes lies outside the largest free stretch; 0 when nothing is free.
  double fragmentation() const {
    return free_bytes > 0
               ? 1 - static_cast<double>(largest_free_bytes) / static_cast<double>(free_bytes)
               : 0;
  }
};
MemoryPeak memory_peak(const Result& result, Memory memory);

// The tiles of a memory in order of start and address; of more than `most` those that take most
// bytes for longest.
std::vector<TileUse> largest_tiles(const Result& result, Memory memory, size_t most);

// Up to which byte a picture of the memory reaches: all of PSUM, of SBUF what is in use rounded up
// to a sixteenth.
int64_t map_top(const Result& result, Memory memory);
// The share of each cell of a grid of addresses up to map_top (rows, the lowest first) and times
// (columns) that is in use: [row * columns + column], 0 to 1.
std::vector<float> memory_grid(const Result& result, Memory memory, size_t rows, size_t columns);

}  // namespace thorong::report
