#include "bitloss/study/passes/to_answer.h"

#include <algorithm>
#include <optional>

#include "bitloss/data/check_answer.h"

namespace bitloss {
namespace {

std::vector<TopLogits> ToTopLogits(std::span<const std::vector<ScoredToken>> positions) {
  std::vector<TopLogits> records;
  for (const std::vector<ScoredToken>& position : positions) {
    TopLogits& record = records.emplace_back();
    for (const ScoredToken& token : position) {
      record.ids.push_back(token.id);
      record.logits.push_back(token.logit);
    }
  }
  return records;
}

// What checks look at. Where the marks of thinking are control tokens, the text lacks them.
std::string ScoredText(std::span<const TokenId> tokens, const std::string& text, Thinking thinking,
                       const Tokenizer& tokenizer) {
  if (thinking == Thinking::kNone) return text;
  const std::optional<TokenId> end = tokenizer.Find("</think>");
  const auto last = end ? std::find(tokens.rbegin(), tokens.rend(), *end) : tokens.rend();
  if (last != tokens.rend()) {
    const auto after = static_cast<size_t>(tokens.rend() - last);
    const std::string rest = tokenizer.Decode(tokens.subspan(after), Tokenizer::SpecialOut::kSkip);
    return std::string(AfterThinking("</think>" + rest, Thinking::kOpened));
  }
  return std::string(
      AfterThinking(tokenizer.Decode(tokens, Tokenizer::SpecialOut::kKeep), thinking));
}

}  // namespace

Answer ToAnswer(Generated generated, const SuiteToAnswer& suite, size_t lane, size_t prompt) {
  Answer answer{.lane = lane, .suite = suite.index, .prompt = prompt};
  answer.text = suite.tokenizer.Decode(generated.tokens, Tokenizer::SpecialOut::kSkip);
  answer.finish = generated.finish == Finish::kEndToken ? FinishReason::kEos : FinishReason::kLimit;
  answer.top_logits = ToTopLogits(generated.top_logits);
  answer.token_ids = std::move(generated.tokens);
  const SuitePrompt& asked = suite.suite.suite.prompts[prompt];
  if (asked.checks.empty()) return answer;
  const PromptResult result = CheckAnswer(
      asked,
      ScoredText(answer.token_ids, answer.text, suite.suite.thinking[prompt], suite.tokenizer));
  answer.check = CheckResult{.passed = result.passed(),
                             .undecided = result.outcome == CheckOutcome::kUndecided,
                             .score = result.score,
                             .evidence = EvidenceJson(result)};
  return answer;
}

}  // namespace bitloss
