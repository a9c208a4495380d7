// The files of page/ and the JSON schema, as they are in the source tree, inside the program.
#ifndef BITLOSS_REPORT_PAGE_FILES_H_
#define BITLOSS_REPORT_PAGE_FILES_H_

#include <string_view>

namespace bitloss {

std::string_view PageSkeleton();  // page.html, with {{names}} to be filled
std::string_view PageStyle();     // style.css
std::string_view PageScript();    // filters.js, tables.js and charts.js
std::string_view PageVega();      // Vega, BSD-3-Clause, as a bundle that defines window.vega
std::string_view ReportJsonSchemaFile();

}  // namespace bitloss

#endif  // BITLOSS_REPORT_PAGE_FILES_H_
