// Where the articles of a text begin: at headings of level 1.
//
// " = Title = " as in WikiText, or "# Title" as in Markdown; either between blank rows, or at an end
// of the text. A "# Title" in fenced code is none. A fence is Markdown's: at most three spaces, then
// three or more "`" or "~" (after "`", no other "`" in the row). It is closed by the next row of at
// least as many of the same character and nothing else. One that is never closed is no fence, where
// Markdown takes all that follows for code: headings after it begin articles, and are counted.
#ifndef BITLOSS_DATA_HEADINGS_H_
#define BITLOSS_DATA_HEADINGS_H_

#include <cstddef>
#include <vector>

#include "bitloss/data/text.h"

namespace bitloss {

struct Headings {
  std::vector<size_t> rows;         // that begin an article, ascending
  size_t num_refused = 0;           // rows "# ..." that begin none
  size_t num_after_open_fence = 0;  // of `rows`, "# Title" after a fence that is never closed
};

// Of the rows of `text`; its clusters are not looked at.
Headings FindHeadings(const Text& text);

}  // namespace bitloss

#endif  // BITLOSS_DATA_HEADINGS_H_
