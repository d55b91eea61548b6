// SPDX-License-Identifier: Apache-2.0
// Places of on-chip tiles while a program is scheduled. A PSUM tile of at most a bank's size lies
// within one bank.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "thorong/isa/cost_model.h"
#include "thorong/isa/isa.h"
#include "thorong/sim/address_space.h"

namespace thorong::sim {

class TilePlaces {
 public:
  explicit TilePlaces(const isa::CoreParameters& core)
      : bank_bytes_(core.psum_bank_bytes), sbuf_(0, core.sbuf_bytes_per_partition) {
    for (int64_t i = 0; i < core.psum_banks; ++i) banks_.emplace_back(0, bank_bytes_);
  }

  // From now on tiles lie as close as they can, whatever waits for it: those of less than half of
  // `largest` bytes at one end of SBUF, others at the other.
  void pack(int64_t largest) { packed_below_ = (largest + 1) / 2; }

  // The byte within the partition; -1: no room now.
  int64_t take(const isa::Buffer& buffer) {
    if (buffer.space == isa::Space::kSbuf && packed_below_ > 0)
      return sbuf_.allocate_best_fit(buffer.row_bytes, buffer.row_bytes < packed_below_)
          .value_or(-1);
    if (buffer.space == isa::Space::kSbuf)
      return sbuf_.allocate_oldest(buffer.row_bytes).value_or(-1);
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

  int64_t bank_bytes_, packed_below_ = 0;
  AddressSpace sbuf_;
  std::vector<AddressSpace> banks_;
  size_t next_bank_ = 0;
};

}  // namespace thorong::sim
