// SPDX-License-Identifier: Apache-2.0
// Runs the cases of isa/instructions/*.test, one file beside each instruction (their form:
// base/text_cases.h).
//
//   run NAME                            the instruction
//   queue NAME                          vector (if absent), scalar, tensor, gpsimd, dma_load ...
//   operand NAME SPACE TYPE VALUES      NAME is the spec's; SPACE is sbuf, psum or hbm; TYPE is
//                                       float32[P,N...], P partitions of N... elements; VALUES are
//                                       numbers, `iota` or `fill V`, and zeros if absent
//   function0 NAME, function1 NAME      a unary or binary function's name
//   immediate0 X, immediate1 X          numbers of the instruction
//   extra N, flags NAME...              as in isa.h, in small letters; lists: kListedOperands,
//                                       kListedResults, both in `integers`
//   integers N...                       the list in Program::integers; sets extra
//   reduce NAME                         reset, reduce, reset_reduce, load_reduce: the accumulators
//   listed SPACE TYPE VALUES            one more operand of an instruction with kListedOperands
//   buffer NAME TYPE VALUES             a whole tensor in HBM that only a call uses
//   call NAME INPUT... : OUTPUT...      what custom_op runs, on such buffers: `double` writes each
//                                       input's elements times two into its output, `refuse` fails
//                                       with "refused"; it counts the elements of all of them
//   operations N                        that the call counts besides
//   expect NAME VALUES                  what the operand holds afterwards, exactly
//   cycles CHIP N                       the cost rule's cycles there, without the queue's fixed
//                                       ones, which are calibrated and not the instruction's
//   register N VALUE                    what the sequencer's register N holds before
//   expect_register N VALUE             ... and afterwards
//   seconds CHIP X                      as `cycles`, in time: of the sequencer's instructions
//   fault TEXT                          the machine stops, with TEXT in the message
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "thorong/base/text_cases.h"
#include "thorong/chip/loader.h"
#include "thorong/isa/alu.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/isa/registers.h"

namespace thorong::isa {
namespace {

constexpr int64_t kMostPartitions = 256;  // of a case

// The least machine: one block of host memory a buffer, one thread, no stochastic rounding.
class TestMachine final : public MachineState {
 public:
  explicit TestMachine(const Program& program) : MachineState(kMostPartitions) {
    for (const Buffer& buffer : program.buffers) {
      stride_.push_back(buffer.space == Space::kHbm ? 0 : buffer.row_bytes * 8 + 64);
      memory_.emplace_back(static_cast<size_t>((buffer.row_bytes * 8 + 64) * buffer.partitions));
    }
  }
  HostBuffer host_buffer(BufferId id) const override {
    auto i = static_cast<size_t>(id);
    return {bound_.contains(id) ? const_cast<std::byte*>(bound_.at(id))
                                : const_cast<std::byte*>(memory_[i].data()),
            stride_[i]};
  }
  void bind(BufferId id, const std::byte* data, int64_t row_stride_bytes) override {
    bound_[id] = data, stride_[static_cast<size_t>(id)] = row_stride_bytes;
  }
  numerics::Rounding rounding() const override { return {}; }
  const ThreadPool& pool() const override { return pool_; }
  void fault(const Instruction&, std::string message) override { faults += message; }
  float* scratch(int slot, size_t n) override {
    auto& memory = scratch_[slot];
    if (memory.size() < n) memory.resize(n);
    return memory.data();
  }
  std::string faults;

 private:
  std::vector<std::vector<std::byte>> memory_;
  std::vector<int64_t> stride_;
  std::map<BufferId, const std::byte*> bound_;
  std::map<int, std::vector<float>> scratch_;
  ThreadPool pool_{1};
};

// Reference meanings for custom_op, which has none of its own: it runs what the compiler hands it.
struct TestCall final : Call {
  bool execute(const std::vector<const std::byte*>& from, const std::vector<std::byte*>& to,
               std::string* error) const override {
    if (name == "refuse") *error = "refused";
    for (size_t i = 0; error->empty() && i < from.size(); ++i) {
      for (size_t n = 0; n < counts[i]; ++n) {
        double value = numerics::load_as_double(cells[i], from[i], n);
        numerics::store_from_double(cells[i], to[i], n, 2 * value);
      }
    }
    return error->empty();
  }
  std::vector<size_t> counts;  // of each input
  std::vector<Format> cells;
};

struct Case {
  std::string where, mnemonic, fault;
  Program program;
  Instruction instruction;
  std::map<std::string, int> operands;  // by name: index in Program::patterns
  std::map<std::string, std::vector<double>> values, expected;
  std::map<std::string, double> cycles, seconds;  // by chip
  std::map<int64_t, int64_t> registers, expected_registers;
  const InstructionSpec* spec = nullptr;
  std::shared_ptr<TestCall> call;
};

// Names of Instruction::flags in test files.
const std::map<std::string, uint16_t> kFlags = {{"accumulate", kAccumulate},
                                                {"reverse0", kReverse0},
                                                {"reverse1", kReverse1},
                                                {"has_op1", kHasOp1},
                                                {"negate", kNegate},
                                                {"bind_view", kBindView},
                                                {"integer", kIntegerWork},
                                                {"reverse_predicate", kReversePredicate},
                                                {"lists", kListedOperands | kListedResults}};

std::vector<double> read_values(std::istringstream& line, int64_t elements) {
  std::vector<double> values;
  for (std::string word; line >> word;) {
    if (word == "iota") {
      for (int64_t i = 0; i < elements; ++i) values.push_back(static_cast<double>(i));
    } else if (word == "fill") {
      line >> word;
      values.assign(static_cast<size_t>(elements), std::stod(word));
    } else {
      values.push_back(std::stod(word));
    }
  }
  EXPECT_TRUE(values.empty() || static_cast<int64_t>(values.size()) == elements)
      << values.size() << " values for " << elements;
  values.resize(static_cast<size_t>(elements));
  return values;
}

// A pattern over a buffer of its own, and its values by name; -1: not a type.
int add_pattern(std::istringstream& line, Case& test, const std::string& name,
                const std::string& space) {
  std::string type;
  line >> type;
  AccessPattern pattern;
  size_t bracket = type.find('[');
  auto format = numerics::parse_format(type.substr(0, bracket));
  EXPECT_TRUE(format && bracket != std::string::npos) << "not a type: " << type;
  if (!format || bracket == std::string::npos) return -1;
  pattern.format = *format;
  pattern.buffer = static_cast<BufferId>(test.program.buffers.size());
  std::stringstream sizes(type.substr(bracket + 1, type.size() - bracket - 2));
  std::string size;
  std::getline(sizes, size, ',');
  pattern.partitions = std::stoi(size);
  while (std::getline(sizes, size, ',')) pattern.size[pattern.rank++] = std::stoi(size);
  int64_t step = 1;
  for (size_t i = pattern.rank; i-- > 0; step *= pattern.size[i]) pattern.step[i] = step;
  Buffer buffer;
  buffer.name = name, buffer.format = pattern.format, buffer.partitions = pattern.partitions;
  buffer.space = space == "hbm" ? Space::kHbm : space == "psum" ? Space::kPsum : Space::kSbuf;
  if (buffer.space == Space::kHbm) pattern.partition_step = step;
  buffer.row_bytes = step * static_cast<int64_t>(numerics::byte_size(pattern.format));
  int number = test.operands[name] = static_cast<int>(test.program.patterns.size());
  test.values[name] = read_values(line, pattern.elements());
  test.program.buffers.push_back(buffer);
  test.program.patterns.push_back(pattern);
  return number;
}

void read_operand(std::istringstream& line, Case& test) {
  std::string name, space;
  line >> name >> space;
  size_t index = 0;
  while (index < test.spec->operands.size() && test.spec->operands[index] != name) ++index;
  ASSERT_LT(index, test.spec->operands.size())
      << test.mnemonic << " has no operand '" << name << "'";
  test.instruction.operands[index] = add_pattern(line, test, name, space);
}

// A buffer of a call: one row that holds all of it, as the compiler makes them.
void read_buffer(std::istringstream& line, Case& test) {
  std::string name;
  line >> name;
  int number = add_pattern(line, test, name, "hbm");
  ASSERT_GE(number, 0);
  Buffer& buffer = test.program.buffers.back();
  buffer.partitions = 1,
  buffer.row_bytes = test.program.patterns[static_cast<size_t>(number)].bytes();
}

void read_call(std::istringstream& line, Case& test) {
  test.call = std::make_shared<TestCall>();
  line >> test.call->name;
  ASSERT_TRUE(test.call->name == "double" || test.call->name == "refuse") << test.call->name;
  bool output = false;
  for (std::string word; line >> word;) {
    if (word == ":") {
      output = true;
      continue;
    }
    ASSERT_TRUE(test.operands.contains(word)) << "no buffer '" << word << "' in this case";
    const AccessPattern& pattern = test.program.patterns[static_cast<size_t>(test.operands[word])];
    test.call->elements += static_cast<double>(pattern.elements());
    (output ? test.call->outputs : test.call->inputs).push_back(pattern.buffer);
    if (output) continue;
    test.call->counts.push_back(static_cast<size_t>(pattern.elements()));
    test.call->cells.push_back(host_cell(pattern.format));
  }
  ASSERT_EQ(test.call->inputs.size(), test.call->outputs.size());
  test.instruction.extra = static_cast<int32_t>(test.program.calls.size());
  test.program.calls.push_back(test.call);
}

void read_listed(std::istringstream& line, Case& test) {
  std::vector<int64_t>& list = test.program.integers;
  if (list.empty()) {
    test.instruction.flags |= kListedOperands;
    test.instruction.extra = 0;
    list.push_back(0);
  }
  std::string space;
  line >> space;
  list.push_back(add_pattern(line, test, "listed" + std::to_string(list.size()), space));
  ++list[0];
}

uint8_t read_function(const std::string& name) {
  if (auto unary = numerics::parse_unary_function(name)) return static_cast<uint8_t>(*unary);
  auto op = parse_alu(name);
  EXPECT_TRUE(op) << "no function '" << name << "'";
  return op ? static_cast<uint8_t>(*op) : uint8_t{0};
}

void read_line(const std::string& text, Case& test) {
  std::istringstream line(text);
  std::string keyword, word;
  line >> keyword;
  if (keyword == "run") {
    line >> test.mnemonic;
    for (uint16_t opcode = 0; opcode < instruction_table().size(); ++opcode) {
      if (spec(opcode).mnemonic == test.mnemonic)
        test.spec = &spec(opcode), test.instruction.opcode = opcode;
    }
    ASSERT_NE(test.spec, nullptr) << "no instruction '" << test.mnemonic << "'";
  } else if (test.spec == nullptr) {
    FAIL() << "a case starts with `run NAME`";
  } else if (keyword == "queue") {
    line >> word;
    for (size_t q = 0; q < kQueues; ++q) {
      if (name(static_cast<Queue>(q)) == word) test.instruction.queue = static_cast<Queue>(q);
    }
    ASSERT_EQ(name(test.instruction.queue), word) << "no queue of that name";
  } else if (keyword == "operand") {
    read_operand(line, test);
  } else if (keyword == "function0" || keyword == "function1") {
    line >> word;
    (keyword == "function0" ? test.instruction.function0 : test.instruction.function1) =
        read_function(word);
  } else if (keyword == "immediate0" || keyword == "immediate1") {
    line >> (keyword == "immediate0" ? test.instruction.immediate0 : test.instruction.immediate1);
  } else if (keyword == "extra") {
    line >> test.instruction.extra;
  } else if (keyword == "integers") {
    test.instruction.extra = static_cast<int32_t>(test.program.integers.size());
    for (int64_t value; line >> value;) test.program.integers.push_back(value);
  } else if (keyword == "reduce") {
    static const std::map<std::string, ReduceCommand> commands = {
        {"reset", ReduceCommand::kReset},
        {"reduce", ReduceCommand::kReduce},
        {"reset_reduce", ReduceCommand::kResetReduce},
        {"load_reduce", ReduceCommand::kLoadReduce}};
    line >> word;
    auto bits = static_cast<unsigned>(commands.at(word)) << kReduceShift;
    test.instruction.flags = static_cast<uint16_t>(test.instruction.flags | bits);
  } else if (keyword == "listed") {
    read_listed(line, test);
  } else if (keyword == "flags") {
    while (line >> word)
      test.instruction.flags = static_cast<uint16_t>(test.instruction.flags | kFlags.at(word));
  } else if (keyword == "buffer") {
    read_buffer(line, test);
  } else if (keyword == "call") {
    read_call(line, test);
  } else if (keyword == "operations") {
    ASSERT_NE(test.call, nullptr) << "`operations` comes after `call`";
    line >> test.call->operations;
  } else if (keyword == "expect") {
    line >> word;
    ASSERT_TRUE(test.operands.contains(word)) << "no operand '" << word << "' in this case";
    test.expected[word] = read_values(
        line, test.program.patterns[static_cast<size_t>(test.operands[word])].elements());
  } else if (keyword == "cycles") {
    line >> word >> test.cycles[word];
  } else if (keyword == "seconds") {
    line >> word >> test.seconds[word];
  } else if (keyword == "register" || keyword == "expect_register") {
    int64_t number = 0;
    line >> number;
    line >> (keyword == "register" ? test.registers : test.expected_registers)[number];
  } else if (keyword == "fault") {
    std::getline(line >> std::ws, test.fault);
  } else {
    FAIL() << "unknown keyword '" << keyword << "'";
  }
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::vector<Case> cases;
  for_case_lines(path, [&](const std::string& where, const std::string& text, bool first) {
    if (first) cases.emplace_back().where = where;
    SCOPED_TRACE(where);
    read_line(text, cases.back());
    return !testing::Test::HasFatalFailure();
  });
  return testing::Test::HasFatalFailure() ? std::vector<Case>{} : cases;
}

// Element (p, i) of a dense operand, in the cells that the host keeps.
std::byte* cell(const Operand& operand, int64_t element) {
  int64_t p = element / operand.elements, i = element % operand.elements;
  return operand.base + p * operand.row_stride_bytes +
         i * static_cast<int64_t>(numerics::byte_size(operand.cell));
}

void run_case(const Case& test) {
  TestMachine machine(test.program);
  for (const auto& [name, values] : test.values) {
    Operand operand = machine.resolve(
        test.program, test.program.patterns[static_cast<size_t>(test.operands.at(name))]);
    for (size_t i = 0; i < values.size(); ++i) {
      numerics::store_from_double(operand.cell, cell(operand, static_cast<int64_t>(i)), 0,
                                  values[i]);
    }
  }
  for (auto [number, value] : test.registers) register_at(machine, number) = value;
  machine.executing = &test.instruction;
  test.spec->execute(machine, test.program, test.instruction);
  EXPECT_EQ(machine.faults.empty(), test.fault.empty()) << machine.faults;
  EXPECT_NE(machine.faults.find(test.fault), std::string::npos) << machine.faults;
  for (const auto& [name, values] : test.expected) {
    Operand operand = machine.resolve(
        test.program, test.program.patterns[static_cast<size_t>(test.operands.at(name))]);
    for (size_t i = 0; i < values.size(); ++i) {
      double found =
          numerics::load_as_double(operand.cell, cell(operand, static_cast<int64_t>(i)), 0);
      bool same = std::isnan(values[i]) ? std::isnan(found) : found == values[i];
      same = same && std::signbit(found) == std::signbit(values[i]);  // NaNs' too: one NaN
      EXPECT_TRUE(same) << name << "[" << i << "] is " << found << ", expected " << values[i];
    }
  }
  for (auto [number, value] : test.expected_registers)
    EXPECT_EQ(register_at(machine, number), value) << "register " << number;
  for (const auto& [name, seconds] : test.seconds) {
    auto chip = chip::load(name);
    ASSERT_TRUE(chip.ok()) << chip.status().to_string();
    CoreParameters core = core_parameters(*chip);
    double cycles = test.spec->cost(core, test.program, test.instruction).cycles;
    EXPECT_NEAR(cycles / clock_hz(core, test.instruction.queue), seconds, 1e-15) << name;
  }
  for (const auto& [name, cycles] : test.cycles) {
    auto chip = chip::load(name);
    ASSERT_TRUE(chip.ok()) << chip.status().to_string();
    CoreParameters core = core_parameters(*chip);
    double found = test.spec->cost(core, test.program, test.instruction).cycles -
                   fixed_cycles(core, test.instruction.queue);
    EXPECT_DOUBLE_EQ(found, cycles) << name;
  }
}

const std::filesystem::path kFolder = THORONG_SOURCE_DIR "/thorong/isa/instructions";

TEST(Instructions, CasesOfTheTestFiles) {
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".test") continue;
    std::vector<Case> cases = read_cases(entry.path());
    EXPECT_FALSE(cases.empty()) << entry.path();
    for (const Case& test : cases) {
      SCOPED_TRACE(test.where + " " + test.mnemonic);
      EXPECT_EQ(test.mnemonic, entry.path().stem()) << "a case in another instruction's file";
      run_case(test);
    }
  }
}

TEST(Instructions, EachSourceFileHasATestFile) {
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".h") continue;
    std::filesystem::path test = entry.path();
    EXPECT_TRUE(std::filesystem::exists(test.replace_extension(".test"))) << test;
  }
}

TEST(Instructions, TensorReduceNamesTheOperatorsThatItReducesBy) {
  const InstructionSpec& spec = isa::spec(static_cast<uint16_t>(Opcode::tensor_reduce));
  for (auto [op, reduces] : {std::pair{"subtract", true},
                             {"logical_or", true},
                             {"divide", false},
                             {"power", false},
                             {"exp", false},
                             {"bypass", false}}) {
    Case test;
    std::istringstream out("out sbuf float32[2,4]"), in("in sbuf float32[2,4,3]");
    test.spec = &spec;
    test.instruction.opcode = static_cast<uint16_t>(Opcode::tensor_reduce);
    test.instruction.function0 = static_cast<uint8_t>(*parse_alu(op));
    read_operand(out, test), read_operand(in, test);
    std::vector<Argument> arguments(spec.parameters.size());
    std::vector<int64_t> shape{2, 4, 3};
    arguments[2].shape = shape, arguments[3].integers = {2};
    CoreParameters core{};
    Status status = spec.check({test.program, test.instruction, arguments, core});
    EXPECT_EQ(status.ok(), reduces) << op;
    if (!reduces) {
      EXPECT_EQ(check_name(status), "operator");
      EXPECT_NE(status.message().find("multiply, "), std::string::npos) << status.to_string();
      EXPECT_NE(status.message().find(op), std::string::npos) << status.to_string();
    }
  }
}

TEST(Instructions, TheTableIsWellFormed) {
  std::map<std::string, int> seen;
  for (const InstructionSpec& spec : instruction_table()) {
    EXPECT_EQ(++seen[spec.mnemonic], 1) << spec.mnemonic << " stands twice";
    EXPECT_FALSE(spec.summary.empty() || spec.source.empty())
        << spec.mnemonic << " needs a meaning and a source";
    EXPECT_LE(spec.operands.size(), static_cast<size_t>(kMaxOperands)) << spec.mnemonic;
    EXPECT_TRUE(spec.execute != nullptr && spec.cost != nullptr) << spec.mnemonic;
  }
}

}  // namespace
}  // namespace thorong::isa
