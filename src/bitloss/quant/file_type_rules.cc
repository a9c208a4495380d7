#include "bitloss/quant/file_type_rules.h"

#include <algorithm>

namespace bitloss {
namespace {

constexpr TypeRule kValues[] = {
    {"Q2_K", When::kFourQueries, "Q4_K"},   {"Q2_K", When::kAlways, "Q3_K"},
    {"Q2_K_S", When::kFourQueries, "Q4_K"}, {"Q3_K_M", When::kFirstTwo, "Q5_K"},
    {"Q3_K_M", When::kAlways, "Q4_K"},      {"Q3_K_L", When::kAlways, "Q5_K"},
    {"Q4_K_S", When::kFirstFour, "Q5_K"},   {"Q4_K_M", When::kOuter, "Q6_K"},
    {"Q5_K_M", When::kOuter, "Q6_K"},       {"IQ3_XXS", When::kFourQueries, "Q4_K"},
    {"IQ3_XXS", When::kPlain, "IQ3_S"},     {"IQ3_XS", When::kFourQueries, "Q4_K"},
    {"IQ3_S", When::kFourQueries, "Q4_K"},  {"IQ3_M", When::kAlways, "Q4_K"},
    {"IQ4_NL", When::kFourQueries, "Q5_K"}, {"IQ4_XS", When::kFourQueries, "Q5_K"},
};

constexpr TypeRule kDown[] = {
    {"Q2_K", When::kAlways, "Q3_K"},
    {"Q2_K_S", When::kFirstEighth, "Q4_K"},
    {"Q3_K_M", When::kFirstSixteenth, "Q5_K"},
    {"Q3_K_M", When::kAlways, "Q4_K"},
    {"Q3_K_L", When::kAlways, "Q5_K"},
    {"Q4_0", When::kWeightedFirstEighth, "Q4_1"},
    {"Q5_0", When::kWeightedFirstEighth, "Q5_1"},
    {"Q4_K_S", When::kFirstEighth, "Q5_K"},
    {"Q4_K_M", When::kOuter, "Q6_K"},
    {"Q5_K_M", When::kOuter, "Q6_K"},
    {"IQ3_XXS", When::kPlainFirstEighth, "Q4_K"},
    {"IQ3_XXS", When::kPlain, "Q3_K"},
    {"IQ3_M", When::kFirstEighthOrOuterOfEight, "Q4_K"},
    {"IQ4_NL", When::kPlainFirstEighth, "Q5_K"},
    {"IQ4_XS", When::kPlainFirstEighth, "Q5_K"},
};

constexpr TypeRule kHeads[] = {
    {"Q2_K", When::kAlways, "Q3_K"},   {"Q3_K_M", When::kAlways, "Q4_K"},
    {"Q3_K_L", When::kAlways, "Q5_K"}, {"IQ3_XXS", When::kAlways, "IQ3_S"},
    {"IQ3_M", When::kAlways, "Q4_K"},
};

constexpr TypeRule kHeadsOfEight[] = {
    {"Q2_K", When::kAlways, "Q5_K"},   {"Q3_K_S", When::kAlways, "Q5_K"},
    {"Q3_K_M", When::kAlways, "Q5_K"}, {"Q4_K_S", When::kAlways, "Q5_K"},
    {"Q4_K_M", When::kAlways, "Q5_K"}, {"IQ3_XXS", When::kAlways, "Q5_K"},
    {"IQ3_XS", When::kAlways, "Q5_K"}, {"IQ3_S", When::kAlways, "Q5_K"},
    {"IQ3_M", When::kAlways, "Q5_K"},  {"IQ4_NL", When::kAlways, "Q5_K"},
    {"IQ4_XS", When::kAlways, "Q5_K"},
};

bool Holds(When when, const RuleFacts& facts) {
  const size_t i = facts.i, n = facts.n;
  const bool is_plain = facts.importances == Importances::kNone;
  const bool is_first_eighth = i < n / 8;
  const bool is_outer = is_first_eighth || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
  switch (when) {
    case When::kAlways:
      return true;
    case When::kFourQueries:
      return facts.queries_of_a_key >= 4;
    case When::kFirstTwo:
      return i < 2;
    case When::kFirstFour:
      return i < 4;
    case When::kFirstEighth:
      return is_first_eighth;
    case When::kFirstSixteenth:
      return i < n / 16;
    case When::kOuter:
      return is_outer;
    case When::kPlain:
      return is_plain;
    case When::kPlainFirstEighth:
      return is_plain && is_first_eighth;
    case When::kWeightedFirstEighth:
      return !is_plain && is_first_eighth;
    case When::kFirstEighthOrOuterOfEight:
      return is_first_eighth || (facts.num_experts == 8 && is_outer);
  }
  return false;
}

}  // namespace

const std::span<const TypeRule> kValueRules = kValues;
const std::span<const TypeRule> kDownRules = kDown;
const std::span<const TypeRule> kHeadsRules = kHeads;
const std::span<const TypeRule> kHeadsOfEightRules = kHeadsOfEight;

std::string_view FirstRule(std::span<const TypeRule> rules, std::string_view file_type,
                           const RuleFacts& facts, std::string_view base) {
  const auto rule = std::ranges::find_if(rules, [&](const TypeRule& candidate) {
    return candidate.file_type == file_type && Holds(candidate.when, facts);
  });
  return rule == rules.end() ? base : rule->type;
}

}  // namespace bitloss
