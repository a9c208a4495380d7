// How each check is compiled; check.cc makes them a list. What each means: suites/README.md.
#ifndef BITLOSS_DATA_CHECKS_LIST_H_
#define BITLOSS_DATA_CHECKS_LIST_H_

#include "bitloss/data/checks/check.h"

namespace bitloss {

Result<CheckFunction> CompileContains(Fields& fields);
Result<CheckFunction> CompileContainsAll(Fields& fields);
Result<CheckFunction> CompileContainsAny(Fields& fields);
Result<CheckFunction> CompileNotContains(Fields& fields);
Result<CheckFunction> CompileEquals(Fields& fields);
Result<CheckFunction> CompileStartsWith(Fields& fields);
Result<CheckFunction> CompileEndsWith(Fields& fields);
Result<CheckFunction> CompileRegex(Fields& fields);
Result<CheckFunction> CompileChoice(Fields& fields);
Result<CheckFunction> CompileNumeric(Fields& fields);
Result<CheckFunction> CompileSet(Fields& fields);
Result<CheckFunction> CompileJson(Fields& fields);
Result<CheckFunction> CompileJsonValue(Fields& fields);
Result<CheckFunction> CompileCode(Fields& fields);
Result<CheckFunction> CompileWordCount(Fields& fields);
Result<CheckFunction> CompileSentenceCount(Fields& fields);
Result<CheckFunction> CompileLineCount(Fields& fields);
Result<CheckFunction> CompileBulletCount(Fields& fields);
Result<CheckFunction> CompileCase(Fields& fields);
Result<CheckFunction> CompileScript(Fields& fields);
Result<CheckFunction> CompileChrf(Fields& fields);
Result<CheckFunction> CompileMaxCopy(Fields& fields);
Result<CheckFunction> CompileNoRepeat(Fields& fields);
Result<CheckFunction> CompileRefusal(Fields& fields);

}  // namespace bitloss

#endif  // BITLOSS_DATA_CHECKS_LIST_H_
