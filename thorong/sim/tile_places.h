// SPDX-License-Identifier: Apache-2.0
// Places of on-chip tiles while a program is scheduled. A PSUM tile of at most a bank's size lies
// within one bank. Where SBUF is short, two tiles of at most half of the partitions share the bytes
// of one, one below the other.
#pragma once

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "thorong/isa/cost_model.h"
#include "thorong/isa/isa.h"
#include "thorong/sim/address_space.h"

namespace thorong::sim {

class TilePlaces {
 public:
  // `share`: small tiles lie below each other.
  TilePlaces(const isa::CoreParameters& core, bool share)
      : bank_bytes_(core.psum_bank_bytes),
        most_shared_(share ? core.partitions / 2 : 0),
        sbuf_(0, core.sbuf_bytes_per_partition) {
    for (int64_t i = 0; i < core.psum_banks; ++i) banks_.emplace_back(0, bank_bytes_);
  }

  // From now on tiles lie as close as they can, whatever waits for it: those of less than half of
  // `largest` bytes at one end of SBUF, others at the other.
  void pack(int64_t largest) { packed_below_ = (largest + 1) / 2; }

  // The byte within the partition; -1: no room now.
  int64_t take(const isa::Buffer& buffer) {
    if (buffer.space == isa::Space::kSbuf) {
      if (buffer.partitions <= most_shared_) return take_shared(buffer.row_bytes);
      return take_bytes(buffer.row_bytes);
    }
    return buffer.row_bytes <= bank_bytes_ ? take_in_bank(buffer.row_bytes)
                                           : take_banks(buffer.row_bytes);
  }

  // Keeps places that the program chose itself, as first byte and end; they may overlap.
  void reserve(isa::Space space, std::vector<std::pair<int64_t, int64_t>> places) {
    constexpr int64_t kPiece = 64;
    std::sort(places.begin(), places.end());
    int64_t taken = 0;
    for (auto [low, high] : places) {
      low = std::max(taken, low / kPiece * kPiece);
      high = (high + kPiece - 1) / kPiece * kPiece;
      if (high <= low) continue;
      taken = high;
      if (space == isa::Space::kSbuf) {
        sbuf_.allocate_at(low, high - low);
        continue;
      }
      for (int64_t at = low; at < high; at = (at / bank_bytes_ + 1) * bank_bytes_) {
        auto bank = static_cast<size_t>(at / bank_bytes_);
        int64_t end = std::min(high, (at / bank_bytes_ + 1) * bank_bytes_);
        if (bank < banks_.size()) banks_[bank].allocate_at(at % bank_bytes_, end - at);
      }
    }
  }

  void give_back(const isa::Buffer& buffer, int64_t address) {
    if (buffer.space == isa::Space::kSbuf) {
      auto shared = shared_.find(address);
      if (shared != shared_.end() && --shared->second.tiles > 0) return;
      if (shared != shared_.end()) shared_.erase(shared);
      sbuf_.free(address);
      return;
    }
    for (int64_t at = address; at < address + buffer.row_bytes;
         at = (at / bank_bytes_ + 1) * bank_bytes_) {
      banks_[static_cast<size_t>(at / bank_bytes_)].free(at % bank_bytes_);
    }
  }

  int64_t sbuf_peak_bytes() const { return sbuf_.peak(); }
  int64_t psum_peak_bytes() const {
    int64_t sum = 0;
    for (const AddressSpace& bank : banks_) sum += bank.peak() > 0 ? bank_bytes_ : 0;
    return sum;
  }

 private:
  struct Shared {
    int64_t bytes;
    int tiles;  // 1 or 2
  };

  int64_t take_bytes(int64_t bytes) {
    if (packed_below_ > 0)
      return sbuf_.allocate_best_fit(bytes, bytes < packed_below_).value_or(-1);
    return sbuf_.allocate_oldest(bytes).value_or(-1);
  }

  // Beside a tile that leaves least unused, or a place of its own.
  int64_t take_shared(int64_t bytes) {
    auto best = shared_.end();
    for (auto it = shared_.begin(); it != shared_.end(); ++it) {
      if (it->second.tiles == 2 || it->second.bytes < bytes) continue;
      if (best == shared_.end() || it->second.bytes < best->second.bytes) best = it;
    }
    if (best != shared_.end()) {
      best->second.tiles = 2;
      return best->first;
    }
    int64_t address = take_bytes(bytes);
    if (address >= 0) shared_[address] = {bytes, 1};
    return address;
  }

  // The next bank with room, so that neighbours lie in different banks and engines do not meet
  // there.
  int64_t take_in_bank(int64_t bytes) {
    for (size_t i = 0; i < banks_.size(); ++i) {
      size_t bank = (next_bank_ + i) % banks_.size();
      auto address = banks_[bank].allocate_first_fit(bytes);
      if (!address) continue;
      next_bank_ = (bank + 1) % banks_.size();
      return static_cast<int64_t>(bank) * bank_bytes_ + *address;
    }
    return -1;
  }

  int64_t take_banks(int64_t bytes) {
    auto count = static_cast<size_t>((bytes + bank_bytes_ - 1) / bank_bytes_);
    for (size_t first = 0; first + count <= banks_.size(); ++first) {
      bool free = true;
      for (size_t i = 0; i < count; ++i) free = free && banks_[first + i].in_use() == 0;
      if (!free) continue;
      for (size_t i = 0; i < count; ++i) banks_[first + i].allocate_first_fit(bank_bytes_);
      return static_cast<int64_t>(first) * bank_bytes_;
    }
    return -1;
  }

  int64_t bank_bytes_, most_shared_, packed_below_ = 0;
  AddressSpace sbuf_;
  std::map<int64_t, Shared> shared_;  // by address
  std::vector<AddressSpace> banks_;
  size_t next_bank_ = 0;
};

}  // namespace thorong::sim
