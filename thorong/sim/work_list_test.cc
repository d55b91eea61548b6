// SPDX-License-Identifier: Apache-2.0
// Dependencies between instructions by hand, and how the work list hands them out.
#include "thorong/sim/work_list.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace thorong::sim {
namespace {

// Nodes 0..n-1 with edges; joins behind the first `instructions`.
Dependencies graph(size_t nodes, const std::vector<std::pair<int32_t, int32_t>>& edges) {
  Dependencies result;
  result.instructions = nodes;
  result.needed.assign(nodes, 0);
  result.first_next.assign(nodes + 1, 0);
  for (size_t from = 0; from < nodes; ++from) {
    for (auto [a, b] : edges) {
      if (static_cast<size_t>(a) != from) continue;
      result.next.push_back(b);
      ++result.needed[static_cast<size_t>(b)];
    }
    result.first_next[from + 1] = static_cast<int64_t>(result.next.size());
  }
  return result;
}

TEST(WorkList, HandsOutReadyNodesInProgramOrder) {
  Dependencies dependencies = graph(3, {{0, 2}});
  std::vector<uint8_t> parts{1, 1, 1};
  WorkList work(dependencies, parts);
  WorkList::Item first = work.next({});
  EXPECT_EQ(first.node, 0);
  WorkList::Item second = work.next({});
  EXPECT_EQ(second.node, 1);
  EXPECT_EQ(work.next(first).node, 2);
}

TEST(WorkList, AJoinIsDoneWhenAllBeforeItAre) {
  Dependencies dependencies = graph(4, {{0, 3}, {1, 3}, {3, 2}});  // 3 is a join of 0 and 1
  std::vector<uint8_t> parts{1, 1, 1};
  WorkList work(dependencies, parts);
  WorkList::Item first = work.next({}), second = work.next({});
  EXPECT_EQ(first.node, 0);
  EXPECT_EQ(second.node, 1);
  std::atomic<int> last{0};
  auto rest = [&](WorkList::Item item) {
    while ((item = work.next(item)).node >= 0) last += item.node;
  };
  std::thread other(rest, second);
  rest(first);
  other.join();
  EXPECT_EQ(last, 2) << "node 2 is handed out once";
}

TEST(WorkList, SplitsTheLastReadyNodeOnly) {
  Dependencies dependencies = graph(2, {});
  std::vector<uint8_t> parts{2, 2};
  WorkList work(dependencies, parts);
  WorkList::Item whole = work.next({});
  EXPECT_EQ(whole.part.count, 1);
  WorkList::Item half = work.next(whole);
  EXPECT_EQ(half.node, 1);
  EXPECT_EQ(half.part.count, 2);
  WorkList::Item other = work.next({});
  EXPECT_EQ(other.node, 1);
  EXPECT_EQ(other.part.index, 1);
}

TEST(WorkList, LeavesOutWhatComesAfterAFault) {
  Dependencies dependencies = graph(3, {{1, 2}});
  std::vector<uint8_t> parts{1, 1, 1};
  WorkList work(dependencies, parts);
  WorkList::Item first = work.next({}), second = work.next({});
  work.stop_after(second.node);
  std::atomic<int> done{0};
  std::thread other([&] { done += work.next(first).node < 0 ? 1 : 0; });
  done += work.next(second).node < 0 ? 1 : 0;
  other.join();
  EXPECT_EQ(done, 2);
}

TEST(WorkList, EveryNodeOnceOnManyThreads) {
  std::vector<std::pair<int32_t, int32_t>> edges;
  constexpr int32_t kNodes = 500;
  for (int32_t i = 3; i < kNodes; ++i) edges.emplace_back(i - 3, i);
  Dependencies dependencies = graph(kNodes, edges);
  std::vector<uint8_t> parts(kNodes, 3);
  WorkList work(dependencies, parts);
  std::vector<std::atomic<int>> thirds(kNodes);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      WorkList::Item item;
      while ((item = work.next(item)).node >= 0) {
        auto n = static_cast<size_t>(item.node);
        if (n >= 3) {
          EXPECT_EQ(thirds[n - 3].load(), 3) << "a node ran before what it needs";
        }
        thirds[n] += 3 / item.part.count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& count : thirds) EXPECT_EQ(count.load(), 3);
}

}  // namespace
}  // namespace thorong::sim
