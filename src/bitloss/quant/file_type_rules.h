// The rules of file types that depend on where a tensor stands, as a table.
//
// (Source: llama.cpp src/llama-quant.cpp, llama_tensor_get_type_impl. Its rules for Falcon and
// GLM5, which bitloss does not run, are left out.)
#ifndef BITLOSS_QUANT_FILE_TYPE_RULES_H_
#define BITLOSS_QUANT_FILE_TYPE_RULES_H_

#include <span>
#include <string_view>

#include "bitloss/quant/file_type.h"

namespace bitloss {

// When a rule holds, for tensor i of n of its kind.
enum class When {
  kAlways,
  kFourQueries,     // four heads or more share a key
  kFirstTwo,        // i < 2
  kFirstFour,       // i < 4
  kFirstEighth,     // i < n / 8
  kFirstSixteenth,  // i < n / 16
  kOuter,           // the first and last eighth, and every third between
  kPlain,           // without importances
  kPlainFirstEighth,
  kWeightedFirstEighth,
  kFirstEighthOrOuterOfEight,  // of eight experts: kOuter too
};

struct TypeRule {
  std::string_view file_type;
  When when;
  std::string_view type;
};

// Of matrices that make values, of those that end the MLP, and of those that end attention, in
// models of eight experts and in others.
extern const std::span<const TypeRule> kValueRules;
extern const std::span<const TypeRule> kDownRules;
extern const std::span<const TypeRule> kHeadsRules;
extern const std::span<const TypeRule> kHeadsOfEightRules;

struct RuleFacts {
  size_t i = 0;
  size_t n = 0;
  size_t queries_of_a_key = 0;
  size_t num_experts = 0;
  Importances importances = Importances::kNone;
};

// The type of the first rule of the file type that holds; `base` if none does.
std::string_view FirstRule(std::span<const TypeRule> rules, std::string_view file_type,
                           const RuleFacts& facts, std::string_view base);

}  // namespace bitloss

#endif  // BITLOSS_QUANT_FILE_TYPE_RULES_H_
