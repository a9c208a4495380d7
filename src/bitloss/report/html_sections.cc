#include "bitloss/report/html_sections.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "bitloss/report/cache_size.h"
#include "bitloss/report/chart_data.h"
#include "bitloss/report/failures.h"
#include "bitloss/report/html.h"
#include "bitloss/report/html_answers.h"
#include "bitloss/report/html_table.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/ranking.h"
#include "bitloss/report/ranking_tables.h"
#include "bitloss/report/signals.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/verdicts.h"

namespace bitloss {
namespace {

// The suite's name over its part, where there are several.
std::string SuiteHeading(const ReportData& report, size_t suite) {
  if (report.manifest.suites.size() < 2) return {};
  return fmt::format("<h3>{}</h3>\n", EscapeHtml(report.manifest.suites[suite].id));
}

constexpr const char* kHowToRead =
    "<details class=\"howto\"><summary>How to read this</summary><dl>\n"
    "<dt>Perplexity, change</dt><dd>How surprised the model is by the text. The change is against "
    "the baseline on the same tokens; if its interval holds 0, no change was shown.</dd>\n"
    "<dt>KL</dt><dd>How far a lane's next-token distribution lies from the baseline's, in nats, "
    "over the whole vocabulary: 0 is identical. p99: 1 token in 100 is further off than "
    "this.</dd>\n"
    "<dt>Same top-1</dt><dd>How often both name the same most likely token.</dd>\n"
    "<dt>Answer KL</dt><dd>KL on the tokens of the baseline's own answers.</dd>\n"
    "<dt>[low, high]</dt><dd>95% intervals, from articles or prompts as wholes, not from single "
    "tokens.</dd>\n"
    "<dt>Size, bits/weight</dt><dd>All weights as stored, scales and unquantized parts included; "
    "\"layers\": the quantized tensors alone. 1 MB is 1,000,000 bytes.</dd>\n</dl></details>\n";

// The numbers of a chart, for those who read rather than look.
Table BandTable(const ReportData& report, size_t protocol, BandKind kind) {
  const LineChart chart = BandChart(report, protocol, kind);
  Table table{{{"Lane", "", Align::kLeft}}, {}};
  for (const std::string& band : chart.bands) {
    table.columns.push_back({band, "KL, nats/token", Align::kRight});
  }
  std::vector<Cell> counts = {{"tokens", ""}};
  counts.resize(chart.bands.size() + 1);
  for (const LaneResult& lane : report.lanes) {
    const TextResult* text = FindText(lane, protocol);
    if (text == nullptr || lane.error) continue;
    const auto& bands =
        kind == BandKind::kPosition ? text->bands.by_position : text->bands.by_confidence;
    if (bands.empty()) continue;
    std::vector<Cell> row(chart.bands.size() + 1);
    row[0] = {lane.record.scheme, ""};
    for (const Band& band : bands) {
      const auto column =
          static_cast<size_t>(std::ranges::find(chart.bands, band.name) - chart.bands.begin()) + 1;
      row[column] = {FormatDivergence(band.kl.value), FormatInterval(band.kl, FormatDivergence)};
      counts[column].value = FormatCount(band.num_tokens);
    }
    table.rows.push_back(std::move(row));
  }
  if (!table.rows.empty()) table.rows.push_back(std::move(counts));
  return table;
}

std::string BandFigure(const ReportData& report, size_t protocol, BandKind kind) {
  const LineChart chart = BandChart(report, protocol, kind);
  const std::string wide = DrawLines(chart, 900, 320, "chart-wide");
  if (wide.empty()) return {};
  const char* title =
      kind == BandKind::kPosition ? "By position in the sequence" : "By how sure the baseline is";
  const char* caption =
      kind == BandKind::kPosition
          ? "A lane whose line rises does worse the more it has read. Bars are 95% intervals over "
            "the same clusters as above; the vertical axis is logarithmic."
          : "Where the baseline is unsure (left) small changes move much probability; a lane that "
            "is far off where the baseline is sure (right) has forgotten something. Bars are 95% "
            "intervals; the vertical axis is logarithmic.";
  return fmt::format("<h3>{}</h3>\n", title) +
         HtmlFigure(BandJson(report, protocol, kind),
                    wide + DrawLines(chart, 370, 300, "chart-narrow"), caption, HtmlLegend(chart)) +
         "<details><summary>The numbers of this chart</summary>" +
         HtmlTable(BandTable(report, protocol, kind), FirstRow::kPlain, title) + "</details>\n";
}

// Of a mixture: which of its layers send tokens elsewhere.
std::string ExpertPart(const ReportData& report, size_t protocol) {
  const Table table = ExpertTable(report, protocol);
  if (table.rows.empty()) return {};
  return "<h3>Experts, layer by layer</h3>\n" +
         HtmlNote(
             "The share of tokens that a layer sends to another set of experts than in the "
             "baseline, with 95% intervals over the same clusters as above. A token that is "
             "sent elsewhere is not yet a worse token: the divergence says what came of it.") +
         "<details><summary>The shares</summary>" +
         HtmlTable(table, FirstRow::kPlain, "experts, layer by layer") + "</details>\n";
}

// A flag and a second opinion where intervals rest on a handful of articles.
std::string FewClusters(const ReportData& report, size_t protocol) {
  std::string checks;
  for (const LaneResult& lane : report.lanes) {
    const TextResult* text = FindText(lane, protocol);
    if (text == nullptr || !text->delta_nll_check) continue;
    const Interval& check = *text->delta_nll_check;
    checks += fmt::format("{}{} [{}, {}]", checks.empty() ? "" : ", ", lane.record.scheme,
                          FormatSignedPercent(100 * std::expm1(check.low)),
                          FormatSignedPercent(100 * std::expm1(check.high)));
  }
  if (checks.empty()) return {};
  return " Few clusters: intervals are the jackknife's with Student's t. As a check, the change in "
         "% by bootstrap-t: " +
         checks + ".";
}

}  // namespace

std::string VerdictSection(const ReportData& report) {
  const std::string table =
      HtmlTable(VerdictTable(report), FirstRow::kPlain, "verdicts", OnPhone::kStacks);
  if (table.empty()) return table;
  const std::string caption = VerdictCaption(report);
  return HtmlSection("verdicts", "What may be said",
                     (caption.empty() ? "" : HtmlNote(caption)) + table);
}

std::string FailureSection(const ReportData& report) {
  std::string html;
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    const Table table = FailureTable(report, s);
    if (table.rows.empty()) continue;
    html += SuiteHeading(report, s);
    html += table.columns.size() > 1
                ? HtmlTable(table, FirstRow::kBaseline, "hard failures")
                : HtmlNote(fmt::format(
                      "None of the {} answers of any lane is empty, cut at the limit, ends early, "
                      "ends in a loop or failed with an error.",
                      report.manifest.suites[s].num_prompts));
    if (const Table signals = SignalTable(report, s); !signals.rows.empty()) {
      html +=
          "<h3>Signs of degeneration</h3>\n" +
          HtmlNote(
              "Means over answers; below them the change against the baseline's answers to the "
              "same prompts, with its 95% interval over prompts. New phrases: of the LZ77 "
              "parse, fewer where text repeats. Prompt echo: the longest run of characters "
              "copied from the prompt. Script drift: letters outside the script that the suite "
              "names or the prompt is written in. Refusals: by phrases, for their change alone. "
              "Odd to the baseline: mean -ln p of the answer's tokens in the baseline.") +
          HtmlTable(signals, FirstRow::kBaseline, "signs of degeneration");
    }
  }
  if (html.empty()) return html;
  return HtmlFoldedSection(
      "failures", "Hard failures",
      HtmlNote("Answers that are broken whatever they say. Good models show some too: what counts "
               "is what the baseline does not show (new), and the paired change in points, with "
               "Tango's 95% interval; of the baseline the share's (Wilson).") +
          html);
}

std::string RegressionSection(const ReportData& report) {
  std::string html;
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    html += SuiteHeading(report, s);
    html += HtmlTable(OutcomeTable(report, s), FirstRow::kBaseline, "prompts lost and regained");
    html += HtmlAnswers(report, s);
  }
  if (html.empty()) return html;
  return HtmlFoldedSection(
      "answers", "Regressions, side by side",
      HtmlNote(
          "Lost: the baseline's answer passes the machine checks and the lane's does not. "
          "Intervals are 95%: Wilson's for shares, Tango's for the paired change. Noise floor: "
          "what the A/A control loses and regains; losses no larger than that are no "
          "quantizer's. "
          "mid-p: how often chance alone would lose and regain as unevenly (McNemar).") +
          html);
}

std::string FidelitySection(const ReportData& report) {
  std::string html;
  for (size_t p = 0; p < report.manifest.protocols.size(); ++p) {
    html += fmt::format("<h3>{}</h3>\n", EscapeHtml(ProtocolTitle(report, p)));
    html += HtmlNote(ProtocolCaption(report, p) + "." + FewClusters(report, p));
    html += HtmlTable(TextTable(report, p), FirstRow::kBaseline, ProtocolTitle(report, p));
    if (p == 0) html += kHowToRead;
    html += BandFigure(report, p, BandKind::kPosition);
    html += BandFigure(report, p, BandKind::kConfidence);
    html += ExpertPart(report, p);
  }
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    const SuiteRecord& suite = report.manifest.suites[s];
    html += fmt::format("<h3>Answers to {}</h3>\n", EscapeHtml(suite.id));
    html += HtmlNote(fmt::format(
        "{} prompts. Answer KL is taken on the baseline's own answers; 95% intervals over prompts. "
        "Identical: the same tokens to the end, with Wilson's interval. The label is by answer KL "
        "and top-1 beside the noise floor.",
        suite.num_prompts));
    html += HtmlTable(SuiteTable(report, s, Timings::kOmit), FirstRow::kBaseline, suite.id);
    html += BehaviourParts(report, s);
  }
  return HtmlFoldedSection("fidelity", "Fidelity", html);
}

std::string CostSection(const ReportData& report, Timings timings) {
  std::string html;
  if (timings == Timings::kInclude) {
    if (const Table speed = SpeedTable(report); speed.columns.size() > 1) {
      html += "<h3>Speed on this machine</h3>\n" +
              HtmlNote(
                  "Weights are decoded beside the product, as measured here; another program "
                  "or machine has other speeds. Peak memory is of the whole process so far.") +
              HtmlTable(speed, FirstRow::kBaseline, "speed");
    }
  }
  html += "<h3>What is quantized</h3>\n" +
          HtmlTable(CoverageTable(report), FirstRow::kPlain, "what is quantized");
  if (const Table cache = CacheTable(report); !cache.rows.empty()) {
    html += "<h3>Keys and values</h3>\n" +
            HtmlNote(
                "What the cache of who serves the lane grows by with each token, over all layers; "
                "16 bits a number where nothing is rounded.") +
            HtmlTable(cache, FirstRow::kPlain, "keys and values");
  }
  html += "<dl class=\"provenance\">\n";
  for (const LaneResult& lane : report.lanes) {
    html += fmt::format("<dt>{}</dt><dd><code>{}</code>", EscapeHtml(lane.record.scheme),
                        EscapeHtml(lane.record.definition));
    for (const std::string& note : lane.record.notes) html += "<br>" + EscapeHtml(note);
    html += "</dd>\n";
  }
  return HtmlFoldedSection("cost", "Cost", html + "</dl>\n");
}

std::string RankingSection(const ReportData& report) {
  const Ranking ranking = RankLanes(report);
  if (ranking.lanes.empty()) return {};
  const std::string caption = RankingCaption(report, ranking);
  const std::string pairs = HtmlTable(PairTable(report, ranking), FirstRow::kPlain, "every pair");
  return HtmlSection(
      "ranking", "Which to take",
      (caption.empty() ? "" : HtmlNote(caption)) +
          HtmlTable(RankingTable(report, ranking), FirstRow::kPlain, "ranking") +
          (pairs.empty()
               ? ""
               : fmt::format(
                     "<details><summary>Every pair, with its interval at {:.2f}%</summary>\n"
                     "{}</details>\n",
                     100 * ranking.confidence, pairs)));
}

std::string ProtocolSection(const ReportData& report) {
  std::string html;
  for (const ProtocolRecord& protocol : report.manifest.protocols) {
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", EscapeHtml(protocol.id),
                        EscapeHtml(protocol.aggregation));
  }
  if (html.empty()) return html;
  return HtmlFoldedSection(
      "protocols", "Protocols",
      "<dl class=\"provenance\">\n" + html + "</dl>\n" +
          HtmlNote("Perplexities of different protocols, texts or tokenizers cannot be compared."));
}

namespace {

std::string Fact(std::string_view name, std::string_view value) {
  return fmt::format("<dt>{}</dt><dd><code>{}</code></dd>\n", EscapeHtml(name), EscapeHtml(value));
}

}  // namespace

std::string ProvenanceSection(const ReportData& report, Timings timings) {
  const Manifest& manifest = report.manifest;
  std::string html = "<dl class=\"provenance\">\n";
  html += Fact("bitloss", manifest.bitloss_version);
  html += Fact("model", manifest.model.identity);
  html += Fact("tokenizer", manifest.tokenizer_identity);
  for (const ProtocolRecord& protocol : manifest.protocols) {
    html += Fact("text " + protocol.text, protocol.text_hash);
  }
  for (const SuiteRecord& suite : manifest.suites) html += Fact("suite " + suite.id, suite.hash);
  html += Fact("seed", std::to_string(manifest.seed));
  html += Fact("options", manifest.options);
  for (const LaneResult& lane : report.lanes) {
    if (lane.record.calibration == "{}") continue;
    html += Fact("calibration of " + lane.record.scheme, lane.record.calibration);
  }
  if (timings == Timings::kInclude) {
    for (const MachineNote& note : report.machine) html += Fact(note.key, note.value);
  }
  return HtmlFoldedSection("provenance", "Provenance", html + "</dl>\n");
}

}  // namespace bitloss
