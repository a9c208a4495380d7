#ifndef BITLOSS_TOKENIZER_ONE_LINE_H_
#define BITLOSS_TOKENIZER_ONE_LINE_H_

#include "bitloss/base/result.h"

namespace bitloss {

// The error with its message fit for one line of a terminal. Messages quote tokens and patterns
// from files, which may hold line ends, escape sequences, broken UTF-8 or a megabyte: control
// characters become \x0A, bytes that are not UTF-8 become U+FFFD, and what is beyond 600 bytes is
// cut.
Error OnOneLine(const Error& error);

}  // namespace bitloss

#endif  // BITLOSS_TOKENIZER_ONE_LINE_H_
