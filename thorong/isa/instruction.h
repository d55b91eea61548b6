// SPDX-License-Identifier: Apache-2.0
// What one instruction file gives: its specification, meaning, cost and call. instructions/NAME.h
// defines
//     struct NAME { static InstructionSpec spec(); };
// CMake collects the files; opcode = position in the sorted list (instruction_table.h).
//
// An instruction with `parameters` is a function of nki.isa: name, signature, documentation and
// trace label come from here. A call is bound in three steps: each argument goes where its
// parameter's slot says; `assemble` does what that cannot say; `check` looks whether the machine
// would do it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/isa/cost_model.h"
#include "thorong/isa/isa.h"
#include "thorong/isa/machine_state.h"

namespace thorong::isa {

enum class ParameterKind : uint8_t {
  kTile,          // slot: operand
  kTileOrNumber,  // slot: operand; a number goes to immediate0, 1, or is left to `assemble`
                  // (`immediate` says)
  kOperator,      // slot: function0, 1: an Alu
  kActivation,    // slot: function0: a numerics::UnaryFunction
  kNumber,        // slot: immediate0, 1
  kInteger,       // slot: none; `assemble` takes it
  kFlag,          // slot: a bit of Instruction::flags
  kReduce,        // a ReduceCommand, into the flags
  kEngine,        // the queue
  kChoice,        // another enumeration; `assemble` takes it
  kIntegers,      // a list of integers, or of pairs; `assemble` takes it
  kTiles,         // a list of tiles; `assemble` takes it
  kText           // the instruction's name in reports
};

// Memories, as bits, in which a tile may lie.
inline constexpr uint8_t kInSbuf = 1, kInPsum = 2, kInHbm = 4, kOnChip = kInSbuf | kInPsum,
                         kAnywhere = 7;

struct Parameter {
  const char* name;
  ParameterKind kind;
  int slot = -1;
  const char* by_default =
      "";  // Python text: "" (required), "None", "False", "1.0", "engine.unknown"
  const char* doc = "";
  uint8_t spaces = kOnChip;  // tiles
  int immediate = -1;        // kTileOrNumber
};

// What an enumerator or operator passed from Python means.
enum class NameKind : uint8_t {
  kOperator,
  kEngine,
  kReduce,
  kDge,
  kOutOfBounds,
  kPerfMode,
  kDmaEngine
};

struct Argument {
  enum class Kind : uint8_t {
    kAbsent,
    kNone,
    kTile,
    kNumber,
    kBool,
    kName,
    kIntegers,
    kTiles,
    kText
  };
  Kind kind = Kind::kAbsent;
  NameKind name_kind = NameKind::kOperator;
  uint8_t code = 0;       // kName
  bool integral = false;  // kNumber: an int, kept in `integer` too
  bool flag = false;      // kBool
  double number = 0;
  int64_t integer = 0;
  int32_t pattern = -1;              // kTile: into Program::patterns
  const void* object = nullptr;      // kTile: the caller's own
  std::vector<const void*> objects;  // kTiles
  std::span<const int64_t> shape;    // kTile: as the caller sees it
  std::vector<int64_t> integers;     // kIntegers, flattened
  std::vector<int32_t> patterns;     // kTiles

  bool given() const { return kind != Kind::kAbsent && kind != Kind::kNone; }
  bool tile() const { return kind == Kind::kTile; }
};

struct InstructionSpec;

// The cores that run a kernel together: core `core` of all is number core % cores of rank
// core / cores. `given`: the user named the ranks; otherwise each core may be one (collective.h).
struct LaunchPlace {
  int ranks = 1, cores = 1, core = 0;
  bool given = false;
};

// One call of an instruction while it is bound.
struct Binding {
  Program& program;
  Instruction& instruction;
  std::span<const Argument> arguments;  // parallel to the spec's parameters
  const CoreParameters& core;
  int generation = 3;  // NeuronCore version
  LaunchPlace place = {};

  const Argument& operator[](size_t i) const { return arguments[i]; }
  bool has(int operand) const { return program.has_operand(instruction, operand); }
  const AccessPattern& operand(int i) const { return program.operand(instruction, i); }
  Space space(int i) const { return program.buffer(operand(i)).space; }
  // Puts a list where Instruction::extra finds it.
  void attach(std::span<const int64_t> list) {
    instruction.extra = static_cast<int32_t>(program.integers.size());
    program.integers.insert(program.integers.end(), list.begin(), list.end());
  }
};

// What an element of a result depends on in an operand: on all of it, on its own partition, or, in
// an operand of as many elements, on the one of its number.
enum class Reach : uint8_t { kAll, kPartition, kElement };

struct InstructionSpec {
  std::string mnemonic;               // NKI's name where it has the instruction
  std::string summary;                // one sentence
  std::string source;                 // document of the cost rule
  std::vector<std::string> operands;  // names, destination first
  // The meaning. Legality was checked before.
  void (*execute)(MachineState& machine, const Program& program,
                  const Instruction& instruction) = nullptr;
  Cost (*cost)(const CoreParameters& core, const Program& program,
               const Instruction& instruction) = nullptr;

  uint8_t writes = 1;                      // bit i: operand i is written
  std::vector<Parameter> parameters = {};  // of the nki.isa function; empty: the compiler's only
  Queue engine = Queue::kVector;           // unless the call names one
  uint16_t engines = 0;                    // bits of Queues that it may run on; 0: only `engine`
  int first_generation = 2;                // NeuronCore version
  Status (*assemble)(Binding& call) = nullptr;
  Status (*check)(const Binding& call) = nullptr;
  bool splits = false;            // the meaning does machine.part() only when asked for a part
  Reach reach = Reach::kAll;      // of an element of a result
  bool meets = false;             // ends when all cores of the rank, or of the group, are there
  bool between_ranks = false;     // a collective (collective.h): cores of several ranks meet
  bool engine_state = false;      // uses MachineState::engines whatever its ReduceCommand
  const char* not_modelled = "";  // a sentence, shown with results of programs that have it
  bool table = false;  // function0 is a UnaryFunction whose table Scalar may have to load
};

inline constexpr uint16_t on(Queue queue) {
  return static_cast<uint16_t>(1U << static_cast<unsigned>(queue));
}

}  // namespace thorong::isa
