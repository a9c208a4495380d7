#include "bitloss/report/page.h"

#include "bitloss/report/html.h"
#include "bitloss/report/page_files.h"

namespace bitloss {

std::string FillPage(std::string_view title, std::string_view version, const std::string& body) {
  const bool charts = body.find("<figure class=\"chart\">") != std::string::npos;
  const std::string vega(charts ? PageVega() : "");
  return Fill(PageSkeleton(), {{"title", EscapeHtml(title)},
                               {"version", EscapeHtml(version)},
                               {"style_hash", PolicyHash(PageStyle())},
                               {"script_hash", PolicyHash(PageScript())},
                               {"vega_hash", PolicyHash(vega)},
                               {"style", std::string(PageStyle())},
                               {"script", std::string(PageScript())},
                               {"vega", vega},
                               {"body", body}});
}

}  // namespace bitloss
