// How each check is compiled; check.cc makes them a list. What each means: suites/README.md.
#ifndef BITLOSS_DATA_CHECKS_LIST_H_
#define BITLOSS_DATA_CHECKS_LIST_H_

#include "bitloss/data/checks/check.h"

namespace bitloss {

Result<Judge> CompileContains(Fields& fields);
Result<Judge> CompileContainsAll(Fields& fields);
Result<Judge> CompileContainsAny(Fields& fields);
Result<Judge> CompileNotContains(Fields& fields);
Result<Judge> CompileEquals(Fields& fields);
Result<Judge> CompileStartsWith(Fields& fields);
Result<Judge> CompileEndsWith(Fields& fields);
Result<Judge> CompileRegex(Fields& fields);
Result<Judge> CompileChoice(Fields& fields);
Result<Judge> CompileNumeric(Fields& fields);
Result<Judge> CompileSet(Fields& fields);
Result<Judge> CompileJson(Fields& fields);
Result<Judge> CompileJsonValue(Fields& fields);
Result<Judge> CompileCode(Fields& fields);
Result<Judge> CompileWordCount(Fields& fields);
Result<Judge> CompileSentenceCount(Fields& fields);
Result<Judge> CompileLineCount(Fields& fields);
Result<Judge> CompileBulletCount(Fields& fields);
Result<Judge> CompileCase(Fields& fields);
Result<Judge> CompileScript(Fields& fields);
Result<Judge> CompileChrf(Fields& fields);
Result<Judge> CompileMaxCopy(Fields& fields);
Result<Judge> CompileNoRepeat(Fields& fields);
Result<Judge> CompileRefusal(Fields& fields);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_LIST_H_
