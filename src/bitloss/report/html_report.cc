// report.html: the page. It opens with the answer; what that rests on follows.
#include <fmt/format.h>

#include "bitloss/report/html.h"
#include "bitloss/report/html_sections.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/page.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

std::string Measured(const Manifest& manifest) {
  std::string measured;
  for (const ProtocolRecord& protocol : manifest.protocols) {
    measured += fmt::format("{}{} ({})", measured.empty() ? "" : ", ", protocol.text, protocol.id);
  }
  for (const SuiteRecord& suite : manifest.suites) {
    measured += fmt::format("{}the {} prompts of {}", measured.empty() ? "" : " and ",
                            suite.num_prompts, suite.id);
  }
  for (const TaskRecord& task : manifest.tasks) {
    measured += fmt::format("{}the {} items of {}", measured.empty() ? "" : " and ", task.num_items,
                            task.id);
  }
  return measured;
}

// Names the sections that are there.
std::string Navigation(const std::string& body) {
  constexpr std::pair<const char*, const char*> kSections[] = {
      {"validity", "Validity"},      {"verdicts", "Verdicts"},   {"ranking", "Which to take"},
      {"failures", "Hard failures"}, {"answers", "Regressions"}, {"tasks", "Tasks"},
      {"fidelity", "Fidelity"},      {"cost", "Cost"},           {"protocols", "Protocols"},
      {"provenance", "Provenance"}};
  std::string html = "<nav aria-label=\"sections\">";
  for (const auto& [id, name] : kSections) {
    if (body.find(fmt::format("<section id=\"{}\">", id)) == std::string::npos) continue;
    html += fmt::format("<a href=\"#{}\">{}</a>", id, name);
  }
  return html + "</nav>\n";
}

std::string Header(const ReportData& report, const std::string& body) {
  const Manifest& manifest = report.manifest;
  return fmt::format(
             "<header>\n<h1>{}</h1>\n<p class=\"lead\">What quantization changed beside {}, on "
             "{}.</p>"
             "\n<p class=\"muted\">{}, {} parameters. Measured by bitloss {}.</p>\n",
             EscapeHtml(manifest.model.name), EscapeHtml(report.lanes[0].record.scheme),
             EscapeHtml(Measured(manifest)), EscapeHtml(manifest.model.architecture),
             FormatCount(manifest.model.num_parameters), EscapeHtml(manifest.bitloss_version)) +
         Navigation(body) + "</header>\n";
}

}  // namespace

std::string WriteHtml(const ReportData& report, Timings timings) {
  const std::string body =
      AnswerSection(report, timings) + ValiditySection(report) + VerdictSection(report) +
      RankingSection(report) + FailureSection(report) + RegressionSection(report) +
      TaskSection(report) + FidelitySection(report) + CostSection(report, timings) +
      ProtocolSection(report) + ProvenanceSection(report, timings);
  return FillPage(report.manifest.model.name + ": what quantization changed",
                  report.manifest.bitloss_version, Header(report, body) + body);
}

}  // namespace bitloss
