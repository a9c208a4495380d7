// Can these numbers be used at all?
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bitloss/report/html.h"
#include "bitloss/report/html_sections.h"
#include "bitloss/report/html_table.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/tables.h"

namespace bitloss {
namespace {

enum class Standing { kGood, kBad, kUnknown };

std::string Check(Standing standing, const std::string& text) {
  const char* css_class = standing == Standing::kGood  ? "good"
                          : standing == Standing::kBad ? "bad"
                                                       : "unknown";
  const char* word = standing == Standing::kGood  ? "holds"
                     : standing == Standing::kBad ? "fails"
                                                  : "open";
  return fmt::format("<li class=\"{}\"><b>{}</b> {}</li>\n", css_class, word, EscapeHtml(text));
}

std::string Complete(const ReportData& report) {
  return report.complete
             ? Check(Standing::kGood, "Every lane has every sequence and every answer.")
             : Check(Standing::kBad, "The study is not complete: the same command goes on.");
}

std::string Engaged(const ReportData& report) {
  const auto broken = std::ranges::find_if(
      report.lanes, [](const LaneResult& lane) { return lane.error.has_value(); });
  if (broken != report.lanes.end()) {
    return Check(Standing::kBad, broken->record.scheme + ": " + *broken->error + ".");
  }
  if (report.lanes.size() < 2) return {};
  return Check(
      Standing::kGood,
      "Quantization engaged: no quantized lane's divergences are all exactly zero, and every "
      "loss is finite.");
}

// Every lane was asked the same: as many predictions under each protocol.
std::string SameTokens(const ReportData& report) {
  std::string html;
  for (size_t p = 0; p < report.manifest.protocols.size(); ++p) {
    const TextResult* baseline = FindText(report.lanes[0], p);
    if (baseline == nullptr) continue;
    const bool same = std::ranges::all_of(report.lanes, [&](const LaneResult& lane) {
      const TextResult* text = FindText(lane, p);
      return text != nullptr && text->num_predictions == baseline->num_predictions &&
             text->num_tokens == baseline->num_tokens;
    });
    html +=
        Check(same ? Standing::kGood : Standing::kBad,
              same ? fmt::format("{}: every lane predicts the same {} tokens.",
                                 ProtocolTitle(report, p), FormatCount(baseline->num_predictions))
                   : fmt::format("{}: not every lane has predicted the same tokens.",
                                 ProtocolTitle(report, p)));
  }
  return html;
}

std::string Floor(const ReportData& report) {
  std::string floors;
  for (const LaneResult& lane : report.lanes) {
    if (!lane.record.control || lane.texts.empty() || !lane.texts[0].kl) continue;
    floors += fmt::format("{}{}: mean KL {} nats/token", floors.empty() ? "" : "; ",
                          lane.record.scheme, FormatDivergence(lane.texts[0].kl->mean.value));
  }
  if (floors.empty()) {
    return Check(Standing::kUnknown,
                 "No noise floor: this study has no A/A control, so differences of the size that "
                 "other honest arithmetic makes (1e-6 to 4e-4 nats/token where it was measured) "
                 "cannot be told from quantization.");
  }
  return Check(Standing::kGood,
               "Noise floor, the baseline under other honest arithmetic: " + floors + ".");
}

// A category that the baseline fails cannot show what a lane loses there.
std::string Categories(const ReportData& report) {
  constexpr double kEnough = 0.3;
  std::string names;
  for (const SuiteResult& suite : report.lanes[0].suites) {
    for (const CategoryResult& category : suite.categories) {
      const auto checked = static_cast<double>(category.counts.num_decided());
      const auto passed = static_cast<double>(category.counts.num_passed);
      if (checked == 0 || passed >= kEnough * checked) continue;
      names += fmt::format("{}{} ({}/{})", names.empty() ? "" : ", ", category.name,
                           category.counts.num_passed, category.counts.num_decided());
    }
  }
  if (names.empty()) return {};
  return Check(Standing::kUnknown,
               "The baseline passes under 30% of these and so cannot show regressions there: " +
                   names + ".");
}

// How prompts were put to the model, where it is not simply by its chat template.
std::string Prompts(const ReportData& report) {
  const auto options = nlohmann::json::parse(report.manifest.options, nullptr, false);
  if (!options.is_object()) return {};
  std::string html;
  if (options.value("prompts", nlohmann::json()) == "plain") {
    html += Check(Standing::kUnknown,
                  "The model has no chat template: it read every prompt as it stands, as base "
                  "models do, and its answers are continuations.");
  }
  const auto variables = options.value("chat_variables", nlohmann::json::array());
  std::string names;
  for (const auto& variable : variables) {
    if (!variable.is_string()) continue;
    names += (names.empty() ? "" : ", ") + variable.get<std::string>();
  }
  if (!names.empty()) {
    html += Check(Standing::kGood, "Every lane's prompts were rendered with " + names + ".");
  }
  return html;
}

// "int8 86.6%": the share of all weights that are stored in another format than the baseline's.
std::string Covered(const ReportData& report) {
  std::string lanes;
  for (const LaneResult& lane : report.lanes) {
    if (lane.record.baseline) continue;
    const auto coverage = nlohmann::json::parse(lane.record.coverage, nullptr, false);
    if (!coverage.is_object() || !coverage.contains("parts")) continue;
    uint64_t all = 0;
    uint64_t quantized = 0;
    for (const auto& part : coverage["parts"]) {
      if (!part.is_object()) continue;
      const uint64_t weights = part.value("weights", uint64_t{0});
      const std::string format = part.value("format", "");
      all += weights;
      if (format != "f16" && format != "f32" && format != "bf16") quantized += weights;
    }
    if (all == 0) continue;
    const double share = static_cast<double>(quantized) / static_cast<double>(all);
    lanes +=
        fmt::format("{}{} {:.1f}%", lanes.empty() ? "" : ", ", lane.record.scheme, 100 * share);
  }
  if (lanes.empty()) return {};
  return Check(Standing::kGood, "Share of all weights that is quantized: " + lanes + ".");
}

}  // namespace

std::string ValiditySection(const ReportData& report) {
  std::string html;
  for (const std::string& warning : Warnings(report)) {
    html += fmt::format("<p>{}</p>", EscapeHtml(warning));
  }
  if (!html.empty()) html = "<div class=\"warnings\" role=\"alert\">" + html + "</div>\n";
  html += "<ul class=\"checks\">\n" + Complete(report) + Engaged(report) + SameTokens(report) +
          Floor(report) + Covered(report) + Prompts(report) + Categories(report) + "</ul>\n";
  return HtmlSection("validity", "Can these numbers be used?", html);
}

}  // namespace bitloss
