// report.html: the page, in the order in which a reader decides.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bitloss/report/chart.h"
#include "bitloss/report/html.h"
#include "bitloss/report/html_answers.h"
#include "bitloss/report/numbers.h"
#include "bitloss/report/page_files.h"
#include "bitloss/report/tables.h"
#include "bitloss/report/writers.h"

namespace bitloss {
namespace {

std::string Header(const ReportData& report) {
  const Manifest& manifest = report.manifest;
  std::string lanes;
  for (size_t i = 1; i < report.lanes.size(); ++i) {
    lanes += (i == 1                         ? ""
              : i + 1 == report.lanes.size() ? " and "
                                             : ", ") +
             report.lanes[i].record.scheme;
  }
  std::string measured;
  for (size_t p = 0; p < manifest.protocols.size(); ++p) {
    measured += fmt::format("{}{} ({})", measured.empty() ? "" : ", ", manifest.protocols[p].text,
                            manifest.protocols[p].id);
  }
  for (const SuiteRecord& suite : manifest.suites) {
    measured += fmt::format("{}the {} prompts of {}", measured.empty() ? "" : " and ",
                            suite.num_prompts, suite.id);
  }
  const std::string compared =
      lanes.empty() ? fmt::format("{} alone", report.lanes[0].record.scheme)
                    : fmt::format("{} against {}", lanes, report.lanes[0].record.scheme);
  std::string html = fmt::format(
      "<header>\n<h1>{}</h1>\n<p class=\"lead\">What quantization changed: {}, on {}.</p>\n"
      "<p class=\"muted\">{}, {} parameters. Measured by bitloss {}.</p>\n",
      EscapeHtml(manifest.model.name), EscapeHtml(compared), EscapeHtml(measured),
      EscapeHtml(manifest.model.architecture), FormatCount(manifest.model.num_parameters),
      EscapeHtml(manifest.bitloss_version));
  html += "<nav aria-label=\"sections\"><a href=\"#summary\">Summary</a>";
  if (!manifest.suites.empty()) {
    html += "<a href=\"#categories\">Categories</a><a href=\"#answers\">Answers</a>";
  }
  return html +
         "<a href=\"#protocols\">Protocols</a><a href=\"#coverage\">What is quantized</a>"
         "<a href=\"#provenance\">Provenance</a></nav>\n</header>\n";
}

std::string HtmlWarnings(const ReportData& report) {
  std::string html;
  for (const std::string& warning : Warnings(report)) {
    html += fmt::format("<p>{}</p>", EscapeHtml(warning));
  }
  return html.empty() ? html : "<div class=\"warnings\" role=\"alert\">" + html + "</div>\n";
}

std::string HtmlCell(const Cell& cell, const Column& column) {
  const char* css_class = column.align == Align::kRight ? " class=\"num\"" : "";
  if (cell.value.empty())
    return fmt::format("<td{}><span class=\"none\">&ndash;</span></td>", css_class);
  const std::string note = cell.note.empty() ? "" : "<small>" + EscapeHtml(cell.note) + "</small>";
  return fmt::format("<td{}>{}{}</td>", css_class, EscapeHtml(cell.value), note);
}

enum class FirstRow { kBaseline, kPlain };

std::string HtmlTable(const Table& table, FirstRow first_row, const std::string& caption = "") {
  if (table.rows.empty()) return {};
  std::string html = "<div class=\"scroll\"><table class=\"wide\">";
  if (!caption.empty()) html += "<caption hidden>" + EscapeHtml(caption) + "</caption>";
  html += "<thead><tr>";
  for (const Column& column : table.columns) {
    const std::string unit =
        column.unit.empty() ? "" : "<small>" + EscapeHtml(column.unit) + "</small>";
    html += fmt::format("<th scope=\"col\"{}>{}{}</th>",
                        column.align == Align::kRight ? " class=\"num\"" : "",
                        EscapeHtml(column.name), unit);
  }
  html += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const std::vector<Cell>& row = table.rows[i];
    const bool baseline = i == 0 && first_row == FirstRow::kBaseline;
    html += fmt::format("<tr{}><th scope=\"row\">{}</th>", baseline ? " class=\"baseline\"" : "",
                        EscapeHtml(row[0].value));
    for (size_t c = 1; c < row.size(); ++c) html += HtmlCell(row[c], table.columns[c]);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

constexpr const char* kHowToRead =
    "<details class=\"howto\"><summary>How to read this</summary><dl>\n"
    "<dt>Perplexity, change</dt><dd>How surprised the model is by the text. The change is against "
    "the baseline on the same tokens; if its interval holds 0, no change was shown.</dd>\n"
    "<dt>KL</dt><dd>How far a lane's next-token distribution lies from the baseline's, in nats, "
    "over the whole vocabulary: 0 is identical. p99: 1 token in 100 is further off than "
    "this.</dd>\n"
    "<dt>Same top-1</dt><dd>How often both name the same most likely token.</dd>\n"
    "<dt>Passed, lost, regained</dt><dd>Prompts whose machine checks pass; those that the baseline "
    "passes and the lane does not; those that only the lane passes.</dd>\n"
    "<dt>Answer KL</dt><dd>KL on the tokens of the baseline's own answers.</dd>\n"
    "<dt>[low, high]</dt><dd>95% intervals, from articles or prompts as wholes, not from single "
    "tokens.</dd>\n"
    "<dt>Size, bits/weight</dt><dd>All weights as stored, scales and unquantized parts included; "
    "\"layers\": the quantized tensors alone. 1 MB is 1,000,000 bytes.</dd>\n</dl></details>\n";

// The first protocol and the first suite in one table; the others in tables of their own.
std::string Summary(const ReportData& report, Timings timings) {
  std::string html = "<section id=\"summary\"><h2>Summary</h2>\n";
  const size_t num_protocols = report.manifest.protocols.size();
  const size_t num_suites = report.manifest.suites.size();
  if (num_protocols > 0) {
    Table table = TextTable(report, 0);
    if (num_suites > 0) table = Joined(table, SuiteTable(report, 0, Timings::kOmit));
    html += fmt::format("<p class=\"muted\">{}: {}.</p>\n", EscapeHtml(ProtocolTitle(report, 0)),
                        EscapeHtml(ProtocolCaption(report, 0)));
    html += HtmlTable(table, FirstRow::kBaseline, "lanes");
  }
  html += kHowToRead;
  for (size_t p = 1; p < num_protocols; ++p) {
    html +=
        fmt::format("<h3>{}</h3>\n<p class=\"muted\">{}.</p>\n",
                    EscapeHtml(ProtocolTitle(report, p)), EscapeHtml(ProtocolCaption(report, p)));
    html += HtmlTable(TextTable(report, p), FirstRow::kBaseline);
  }
  for (size_t s = num_protocols > 0 ? 1 : 0; s < num_suites; ++s) {
    html += fmt::format("<h3>{}</h3>\n", EscapeHtml(report.manifest.suites[s].id));
    html += HtmlTable(SuiteTable(report, s, timings), FirstRow::kBaseline);
  }
  return html + "</section>\n";
}

const Estimate* ChartedKl(const LaneResult& lane, bool text) {
  if (text) {
    return lane.texts.empty() || !lane.texts[0].kl ? nullptr : &lane.texts[0].kl->mean;
  }
  if (lane.suites.empty() || !lane.suites[0].counts.answer_kl) return nullptr;
  return &*lane.suites[0].counts.answer_kl;
}

std::string SizeAgainstDamage(const ReportData& report) {
  const bool text = !report.manifest.protocols.empty();
  const LaneRecord& baseline = report.lanes[0].record;
  Chart chart{.points = {},
              .baseline_label = baseline.scheme,
              .baseline_megabytes = static_cast<double>(baseline.weight_bytes) / 1e6,
              .y_title = fmt::format("mean KL {}from {}, nats/token", text ? "" : "of answers ",
                                     baseline.scheme)};
  for (const LaneResult& lane : report.lanes) {
    const Estimate* kl = ChartedKl(lane, text);
    if (kl == nullptr || lane.error || !(kl->value > 0) || lane.record.weight_bytes == 0) continue;
    chart.points.push_back({lane.record.scheme, static_cast<double>(lane.record.weight_bytes) / 1e6,
                            kl->value, kl->interval});
  }
  if (chart.points.empty()) return {};
  return "<section id=\"chart\"><h2>Size against damage</h2>\n<figure>\n" +
         DrawChart(chart, 900, 400, "chart-wide") + DrawChart(chart, 370, 340, "chart-narrow") +
         "<figcaption>Lower is closer to the baseline, further left is smaller. Bars are 95% "
         "intervals; where they overlap, the order of two lanes is not shown. The vertical axis "
         "is logarithmic.</figcaption>\n</figure></section>\n";
}

std::string Categories(const ReportData& report) {
  std::string html;
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    if (report.manifest.suites.size() > 1) {
      html += fmt::format("<h3>{}</h3>\n", EscapeHtml(report.manifest.suites[s].id));
    }
    html += HtmlTable(CategoryTable(report, s), FirstRow::kPlain);
  }
  if (html.empty()) return html;
  return "<section id=\"categories\"><h2>By category</h2>\n"
         "<p class=\"muted\">Prompts passed, and the divergence on the baseline's answers. A "
         "category of a few prompts describes; it cannot decide.</p>\n" +
         html + "</section>\n";
}

std::string Answers(const ReportData& report) {
  std::string html;
  for (size_t s = 0; s < report.manifest.suites.size(); ++s) {
    if (report.manifest.suites.size() > 1) {
      html += fmt::format("<h3>{}</h3>\n", EscapeHtml(report.manifest.suites[s].id));
    }
    html += HtmlAnswers(report, s);
  }
  if (html.empty()) return html;
  return "<section id=\"answers\"><h2>Answers side by side</h2>\n"
         "<p class=\"muted\">Words that differ from the baseline's answer are <mark>marked</mark>; "
         "what the baseline says instead shows when you point at them. The first difference is "
         "<mark class=\"first\">underlined</mark>: what follows it answers another beginning. "
         "Prompts that a lane lost or regained are open.</p>\n" +
         html + "</section>\n";
}

std::string Protocols(const ReportData& report) {
  std::string html = "<section id=\"protocols\"><h2>Protocols</h2>\n<dl class=\"provenance\">\n";
  for (const ProtocolRecord& protocol : report.manifest.protocols) {
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", EscapeHtml(protocol.id),
                        EscapeHtml(protocol.aggregation));
  }
  return html +
         "</dl>\n<p class=\"muted\">Perplexities of different protocols, texts or tokenizers "
         "cannot be compared.</p></section>\n";
}

std::string Coverage(const ReportData& report, Timings timings) {
  std::string html = "<section id=\"coverage\"><h2>What is quantized</h2>\n" +
                     HtmlTable(CoverageTable(report), FirstRow::kPlain);
  html += "<dl class=\"provenance\">\n";
  for (const LaneResult& lane : report.lanes) {
    html += fmt::format("<dt>{}</dt><dd><code>{}</code>", EscapeHtml(lane.record.scheme),
                        EscapeHtml(lane.record.definition));
    for (const std::string& note : lane.record.notes) html += "<br>" + EscapeHtml(note);
    html += "</dd>\n";
  }
  html += "</dl>\n";
  if (timings == Timings::kInclude) {
    if (const Table speed = SpeedTable(report); speed.columns.size() > 1) {
      html += "<h3>Speed on this machine</h3>\n" + HtmlTable(speed, FirstRow::kPlain);
    }
  }
  return html + "</section>\n";
}

std::string Fact(std::string_view name, std::string_view value) {
  return fmt::format("<dt>{}</dt><dd><code>{}</code></dd>\n", EscapeHtml(name), EscapeHtml(value));
}

std::string Provenance(const ReportData& report, Timings timings) {
  const Manifest& manifest = report.manifest;
  std::string html = "<section id=\"provenance\"><h2>Provenance</h2>\n<dl class=\"provenance\">\n";
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
  return html + "</dl></section>\n";
}

}  // namespace

std::string WriteHtml(const ReportData& report, Timings timings) {
  const std::string body = Header(report) + HtmlWarnings(report) + Summary(report, timings) +
                           SizeAgainstDamage(report) + Categories(report) + Answers(report) +
                           Protocols(report) + Coverage(report, timings) +
                           Provenance(report, timings);
  return Fill(PageSkeleton(),
              {{"title", EscapeHtml(report.manifest.model.name + ": what quantization changed")},
               {"version", EscapeHtml(report.manifest.bitloss_version)},
               {"style_hash", PolicyHash(PageStyle())},
               {"script_hash", PolicyHash(PageScript())},
               {"style", std::string(PageStyle())},
               {"script", std::string(PageScript())},
               {"body", body}});
}

}  // namespace bitloss
