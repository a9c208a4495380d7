// Tables as plain text, for terminals.
#ifndef BITLOSS_REPORT_TEXT_TABLE_H_
#define BITLOSS_REPORT_TEXT_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

#include "bitloss/report/tables.h"

namespace bitloss {

// Two lines of names and units, then a line for each row, columns two spaces apart. A cell's note
// stands beside its value; what was not measured is "-".
std::string RenderTable(const Table& table);

// Terminals are narrow: the table without the notes of these columns.
Table WithoutNotes(Table table, const std::vector<std::string_view>& columns);

}  // namespace bitloss

#endif  // BITLOSS_REPORT_TEXT_TABLE_H_
