// SPDX-License-Identifier: Apache-2.0
// Compiled programs in a folder, found again by their content: the graph with its constants, the
// chip's figures, the options and this version. Nothing depends on the folder: where it cannot be
// read or written, or a file in it is damaged, the program is compiled as without it. Files are
// placed whole, so that processes may share a folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "thorong/chip/chip.h"
#include "thorong/compiler/options.h"
#include "thorong/isa/isa.h"
#include "thorong/ops/graph.h"

namespace thorong::runtime {

class ProgramCache {
 public:
  static constexpr int64_t kMostBytes = int64_t{2} << 30;  // of the folder's programs

  // An empty folder: no cache.
  explicit ProgramCache(std::string folder, int64_t most_bytes = kMostBytes)
      : folder_(std::move(folder)), most_bytes_(most_bytes) {}

  // The name of what is compiled from these; empty without a folder.
  std::string key(const ops::Graph& graph, const chip::Chip& chip,
                  const compiler::CompileOptions& options) const;
  std::optional<isa::Program> find(const std::string& key) const;
  // Programs with parts that run by reference are not kept. The oldest programs make room.
  void store(const std::string& key, const isa::Program& program) const;

 private:
  std::string path_of(const std::string& key) const;
  void make_room() const;

  std::string folder_;
  int64_t most_bytes_;
};

}  // namespace thorong::runtime
