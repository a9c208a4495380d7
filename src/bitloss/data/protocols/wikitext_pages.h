// WikiText as lm-evaluation-harness reads it: pages, and the detokenizer that undoes the corpus's
// spacing. Both are transcriptions of its rules, kept with their oddities, because the published
// figures have them.
#ifndef BITLOSS_DATA_PROTOCOLS_WIKITEXT_PAGES_H_
#define BITLOSS_DATA_PROTOCOLS_WIKITEXT_PAGES_H_

#include <string>
#include <string_view>
#include <vector>

namespace bitloss {

// Where pages begin and end: bytes [begin, end) of the raw file, without the newline that separates
// a page from the next. A page begins at a line that looks like a level-1 heading once "= = =" is
// read as "===" and "= =" as "==" (62 in the test split: two body lines look so as well). What lies
// before the first heading is a page of its own unless it is blank.
struct PageRange {
  size_t begin = 0;
  size_t end = 0;
};
std::vector<PageRange> SplitIntoPages(std::string_view raw);

// The text that is scored: " , " becomes ", ", " @-@ " becomes "-", "( x )" becomes "(x)", " N "
// becomes " 1 ", and so on. White space is ASCII's.
std::string Detokenize(std::string_view page);

// len(re.split(r"\s+", page)) in Python: pieces between runs of white space, where a run at either
// edge makes an empty piece that counts. White space is Unicode's, as Python has it.
size_t CountPieces(std::string_view page);

}  // namespace bitloss

#endif  // BITLOSS_DATA_PROTOCOLS_WIKITEXT_PAGES_H_
