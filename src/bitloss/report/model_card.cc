// A block for a model's card: YAML front matter that hubs read, and Markdown that people read.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/report/markdown.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/verdicts.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

// A JSON string is a YAML string.
std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string Metric(const char* type, const std::string& name, double value) {
  if (!std::isfinite(value)) return {};
  return fmt::format("    - type: {}\n      name: {}\n      value: {}\n", type, Quoted(name),
                     value);
}

std::string TextMetrics(const ReportData& report, const TextResult& text) {
  const ProtocolRecord& protocol = report.manifest.protocols[text.protocol];
  std::string yaml = fmt::format(
      "  - task:\n      type: text-generation\n    dataset:\n      type: {}\n      name: {}\n"
      "      revision: {}\n    metrics:\n",
      Quoted(protocol.text), Quoted(ProtocolTitle(report, text.protocol)),
      Quoted(protocol.text_hash));
  yaml += Metric("perplexity", "perplexity, " + protocol.id, text.perplexity);
  if (text.change_percent) {
    yaml += Metric("perplexity_change_percent", "change against the baseline, %",
                   text.change_percent->value);
  }
  if (text.kl) yaml += Metric("kl_divergence", "mean KL, nats/token", text.kl->mean.value);
  if (text.top1_agreement) {
    yaml += Metric("top1_agreement", "same most likely token", text.top1_agreement->value);
  }
  return yaml;
}

std::string SuiteMetrics(const ReportData& report, const SuiteResult& suite) {
  const SuiteRecord& record = report.manifest.suites[suite.suite];
  if (suite.counts.num_decided() == 0) return {};
  const double share = static_cast<double>(suite.counts.num_passed) /
                       static_cast<double>(suite.counts.num_decided());
  return fmt::format(
             "  - task:\n      type: text-generation\n    dataset:\n      type: {}\n      name: "
             "{}\n"
             "      revision: {}\n    metrics:\n",
             Quoted(record.id),
             Quoted(fmt::format("{}, {} prompts", record.id, record.num_prompts)),
             Quoted(record.hash)) +
         Metric("pass_rate", "prompts whose checks pass", share);
}

std::string FrontMatter(const ReportData& report) {
  const Manifest& manifest = report.manifest;
  std::string yaml =
      fmt::format("---\nbase_model: {}\ntags:\n- quantized\n- bitloss\nmodel-index:\n",
                  Quoted(manifest.model.name));
  for (const LaneResult& lane : report.lanes) {
    if (lane.record.control || lane.error) continue;
    std::string results;
    for (const TextResult& text : lane.texts) results += TextMetrics(report, text);
    for (const SuiteResult& suite : lane.suites) results += SuiteMetrics(report, suite);
    if (results.empty()) continue;
    yaml += fmt::format("- name: {}\n  results:\n{}",
                        Quoted(manifest.model.name + " " + lane.record.scheme), results);
  }
  return yaml + "---\n\n";
}

}  // namespace

std::string WriteModelCard(const ReportData& report) {
  const Manifest& manifest = report.manifest;
  std::string text = FrontMatter(report) + "## What quantization changed\n\n";
  text += fmt::format("Measured by bitloss {} against {}, on the same tokens and prompts.\n\n",
                      manifest.bitloss_version, report.lanes[0].record.scheme);
  for (size_t p = 0; p < manifest.protocols.size(); ++p) {
    text += fmt::format("{}: {}.\n\n", EscapeMarkdown(ProtocolTitle(report, p)),
                        EscapeMarkdown(ProtocolCaption(report, p))) +
            MarkdownTable(TextTable(report, p));
  }
  for (size_t s = 0; s < manifest.suites.size(); ++s) {
    text += fmt::format("{}, {} prompts with greedy answers.\n\n",
                        EscapeMarkdown(manifest.suites[s].id), manifest.suites[s].num_prompts) +
            MarkdownTable(SuiteTable(report, s, Timings::kOmit));
  }
  if (const std::string verdicts = MarkdownTable(VerdictTable(report)); !verdicts.empty()) {
    text += EscapeMarkdown(VerdictCaption(report)) + "\n\n" + verdicts;
  }
  for (const std::string& warning : Warnings(report)) {
    text += fmt::format("> **Warning:** {}\n\n", EscapeMarkdown(warning));
  }
  return text + fmt::format("Model `{}`, tokenizer `{}`, seed {}.\n", manifest.model.identity,
                            manifest.tokenizer_identity, manifest.seed);
}

}  // namespace bitloss
