#ifndef BITLOSS_STUDY_NUMERIC_VERSION_H_
#define BITLOSS_STUDY_NUMERIC_VERSION_H_

#include <cstdint>

namespace bitloss {

// Which numbers a study of this program holds. Raised by one whenever the same model, texts,
// suites, lanes and options would be recorded otherwise than by the program before: another loss,
// divergence or answer in its last digit, other codes or scales of a fit, other tokens, weights,
// clusters, words or bytes of a text's units, another outcome of a check, other dice. Not for what
// reports compute from the records, which they do anew each time, nor for a new format, fit or
// protocol beside the others.
//
// A study goes on only under the version that it was begun with, so records of two programs never
// stand in one table. cli/lanes_program_test.cc holds some of this version's.
inline constexpr uint64_t kNumericVersion = 3;

}  // namespace bitloss

#endif  // BITLOSS_STUDY_NUMERIC_VERSION_H_
