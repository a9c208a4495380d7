// report.html: the page, in the order in which a reader decides.
#include <fmt/format.h>

#include "bitloss/report/html.h"
#include "bitloss/report/html_sections.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/page.h"
#include "bitloss/report/stored_model.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

std::string Lanes(const ReportData& report) {
  std::string lanes;
  for (size_t i = 1; i < report.lanes.size(); ++i) {
    const char* joint = i == 1 ? "" : i + 1 == report.lanes.size() ? " and " : ", ";
    lanes += joint + report.lanes[i].record.scheme;
  }
  const std::string& baseline = report.lanes[0].record.scheme;
  return lanes.empty() ? baseline + " alone" : lanes + " against " + baseline;
}

std::string Measured(const Manifest& manifest) {
  std::string measured;
  for (const ProtocolRecord& protocol : manifest.protocols) {
    measured += fmt::format("{}{} ({})", measured.empty() ? "" : ", ", protocol.text, protocol.id);
  }
  for (const SuiteRecord& suite : manifest.suites) {
    measured += fmt::format("{}the {} prompts of {}", measured.empty() ? "" : " and ",
                            suite.num_prompts, suite.id);
  }
  return measured;
}

// Names the sections that are there.
std::string Navigation(const std::string& body) {
  constexpr std::pair<const char*, const char*> kSections[] = {
      {"validity", "Validity"},          {"verdicts", "Verdicts"},   {"failures", "Hard failures"},
      {"answers", "Regressions"},        {"fidelity", "Fidelity"},   {"cost", "Cost"},
      {"pareto", "Size against damage"}, {"protocols", "Protocols"}, {"provenance", "Provenance"}};
  std::string html = "<nav aria-label=\"sections\">";
  for (const auto& [id, name] : kSections) {
    if (body.find(fmt::format("<section id=\"{}\">", id)) == std::string::npos) continue;
    html += fmt::format("<a href=\"#{}\">{}</a>", id, name);
  }
  return html + "</nav>\n";
}

std::string StoredParagraph(const ModelRecord& model) {
  const std::string stored = StoredModel(model);
  if (stored.empty()) return {};
  return fmt::format(
      "<p class=\"muted\">The baseline's weights were {}: what that took is in no change "
      "here.</p>\n",
      EscapeHtml(stored));
}

std::string Header(const ReportData& report, const std::string& body) {
  const Manifest& manifest = report.manifest;
  return fmt::format(
             "<header>\n<h1>{}</h1>\n<p class=\"lead\">What quantization changed: {}, on {}.</p>\n"
             "<p class=\"muted\">{}, {} parameters. Measured by bitloss {}.</p>\n",
             EscapeHtml(manifest.model.name), EscapeHtml(Lanes(report)),
             EscapeHtml(Measured(manifest)), EscapeHtml(manifest.model.architecture),
             FormatCount(manifest.model.num_parameters), EscapeHtml(manifest.bitloss_version)) +
         StoredParagraph(manifest.model) + Navigation(body) + "</header>\n";
}

}  // namespace

std::string WriteHtml(const ReportData& report, Timings timings) {
  const std::string body =
      ValiditySection(report) + VerdictSection(report) + FailureSection(report) +
      RegressionSection(report) + FidelitySection(report) + CostSection(report, timings) +
      ParetoSection(report, timings) + ProtocolSection(report) + ProvenanceSection(report, timings);
  return FillPage(report.manifest.model.name + ": what quantization changed",
                  report.manifest.bitloss_version, Header(report, body) + body);
}

}  // namespace bitloss
