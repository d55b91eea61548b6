// SPDX-License-Identifier: Apache-2.0
// Views, meetings of cores, placement and accumulation, without Python.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <thread>

#include "frontends/nki/finish.h"
#include "frontends/nki/launch.h"
#include "frontends/nki/memory_store.h"
#include "thorong/isa/alu.h"
#include "thorong/isa/instruction_table.h"

namespace thorong::nki {
namespace {

using isa::Argument;
using isa::Opcode;

std::shared_ptr<KernelRun> start() {
  auto run = KernelRun::create({});
  EXPECT_TRUE(run.ok()) << run.status().to_string();
  return *run;
}

Tensor tile(KernelRun& run, std::vector<int64_t> shape, Region region = Region::kSbuf,
            const char* dtype = "float32") {
  auto tensor = run.allocate(shape, *parse_dtype(dtype), region, "");
  EXPECT_TRUE(tensor.ok()) << tensor.status().to_string();
  return *tensor;
}

Argument pass(const Tensor& tensor) {
  Argument argument;
  argument.kind = Argument::Kind::kTile, argument.object = &tensor;
  return argument;
}
Argument pass(double number) {
  Argument argument;
  argument.kind = Argument::Kind::kNumber, argument.number = number,
  argument.integer = static_cast<int64_t>(number);
  return argument;
}

Status call(KernelRun& run, Opcode opcode, std::vector<Argument> given) {
  given.resize(isa::spec(static_cast<uint16_t>(opcode)).parameters.size());
  return run.call(static_cast<uint16_t>(opcode), given,
                  run.locate("kernel.py", 1, static_cast<uint16_t>(opcode)));
}

std::vector<float> values(const Tensor& tensor) {
  std::vector<float> result(static_cast<size_t>(tensor.elements()));
  read_bytes(tensor, reinterpret_cast<std::byte*>(result.data()));
  return result;
}

TEST(Views, ReshapeOnlyWhereMemoryAllowsIt) {
  auto run = start();
  Tensor t = tile(*run, {4, 6, 8});
  auto halves = slice(t, 2, 0, 4, 1);
  ASSERT_TRUE(halves.ok());
  EXPECT_FALSE(flatten_dims(*halves, 1, 2).ok());
  auto split = reshape_dim(*halves, 1, std::array<int64_t, 2>{2, -1});
  ASSERT_TRUE(split.ok()) << split.status().to_string();
  EXPECT_EQ(std::vector<int64_t>(split->sizes().begin(), split->sizes().end()),
            (std::vector<int64_t>{4, 2, 3, 4}));
  EXPECT_EQ(split->strides[1], 24);
  auto merged = reshape(t, std::array<int64_t, 2>{4, -1});
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->shape[1], 48);
  EXPECT_FALSE(reshape(t, std::array<int64_t, 2>{8, 24}).ok()) << "partitions stay";
}

TEST(Views, PatternsOfPermutedTilesKeepTheirOrder) {
  auto run = start();
  auto turned = permute(tile(*run, {4, 2, 3}), std::array<int64_t, 3>{0, 2, 1});
  ASSERT_TRUE(turned.ok());
  auto pattern = access_pattern(*turned);
  ASSERT_TRUE(pattern.ok());
  EXPECT_EQ(pattern->rank, 2);
  EXPECT_EQ(pattern->step[0], 1);
  EXPECT_EQ(pattern->step[1], 3);
}

TEST(Views, AnotherDtypeSeesTheSameBytes) {
  auto run = start();
  Tensor t = tile(*run, {2, 4}, Region::kSbuf, "bfloat16");
  ASSERT_TRUE(call(*run, Opcode::memset, {pass(t), pass(1.0)}).ok());
  auto words = view(t, *parse_dtype("uint16"));
  ASSERT_TRUE(words.ok());
  std::array<uint16_t, 8> found{};
  read_bytes(*words, reinterpret_cast<std::byte*>(found.data()));
  for (uint16_t word : found) EXPECT_EQ(word, 0x3F80);
  EXPECT_TRUE(t.storage->host.bytes);
}

TEST(Runs, UnwrittenMemoryIsNotANumber) {
  auto run = start();
  for (float value : values(tile(*run, {3, 5}))) EXPECT_TRUE(std::isnan(value));
}

TEST(Runs, ProductsAccumulateWhereTheyWroteBefore) {
  auto run = start();
  Tensor a = tile(*run, {32, 4}), b = tile(*run, {32, 8}), sum = tile(*run, {4, 8}, Region::kPsum);
  ASSERT_TRUE(call(*run, Opcode::memset, {pass(a), pass(1.0)}).ok());
  ASSERT_TRUE(call(*run, Opcode::memset, {pass(b), pass(2.0)}).ok());
  for (float expected : {64.0F, 128.0F, 192.0F}) {
    Status status = call(*run, Opcode::nc_matmul, {pass(sum), pass(a), pass(b)});
    ASSERT_TRUE(status.ok()) << status.to_string();
    EXPECT_EQ(values(sum)[0], expected);
  }
}

TEST(Runs, ARefusedCallLeavesNoTrace) {
  auto run = start();
  Tensor a = tile(*run, {4, 4}), b = tile(*run, {8, 4});
  size_t patterns = run->program().patterns.size();
  EXPECT_EQ(call(*run, Opcode::tensor_copy, {pass(a), pass(b)}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(run->program().instructions.empty());
  EXPECT_EQ(run->program().patterns.size(), patterns);
}

TEST(Memory, FreedBlocksAreUsedAgain) {
  auto store = std::make_shared<MemoryStore>();
  void* first = store->take(1000).get();
  EXPECT_EQ(store->take(1000).get(), first);
  EXPECT_NE(store->take(100000).get(), first);
}

constexpr std::array<int64_t, 2> kBoth{0, 1};

TEST(Launches, CoresChangeBytesAtAMeeting) {
  Launch launch(2);
  std::array<std::vector<std::byte>, 2> got;
  auto core = [&](int me) {
    launch.enter(me);
    for (int round = 0; round < 3; ++round) {
      std::string why;
      launch.post(me, "m",
                  std::make_shared<const std::vector<std::byte>>(
                      1, static_cast<std::byte>(10 * me + round)));
      ASSERT_TRUE(launch.meet(me, kBoth, "m", "", &why)) << why;
      for (std::byte b : *launch.collect(me, 1 - me, "m"))
        got[static_cast<size_t>(me)].push_back(b);
    }
    launch.leave(me);
  };
  std::thread other(core, 1);
  core(0);
  other.join();
  EXPECT_EQ(got[0], (std::vector<std::byte>{std::byte{10}, std::byte{11}, std::byte{12}}));
  EXPECT_EQ(got[1], (std::vector<std::byte>{std::byte{0}, std::byte{1}, std::byte{2}}));
}

TEST(Launches, AMeetingThatCannotBeEnds) {
  Launch launch(2);
  std::string why;
  std::thread other([&] {
    launch.enter(1);
    launch.leave(1);
  });
  launch.enter(0);
  EXPECT_FALSE(launch.meet(0, kBoth, "m", "", &why));
  EXPECT_EQ(why, "core 1 has ended");
  launch.leave(0);
  other.join();
}

TEST(Launches, MeetingsAreOfSomeCores) {
  // Ranks 0 and 1 meet twice while 2 and 3 stand apart; those wait at different lines in the end.
  Launch launch(1, 4, true);
  std::array<std::string, 4> why;
  auto core = [&](int me) {
    launch.enter(me);
    std::array<int64_t, 2> pair{me / 2 * 2, me / 2 * 2 + 1};
    std::string name = me < 3 ? "m" : "n", line = "k.py:" + std::to_string(me);
    auto self = static_cast<size_t>(me);
    for (int round = 0; round < 2 && why[self].empty(); ++round)
      EXPECT_EQ(launch.meet(me, pair, name, line, &why[self]), me < 2);
    launch.leave(me);
  };
  std::vector<std::thread> others;
  for (int me = 1; me < 4; ++me) others.emplace_back(core, me);
  core(0);
  for (std::thread& other : others) other.join();
  EXPECT_EQ(why[0] + why[1], "");
  EXPECT_EQ(why[2], "rank 3 waits at n (k.py:3)");
  EXPECT_EQ(why[3], "rank 2 waits at m (k.py:2)");
  EXPECT_EQ(Launch(2, 4, true).label(5), "core 1 of rank 2");
}

// Core 0 writes shared HBM, both call all_reduce with these groups, core 1 reads what was written.
Status read_after_all_reduce(const std::vector<int64_t>& groups) {
  RunOptions options;
  options.timing_only = true;
  auto launch = std::make_shared<Launch>(2);
  std::array<std::shared_ptr<KernelRun>, 2> runs;
  for (int core = 0; core < 2; ++core)
    runs[static_cast<size_t>(core)] = *KernelRun::create(options, core, launch);
  launch->leave(1);  // one thread plays both
  std::array<Tensor, 2> tiles{tile(*runs[0], {16, 4}), tile(*runs[1], {16, 4})};
  std::array<Tensor, 2> shared{tile(*runs[0], {16, 4}, Region::kSharedHbm),
                               tile(*runs[1], {16, 4}, Region::kSharedHbm)};
  EXPECT_EQ(shared[0].storage, shared[1].storage);
  for (size_t core = 0; core < 2; ++core)
    THORONG_RETURN_IF_ERROR(call(*runs[core], Opcode::memset, {pass(tiles[core]), pass(1.0)}));
  THORONG_RETURN_IF_ERROR(call(*runs[0], Opcode::dma_copy, {pass(shared[0]), pass(tiles[0])}));
  for (size_t core = 0; core < 2; ++core) {
    Argument list, group, add;
    list.kind = Argument::Kind::kTiles, list.objects = {&tiles[core]};
    group.kind = Argument::Kind::kIntegers, group.integers = groups;
    add.kind = Argument::Kind::kName, add.name_kind = isa::NameKind::kOperator;
    add.code = static_cast<uint8_t>(numerics::BinaryFunction::kAdd);
    THORONG_RETURN_IF_ERROR(call(*runs[core], Opcode::all_reduce, {list, list, group, add}));
  }
  return call(*runs[1], Opcode::dma_copy, {pass(tiles[1]), pass(shared[1])});
}

TEST(Checks, OnlyAMeetingOfAllCoresOrdersThem) {
  Status together = read_after_all_reduce({2, 0, 1});
  EXPECT_TRUE(together.ok()) << together.to_string();
  Status apart = read_after_all_reduce({1, 0, 1, 1});
  EXPECT_NE(apart.to_string().find("[race]"), std::string::npos) << apart.to_string();
}

TEST(Finish, TimesTilesAtAddressesThatDoNotOverlap) {
  auto run = start();
  {
    Tensor a = tile(*run, {128, 1000}), b = tile(*run, {128, 1000});
    ASSERT_TRUE(call(*run, Opcode::memset, {pass(a), pass(1.0)}).ok());
    ASSERT_TRUE(call(*run, Opcode::tensor_copy, {pass(b), pass(a)}).ok());
  }
  std::array runs{run};
  auto result = finish(runs, {"kernel", {}});
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  EXPECT_GT(result->device_s, 0);
  EXPECT_GT(result->energy_j, 0);
  const auto& buffers = run->program().buffers;
  ASSERT_EQ(buffers.size(), 2U);
  EXPECT_GE(std::abs(buffers[0].address - buffers[1].address), 4000);
}

// Steps of a loop: a tile is set and copied to another one on another engine, at `addresses` if
// they are given.
Result<report::Result> loop(const std::shared_ptr<KernelRun>& run, int steps, bool ordered,
                            std::optional<int64_t> address = std::nullopt) {
  std::array shape{int64_t{128}, int64_t{1000}};
  if (ordered) run->begin_order();
  for (int i = 0; i < steps; ++i) {
    std::optional<std::pair<int64_t, int64_t>> place;
    if (address) place = {0, *address};
    auto a = run->allocate(shape, *parse_dtype("float32"), Region::kSbuf, "a", place);
    Tensor b = tile(*run, {128, 1000});
    EXPECT_TRUE(call(*run, Opcode::memset, {pass(*a), pass(1.0)}).ok());
    Argument vector;  // GpSimd sets the tile
    vector.kind = Argument::Kind::kName, vector.name_kind = isa::NameKind::kEngine;
    vector.code = 5;
    EXPECT_TRUE(call(*run, Opcode::tensor_copy, {pass(b), pass(*a), vector}).ok());
  }
  if (ordered) run->end_order();
  std::array runs{run};
  return finish(runs, {"kernel", {}});
}

TEST(Finish, StepsOfALoopOverlapUnlessTheyShareAnAddress) {
  auto free = start(), shared = start();
  auto overlapped = loop(free, 16, false), in_turns = loop(shared, 16, false, 0);
  ASSERT_TRUE(overlapped.ok() && in_turns.ok());
  EXPECT_LT(overlapped->device_s, 0.8 * in_turns->device_s);
  for (const isa::Buffer& buffer : shared->program().buffers) {
    EXPECT_TRUE(buffer.name != "a" || buffer.address == 0);
  }
}

TEST(Finish, TheSameRecordHasTheSameTimeAgain) {
  auto run = start();
  auto first = loop(run, 16, false);
  std::array runs{run};
  auto again = finish(runs, {"kernel", {}});
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->device_s, again->device_s);
}

TEST(Finish, ABlockWithoutReorderingKeepsItsOrder) {
  auto run = start();
  Tensor a = tile(*run, {128, 8}), b = tile(*run, {128, 8}), c = tile(*run, {128, 64});
  // The second is the more urgent one, because the third waits for it.
  run->begin_order();
  ASSERT_TRUE(call(*run, Opcode::memset, {pass(a), pass(1.0)}).ok());
  ASSERT_TRUE(call(*run, Opcode::memset, {pass(b), pass(2.0)}).ok());
  run->end_order();
  auto part = slice(c, 1, 0, 8, 1);
  ASSERT_TRUE(call(*run, Opcode::tensor_copy, {pass(*part), pass(b)}).ok());
  std::array runs{run};
  ASSERT_TRUE(finish(runs, {"kernel", {}}).ok());
  EXPECT_EQ(run->program().instructions[0].immediate0, 1.0F);
}

TEST(Finish, CoresThatNeverMeetNameTheLine) {
  RunOptions options;
  options.timing_only = true;
  auto launch = std::make_shared<Launch>(2);
  std::vector<std::shared_ptr<KernelRun>> runs;
  for (int core = 0; core < 2; ++core) runs.push_back(*KernelRun::create(options, core, launch));
  launch->leave(1);
  Tensor shared = tile(*runs[0], {16}, Region::kSharedHbm);
  Argument both;
  both.kind = Argument::Kind::kIntegers, both.integers = {0, 1};
  ASSERT_TRUE(call(*runs[0], Opcode::core_barrier, {pass(shared), both}).ok());
  auto result = finish(runs, {"kernel", {}});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kMachineFault);
  std::string text = result.status().to_string();
  EXPECT_NE(text.find("kernel.py:1"), std::string::npos) << text;
  EXPECT_NE(text.find("core 0 waits at core_barrier, and core 1 has ended"), std::string::npos)
      << text;
}

TEST(Finish, SaysWhichTileHasNoRoom) {
  auto run = start();
  Tensor a = tile(*run, {128, 30000}), b = tile(*run, {128, 40000});
  ASSERT_TRUE(call(*run, Opcode::memset, {pass(a), pass(1.0)}).ok());
  ASSERT_TRUE(call(*run, Opcode::memset, {pass(b), pass(1.0)}).ok());
  auto part = slice(b, 1, 0, 30000, 1);
  ASSERT_TRUE(part.ok());
  ASSERT_TRUE(call(*run, Opcode::tensor_copy, {pass(a), pass(*part)}).ok());
  std::array runs{run};
  auto result = finish(runs, {"kernel", {}});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kResourceExhausted);
  EXPECT_NE(result.status().message().find(
                "expected room for a tile of 160000 bytes a partition in sbuf"),
            std::string::npos)
      << result.status().to_string();
}

}  // namespace
}  // namespace thorong::nki
