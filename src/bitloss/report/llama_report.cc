#include "bitloss/report/llama_report.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "bitloss/report/llama_statistics.h"
#include "bitloss/report/stored_scores.h"

namespace bitloss {
namespace {

constexpr std::string_view kItsProtocol = "llamacpp-512";
// Of fewer tokens it prints no statistics.
constexpr uint64_t kLeastTokens = 100;

constexpr std::string_view kChunkHeader =
    "chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence"
    "              Δp RMS            Same top p\n";

std::string ChunkLine(size_t chunk, const LlamaStatistics& sums) {
  const PlusMinus ppl = sums.Perplexity(), ratio = sums.LogRatio(), kl = sums.Kl();
  const PlusMinus rms = sums.RootMeanSquareChange(), top = sums.SameTop();
  return fmt::format(
      "{:4}    {:9.4f} ± {:9.4f}    {:10.5f} ± {:10.5f}    {:10.5f} ± {:10.5f}    {:6.3f} ± "
      "{:6.3f} "
      "%    {:6.3f} ± {:6.3f} %\n",
      chunk, ppl.value, ppl.error, ratio.value, ratio.error, kl.value, kl.error, 100 * rms.value,
      100 * rms.error, 100 * top.value, 100 * top.error);
}

std::string PerplexityStatistics(const LlamaStatistics& sums) {
  const auto line = [](std::string_view name, const PlusMinus& number) {
    return fmt::format("{:<30}: {:10.6f} ± {:10.6f}\n", name, number.value, number.error);
  };
  return "====== Perplexity statistics ======\n" + line("Mean PPL(Q)", sums.Perplexity()) +
         line("Mean PPL(base)", sums.BasePerplexity()) +
         fmt::format("Cor(ln(PPL(Q)), ln(PPL(base))): {:6.2f}%\n", 100 * sums.Correlation()) +
         line("Mean ln(PPL(Q)/PPL(base))", sums.LogRatio()) +
         line("Mean PPL(Q)/PPL(base)", sums.Ratio()) +
         line("Mean PPL(Q)-PPL(base)", sums.Difference()) + "\n";
}

struct Rank {
  std::string_view name;
  double fraction;
};

std::string KlStatistics(const LlamaStatistics& sums) {
  constexpr std::array kRanks{
      Rank{"Maximum", 1},    Rank{"99.9%  ", 0.999}, Rank{"99.0%  ", 0.99}, Rank{"95.0%  ", 0.95},
      Rank{"90.0%  ", 0.9},  Rank{"Median ", 0.5},   Rank{"10.0%  ", 0.1},  Rank{" 5.0%  ", 0.05},
      Rank{" 1.0%  ", 0.01}, Rank{" 0.1%  ", 0.001}, Rank{"Minimum", 0},
  };
  const PlusMinus mean = sums.Kl();
  std::string text =
      fmt::format("====== KL divergence statistics ======\nMean    KLD: {:10.6f} ± {:10.6f}\n",
                  mean.value, mean.error);
  const std::vector<double> sorted = sums.SortedKls();
  for (const auto& [name, fraction] : kRanks) {
    text += fmt::format("{} KLD: {:10.6f}\n", name, PercentileOf(sorted, fraction));
  }
  return text + "\n";
}

std::string ProbabilityStatistics(const LlamaStatistics& sums) {
  constexpr std::array kRanks{
      Rank{"Maximum", 1},   Rank{"99.9%  ", 0.999}, Rank{"99.0%  ", 0.99}, Rank{"95.0%  ", 0.95},
      Rank{"90.0%  ", 0.9}, Rank{"75.0%  ", 0.75},  Rank{"Median ", 0.5},  Rank{"25.0%  ", 0.25},
      Rank{"10.0%  ", 0.1}, Rank{" 5.0%  ", 0.05},  Rank{" 1.0%  ", 0.01}, Rank{" 0.1%  ", 0.001},
      Rank{"Minimum", 0},
  };
  const auto with_error = [](std::string_view name, const PlusMinus& share) {
    return fmt::format("{}: {:6.3f} ± {:5.3f} %\n", name, 100 * share.value, 100 * share.error);
  };
  std::string text =
      "====== Token probability statistics ======\n" + with_error("Mean    Δp", sums.Change());
  const std::vector<double> sorted = sums.SortedChanges();
  for (const auto& [name, fraction] : kRanks) {
    text += fmt::format("{} Δp: {:6.3f}%\n", name, 100 * PercentileOf(sorted, fraction));
  }
  return text + with_error("RMS Δp    ", sums.RootMeanSquareChange()) +
         with_error("Same top p", sums.SameTop());
}

// As a run without --kl-divergence ends.
std::string BaseRun(const LaneUnits& baseline) {
  TokenMean loss;
  std::string text;
  size_t chunk = 0;
  for (const auto& unit : baseline) {
    if (!unit || unit->nll.empty()) continue;
    for (const double nll : unit->nll) loss.Add(nll);
    text += fmt::format("[{}]{:.4f},", ++chunk, PerplexityOf(loss).value);
  }
  if (loss.count() == 0) return "# no sequence is measured yet\n";
  const PlusMinus final = PerplexityOf(loss);
  return text +
         fmt::format("\nFinal estimate: PPL = {:.4f} +/- {:.5f}\n", final.value, final.error);
}

// Whether every number of a lane's unit is there and finite, in the baseline too.
bool Countable(const TokenScores& base, const TokenScores& lane) {
  const size_t n = base.nll.size();
  if (lane.nll.size() != n || lane.kl.size() != n || lane.top1_agrees.size() != n) return false;
  const auto finite = [](double x) { return std::isfinite(x); };
  return std::ranges::all_of(base.nll, finite) && std::ranges::all_of(lane.nll, finite) &&
         std::ranges::all_of(lane.kl, finite);
}

std::string LaneRun(const LaneUnits& baseline, const LaneUnits& lane) {
  LlamaStatistics sums;
  std::string chunks;
  size_t chunk = 0;
  for (size_t u = 0; u < lane.size(); ++u) {
    if (!lane[u] || !baseline[u] || baseline[u]->nll.empty()) continue;
    if (!Countable(*baseline[u], *lane[u])) {
      return fmt::format("# sequence {} has losses that are not finite: no statistics\n", u + 1);
    }
    for (size_t t = 0; t < lane[u]->nll.size(); ++t) {
      sums.Add(baseline[u]->nll[t], lane[u]->nll[t], lane[u]->kl[t], lane[u]->top1_agrees[t] != 0);
    }
    chunks += ChunkLine(++chunk, sums);
  }
  if (chunk == 0) return "# no sequence is measured yet\n";
  const std::string head = fmt::format("{}{}\n", kChunkHeader, chunks);
  if (sums.count() < kLeastTokens) {
    return head + fmt::format("# {} predictions: of fewer than {} it prints no statistics\n",
                              sums.count(), kLeastTokens);
  }
  return head + PerplexityStatistics(sums) + KlStatistics(sums) + ProbabilityStatistics(sums);
}

Result<std::string> WriteText(const Store& store, size_t protocol,
                              const std::vector<LaneRecord>& lanes) {
  const ProtocolRecord& record = store.manifest().protocols[protocol];
  BITLOSS_TRY(const ProtocolScores scores, ReadProtocolScores(store, protocol));
  const std::string asked = fmt::format("{}, {}", record.text, record.id);
  std::string text = fmt::format("# {}: {}\n", asked, lanes[0].scheme);
  if (record.id != kItsProtocol) {
    text += fmt::format(
        "# not the tokens that llama-perplexity scores, which are those of {}; each scored token "
        "counts once here, whatever weight {} gives it\n",
        kItsProtocol, record.id);
  }
  text += BaseRun(scores.baseline);
  for (const LaneRecord& lane : lanes) {
    if (lane.baseline) continue;
    BITLOSS_TRY(const LaneUnits units, ReadLaneUnits(store, lane.lane, scores));
    text +=
        fmt::format("\n# {}: {} (Q) against {} (base)\n\n", asked, lane.scheme, lanes[0].scheme);
    text += LaneRun(scores.baseline, units);
  }
  return text;
}

}  // namespace

Result<std::string> WriteLlamaReport(const Store& store) {
  BITLOSS_TRY(const std::vector<LaneRecord> lanes, store.Lanes());
  if (lanes.empty() || !lanes[0].baseline) {
    return BadInput("study '{}' holds no baseline lane; run it again", store.folder().string());
  }
  const size_t num_texts = store.manifest().protocols.size();
  if (num_texts == 0) {
    return BadInput(
        "--format llama: study '{}' has no text, and llama-perplexity's statistics are of one; run "
        "it with --text FILE --protocol {}",
        store.folder().string(), kItsProtocol);
  }
  std::string report;
  for (size_t protocol = 0; protocol < num_texts; ++protocol) {
    BITLOSS_TRY(const std::string text, WriteText(store, protocol, lanes));
    report += (report.empty() ? "" : "\n") + text;
  }
  return report;
}

}  // namespace bitloss
