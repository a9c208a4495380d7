// In which writing a text is: the Unicode scripts of its letters (ICU). A model that falls into
// another script than it was asked in has often lost its way.
//
// Letters are code points of the categories L*. Those that many scripts share (Common, Inherited)
// say nothing and are not counted; nor are digits, marks and bytes that are not UTF-8.
#ifndef BITLOSS_METRICS_SCRIPT_H_
#define BITLOSS_METRICS_SCRIPT_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitloss {

// The scripts of the text's letters by their Unicode names ("Latin", "Han"), sorted; with kana
// always those that Japanese is written in: Han, Hiragana, Katakana.
std::vector<std::string> ScriptsOf(std::string_view text);

// Letters outside the expected scripts over all letters. None if there is no letter, if nothing is
// expected, or if a name is not a script's.
std::optional<double> ScriptDrift(std::string_view text, std::span<const std::string> expected);

}  // namespace bitloss

#endif  // BITLOSS_METRICS_SCRIPT_H_
