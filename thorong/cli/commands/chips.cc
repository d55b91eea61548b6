// SPDX-License-Identifier: Apache-2.0
// thorong chips, thorong chip NAME, thorong verify-chip FILE.yaml: what there is, what it is made
// of, whether it fits together.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "thorong/chip/loader.h"
#include "thorong/cli/commands.h"

namespace thorong::cli {
namespace {

using nlohmann::ordered_json;

std::string fp32_text(const chip::RollUp& up) {
  return up.peak_fp32_flops > 0 ? fmt::format("{:.1f}", up.peak_fp32_flops / 1e12) : "none";
}

Status list_chips(bool json) {
  ordered_json rows = ordered_json::array();
  if (!json)
    fmt::print("{:<14}{:<28}{:>6}{:>12}{:>12}{:>11}{:>12}{:>9}\n", "chip", "", "cores",
               "bf16 TFLOPS", "fp32 TFLOPS", "memory GB", "memory GB/s", "power W");
  for (const std::string& name : chip::shipped_chips()) {
    THORONG_TRY(auto chip, chip::load(name));
    chip::RollUp up = chip::roll_up(chip);
    if (json) {
      rows.push_back({{"name", name},
                      {"title", chip.title},
                      {"cores", up.cores},
                      {"peak_bf16_flops", up.peak_bf16_flops},
                      {"peak_fp32_flops", up.peak_fp32_flops},
                      {"memory_bytes", up.memory_bytes},
                      {"memory_bytes_per_s", up.memory_bytes_per_s},
                      {"power_budget_w", up.power_budget_w}});
    } else {
      fmt::print("{:<14}{:<28}{:>6}{:>12.0f}{:>12}{:>11.1f}{:>12.0f}{:>9.0f}\n", name, chip.title,
                 up.cores, up.peak_bf16_flops / 1e12, fp32_text(up), up.memory_bytes / 1e9,
                 up.memory_bytes_per_s / 1e9, up.power_budget_w);
    }
  }
  if (json)
    fmt::print("{}\n", rows.dump());
  else
    fmt::print(
        "\nthorong chip NAME shows blocks, figures and where each comes from; a chip of your own "
        "is a file with `base: NAME`.\n");
  return ok_status();
}

ordered_json figure_json(const chip::Figure& figure) {
  ordered_json json;
  if (figure.text.empty())
    json["value"] = figure.value;
  else
    json["value"] = figure.text;
  json["unit"] = figure.unit, json["kind"] = chip::name(figure.kind),
  json["source"] = figure.source;
  return json;
}

void print_blocks(const chip::Chip& chip) {
  size_t keys = 0, values = 0;
  for (const chip::Block& block : chip.blocks) {
    for (const auto& [key, figure] : block.parameters)
      keys = std::max(keys, key.size()), values = std::max(values, chip::value_text(figure).size());
  }
  for (const chip::Block& block : chip.blocks) {
    fmt::print("\n{} ({})\n", block.name, block.type);
    for (const auto& [key, figure] : block.parameters)
      fmt::print("  {:<{}}  {:<{}}  {:<11} {}\n", key, keys, chip::value_text(figure), values,
                 chip::name(figure.kind), figure.source);
  }
}

Status show_chip(const std::string& name, bool json) {
  THORONG_TRY(auto chip, chip::load(name));
  chip::RollUp up = chip::roll_up(chip);
  if (json) {
    ordered_json blocks;
    for (const chip::Block& block : chip.blocks) {
      for (const auto& [key, figure] : block.parameters)
        blocks[block.name][key] = figure_json(figure);
    }
    ordered_json instances = ordered_json::array();
    for (const auto& i : chip.instances)
      instances.push_back({{"name", i.name},
                           {"chips", i.chips},
                           {"usd_per_hour", i.usd_per_hour},
                           {"price_kind", i.price_kind},
                           {"price_date", i.price_date},
                           {"source", i.source}});
    ordered_json all{{"name", chip.name},
                     {"title", chip.title},
                     {"generation", chip.generation},
                     {"cores", up.cores},
                     {"peak_bf16_flops", up.peak_bf16_flops},
                     {"peak_fp32_flops", up.peak_fp32_flops},
                     {"peak_fp8_flops", up.peak_fp8_flops},
                     {"peak_int8_ops", up.peak_int8_ops},
                     {"memory_bytes", up.memory_bytes},
                     {"memory_bytes_per_s", up.memory_bytes_per_s},
                     {"sbuf_bytes_per_core", up.sbuf_bytes_per_core},
                     {"psum_bytes_per_core", up.psum_bytes_per_core},
                     {"power_budget_w", up.power_budget_w},
                     {"static_w", up.static_w},
                     {"blocks", blocks},
                     {"instances", instances},
                     {"not_modelled", chip.not_modelled}};
    fmt::print("{}\n", all.dump());
    return ok_status();
  }
  fmt::print("{} ({}), {} cores\n\n", chip.title, chip.name, up.cores);
  fmt::print("  peak       {:.0f} TFLOPS bf16, {} fp32, {:.0f} fp8, {:.0f} TOPS int8\n",
             up.peak_bf16_flops / 1e12, fp32_text(up), up.peak_fp8_flops / 1e12,
             up.peak_int8_ops / 1e12);
  fmt::print("  memory     {:.1f} GB at {:.0f} GB/s; per core {:.1f} MiB SBUF, {:.1f} MiB PSUM\n",
             up.memory_bytes / 1e9, up.memory_bytes_per_s / 1e9, up.sbuf_bytes_per_core / 1048576,
             up.psum_bytes_per_core / 1048576);
  fmt::print("  power      {:.0f} W budget, {:.0f} W static\n", up.power_budget_w, up.static_w);
  if (chip.instances.empty()) fmt::print("  price      unknown: {}\n", chip.price_reason);
  for (const auto& i : chip.instances)
    fmt::print("  instance   {}: {} chip(s), ${:.3f} an hour ({}, {})\n", i.name, i.chips,
               i.usd_per_hour, i.price_kind, i.price_date);
  print_blocks(chip);
  fmt::print("\nnot modelled\n");
  for (const std::string& text : chip.not_modelled) fmt::print("  - {}\n", text);
  return ok_status();
}

Status verify_chip(const std::string& file) {
  auto chip = chip::load(file);
  if (!chip.ok()) return chip.status();
  chip::RollUp up = chip::roll_up(*chip);
  fmt::print(
      "{}: the blocks fit together. {} cores, {:.0f} TFLOPS bf16, {:.0f} GB/s memory, {:.0f} W at "
      "peak of a budget of {:.0f} W.\n",
      file, up.cores, up.peak_bf16_flops / 1e12, up.memory_bytes_per_s / 1e9,
      up.static_w + up.peak_dynamic_w, up.power_budget_w);
  const double share = (up.static_w + up.peak_dynamic_w) / up.power_budget_w;
  if (share > 1)
    fmt::print(
        "note: that is {:.0f} % of package.power_budget_w. Up to {:.0f} % passes, because all "
        "arrays and the memory are never at full rate at once and energies are estimates; raise "
        "the budget if the chip is meant to be cooled for it.\n",
        share * 100, chip::kPowerMargin * 100);
  return ok_status();
}

}  // namespace

void command_chips(CLI::App& app, Exit& exit) {
  auto json = std::make_shared<bool>(false);
  auto name = std::make_shared<std::string>();
  CLI::App* list = app.add_subcommand("chips", "Lists the shipped chips");
  list->add_flag("--json", *json, "JSON on stdout");
  list->callback([=, &exit] { exit.json = *json, exit.status = list_chips(*json); });
  CLI::App* one =
      app.add_subcommand("chip", "Shows a chip: blocks, peaks, memories, power, price, sources");
  one->add_option("name", *name, "A shipped chip or a chip file")
      ->required()
      ->type_name("NAME|FILE.yaml");
  one->add_flag("--json", *json, "JSON on stdout");
  one->callback([=, &exit] { exit.json = *json, exit.status = show_chip(*name, *json); });
  CLI::App* verify = app.add_subcommand(
      "verify-chip", "Checks a chip file's composition and explains what does not fit");
  verify->add_option("file", *name, "A chip file")->required()->type_name("FILE.yaml");
  verify->callback([=, &exit] { exit.status = verify_chip(*name); });
}

}  // namespace thorong::cli
