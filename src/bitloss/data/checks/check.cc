#include "bitloss/data/checks/check.h"

#include <array>

#include "bitloss/data/checks/list.h"

namespace bitloss {
namespace {

constexpr std::array kCheckTypes = {
    CheckType{"contains", CheckKind::kContent, CompileContains},
    CheckType{"contains_all", CheckKind::kContent, CompileContainsAll},
    CheckType{"contains_any", CheckKind::kContent, CompileContainsAny},
    CheckType{"not_contains", CheckKind::kForm, CompileNotContains},
    CheckType{"regex", CheckKind::kForm, CompileRegex},
    CheckType{"equals", CheckKind::kContent, CompileEquals},
    CheckType{"choice", CheckKind::kContent, CompileChoice},
    CheckType{"numeric", CheckKind::kContent, CompileNumeric},
    CheckType{"set", CheckKind::kContent, CompileSet},
    CheckType{"json", CheckKind::kForm, CompileJson},
    CheckType{"json_value", CheckKind::kContent, CompileJsonValue},
    CheckType{"code", CheckKind::kForm, CompileCode},
    CheckType{"word_count", CheckKind::kForm, CompileWordCount},
    CheckType{"sentence_count", CheckKind::kForm, CompileSentenceCount},
    CheckType{"line_count", CheckKind::kForm, CompileLineCount},
    CheckType{"bullet_count", CheckKind::kForm, CompileBulletCount},
    CheckType{"starts_with", CheckKind::kForm, CompileStartsWith},
    CheckType{"ends_with", CheckKind::kForm, CompileEndsWith},
    CheckType{"case", CheckKind::kForm, CompileCase},
    CheckType{"script", CheckKind::kForm, CompileScript},
    CheckType{"chrf", CheckKind::kContent, CompileChrf},
    CheckType{"max_copy", CheckKind::kForm, CompileMaxCopy},
    CheckType{"no_repeat", CheckKind::kForm, CompileNoRepeat},
    CheckType{"refusal", CheckKind::kForm, CompileRefusal},
};

}  // namespace

std::string_view Name(CheckOutcome outcome) {
  constexpr std::array<std::string_view, 3> kNames = {"fail", "pass", "undecided"};
  return kNames[static_cast<size_t>(outcome)];
}

std::span<const CheckType> CheckTypes() { return kCheckTypes; }

const CheckType* FindCheckType(std::string_view name) {
  for (const CheckType& type : kCheckTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

}  // namespace bitloss
