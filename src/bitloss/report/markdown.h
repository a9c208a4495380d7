// Text and tables on their way into GitHub-flavoured Markdown.
#ifndef BITLOSS_REPORT_MARKDOWN_H_
#define BITLOSS_REPORT_MARKDOWN_H_

#include <string>
#include <string_view>

#include "bitloss/report/tables.h"

namespace bitloss {

// Text on one line that Markdown shows as it is.
std::string EscapeMarkdown(std::string_view text);

// The table and an empty line; empty for a table without rows.
std::string MarkdownTable(const Table& table);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_MARKDOWN_H_
