// SPDX-License-Identifier: Apache-2.0
// What is looked at while a kernel runs, in one table: each check has a name, which its message
// ends with, and a line in docs/nki.md.
//
// Three kinds. `always`: the instruction has no meaning, so nothing can go on. `mode`: a real core
// would compute something else, or the vendor's compiler would refuse; --check says whether that
// raises (strict), is printed once a place (warn) or is not looked for (off). `warning`: printed
// unless off. Checks of single instructions are where the instruction is (thorong/isa/instructions,
// call_rules.h); what depends on the instructions before is here, in Checker.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontends/nki/coverage.h"
#include "frontends/nki/lanes.h"
#include "frontends/nki/tensor.h"
#include "thorong/isa/cost_model.h"
#include "thorong/isa/instruction.h"

namespace thorong::nki {

enum class CheckMode : uint8_t { kOff, kWarn, kStrict };
std::optional<CheckMode> parse_check_mode(std::string_view name);

enum class CheckKind : uint8_t { kAlways, kMode, kWarning };
struct CheckInfo {
  const char* name;
  CheckKind kind;
  const char* meaning;  // what must hold
};
std::span<const CheckInfo> check_table();

// Where the Python of a kernel was when something was found, and what.
struct Finding {
  std::string check;
  std::string message;
  std::string where;
};

// What the checks remember of a storage.
struct StorageChecks {
  Coverage written;
  Coverage started;   // PSUM: a matmul wrote it first, so that others may add to it
  Coverage consumed;  // PSUM: read since
  std::string allocated;
  // Tiles that the kernel placed on the same bytes, and who wrote over this one last.
  std::vector<std::weak_ptr<Storage>> neighbours;
  std::string overwritten;
  // What an instruction left as unwritten as what it read, and the first one that read it.
  Coverage passed_on;
  struct Origin {
    std::string reads, where;
  };
  Origin unwritten;
  // What each core did to it since the last barrier.
  struct Accesses {
    Coverage reads, writes;
    int64_t epoch = -1;
    int32_t read_place = -1, write_place = -1;  // the last
    const isa::Program* program = nullptr;
  };
  std::vector<Accesses> cores;
};

// One core's checks that depend on what went before. Used by the thread that runs the core.
class Checker {
 public:
  struct Setup {
    CheckMode mode = CheckMode::kStrict;
    int generation = 0;
    int core = 0, cores = 1;
    bool timing_only = false;
    bool compiled = false;  // RunOptions::compiled
  };
  using Seen = std::set<std::pair<std::string, std::string>>;  // check and place
  Checker(const Setup& setup, const isa::CoreParameters& figures, std::shared_ptr<Seen> seen)
      : setup_(setup), figures_(figures), seen_(std::move(seen)) {}

  // A tensor is made. `place`: the kernel's line, if known.
  Status allocated(const std::shared_ptr<Storage>& storage, std::string place);
  // An instruction is about to execute; `storages` by buffer. `inferred`: accumulate=None.
  Status before(const isa::Program& program, const isa::Instruction& instruction,
                std::span<Storage* const> storages, bool inferred);
  // It has executed.
  Status after(const isa::Program& program, const isa::Instruction& instruction,
               std::span<Storage* const> storages);
  // The kernel returned this tensor.
  Status returned(const Tensor& tensor);
  // A finding that somebody else made: an error in strict mode.
  Status found(const char* check, std::string message, std::string where = {},
               Code code = Code::kInvalidArgument);
  std::vector<Finding> take_findings() { return std::exchange(findings_, {}); }
  bool has_findings() const { return !findings_.empty(); }

  // What two cores that exchange tiles tell each other: which elements are written. Put behind the
  // tile's bytes, and taken off again.
  void send_lanes(std::vector<std::byte>& bytes) const;
  void receive_lanes(const isa::Program& program, const isa::Instruction& instruction,
                     std::span<Storage* const> storages, std::vector<std::byte>& bytes);

 private:
  struct Access {
    const isa::Program& program;
    const isa::Instruction& instruction;
    const isa::AccessPattern& pattern;
    Storage& storage;
    bool writes;
    std::span<Storage* const> storages;  // by buffer
  };
  Status check_access(const Access& access);
  Status check_start(const Access& access);
  Status check_bank(const Access& access);
  Status check_read(const Access& access);
  bool passes_on(const Access& access);
  // `taken`: by whom, what an instruction passed on to the tile.
  Status found_passed_on(const StorageChecks& checks, const std::string& taken);
  Status check_psum(const Access& access, bool inferred);
  Status check_race(const Access& access);
  Status race(const Access& access, const StorageChecks::Accesses& other, bool other_wrote,
              bool again);
  Status check_state(const isa::Instruction& instruction);
  Status check_ranks(const isa::Program& program, const isa::Instruction& instruction);
  Status check_placed(const std::shared_ptr<Storage>& storage);
  void note_write(const Access& access);
  std::string place_of(const isa::Program& program, const isa::Instruction& instruction) const;
  template <typename F>
  Status for_accesses(const isa::Program& program, const isa::Instruction& instruction,
                      std::span<Storage* const> storages, F&& f);

  Setup setup_;
  const isa::CoreParameters& figures_;
  std::shared_ptr<Seen> seen_;
  std::vector<Finding> findings_;
  std::vector<std::weak_ptr<Storage>> placed_;  // where the kernel said
  // The results of the instruction at hand, if it reads what nobody wrote, and since where.
  struct Result {
    const isa::AccessPattern* pattern;
    Lanes lanes;
  };
  std::vector<Result> partial_;
  StorageChecks::Origin origin_;
  bool vector_reset_ = false, scalar_reset_ = false;
  int64_t epoch_ = 0;  // barriers so far
  // A write over another core's write: a race unless it leaves the same bytes. `again`: this core
  // has written there too, without a race (both began with the same values); cores in step write
  // what is meant, so that is a warning.
  struct Suspect {
    Storage* storage;
    Extent extent;
    std::vector<std::byte> bytes;
    std::string message;
    bool again;
  };
  std::vector<Suspect> suspects_;
};

}  // namespace thorong::nki
