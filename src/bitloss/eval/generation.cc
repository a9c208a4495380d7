#include "bitloss/eval/generation.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "bitloss/metrics/coupled_sampling.h"

namespace bitloss {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Tokens of prompts that go through the model at once before decoding: bounds scratch memory.
constexpr size_t kPrefillTokens = 2048;

// No NaN and no +inf; -inf is a token that cannot come.
bool AllComparable(std::span<const float> logits) {
  bool comparable = true;
  for (const float logit : logits) comparable &= logit < std::numeric_limits<float>::infinity();
  return comparable;
}

// The decoding of one call. Slots of the cache are prompts.
class Generation {
 public:
  Generation(Transformer& transformer, const LaneWeights& lane,
             std::span<const GenerationPrompt> prompts, const GenerationOptions& options,
             const AnswerDone& done)
      : transformer_(transformer),
        lane_(lane),
        prompts_(prompts),
        options_(options),
        done_(done),
        cache_(transformer.config(), Capacities(transformer.config(), prompts),
               transformer.backend().memory()),
        answers_(prompts.size()),
        hidden_(transformer.backend().memory()),
        last_(transformer.backend().memory()),
        logits_(transformer.backend().memory()) {
    if (!options.sampling) return;
    for (const GenerationPrompt& prompt : prompts) {
      noise_.push_back(CouplingNoise(options.sampling->seed, prompt.id, options.sampling->sample));
    }
  }

  // Reads all prompts and chooses the first token of each answer.
  Status Prefill() {
    const auto start = Clock::now();
    size_t next = 0;
    while (next < prompts_.size()) {
      const auto group_start = Clock::now();
      Batch batch;
      std::vector<size_t> members;
      while (next < prompts_.size() &&
             (members.empty() ||
              batch.tokens().size() + prompts_[next].tokens.size() <= kPrefillTokens)) {
        batch.Continue(prompts_[next].tokens, cache_, next);
        members.push_back(next++);
      }
      BITLOSS_DO(Advance(batch, members));
      ShareTime(members, SecondsSince(group_start));
      speed_.prefill_tokens += batch.tokens().size();
      BITLOSS_DO(Report(members));
    }
    speed_.prefill_seconds = SecondsSince(start);
    return Ok();
  }

  // One more token for every answer that goes on. False when none does.
  Result<bool> Step() {
    const auto start = Clock::now();
    Batch batch;
    std::vector<size_t> members;
    for (size_t prompt = 0; prompt < prompts_.size(); ++prompt) {
      if (answers_[prompt].finished) continue;
      batch.Continue({&answers_[prompt].generated.tokens.back(), 1}, cache_, prompt);
      members.push_back(prompt);
    }
    if (members.empty()) return false;
    BITLOSS_DO(Advance(batch, members));
    ShareTime(members, SecondsSince(start));
    speed_.decode_tokens += members.size();
    speed_.decode_seconds += SecondsSince(start);
    BITLOSS_DO(Report(members));
    return true;
  }

  size_t num_tokens() const { return num_tokens_; }
  const GenerationSpeed& speed() const { return speed_; }

 private:
  struct State {
    Generated generated;
    bool finished = false;
  };

  static std::vector<size_t> Capacities(const ModelConfig& config,
                                        std::span<const GenerationPrompt> prompts) {
    std::vector<size_t> capacities;
    for (const GenerationPrompt& prompt : prompts) {
      BITLOSS_CHECK(!prompt.tokens.empty() && prompt.max_new_tokens > 0 &&
                    prompt.tokens.size() < config.max_positions);
      capacities.push_back(
          std::min(prompt.tokens.size() + prompt.max_new_tokens, size_t{config.max_positions}));
    }
    return capacities;
  }

  // Runs the batch and chooses the next token of each member.
  Status Advance(const Batch& batch, std::span<const size_t> members) {
    transformer_.Hidden(lane_, batch, &cache_, hidden_);
    std::vector<size_t> last_rows;
    for (const RowRange& rows : batch.sequences()) last_rows.push_back(rows.end - 1);
    last_.Resize(members.size(), hidden_.cols());
    transformer_.backend().GatherRows(hidden_, last_rows, last_);
    logits_.Resize(members.size(), transformer_.config().vocab_size);
    transformer_.LmHead(lane_, last_, logits_);

    const ConstMatrixView logits = transformer_.backend().OnHost(logits_, staging_);
    std::vector<Status> chosen(members.size());
    transformer_.backend().threads().ForEachPart(
        members.size(), [&](size_t i, size_t) { chosen[i] = Choose(members[i], logits.Row(i)); });
    for (size_t i = 0; i < members.size(); ++i) {
      if (!chosen[i].ok())
        return Within(fmt::format("prompt '{}'", prompts_[members[i]].id), chosen[i].error());
    }
    num_tokens_ += members.size();
    return Ok();
  }

  Status Choose(size_t prompt, std::span<const float> logits) {
    State& state = answers_[prompt];
    Generated& answer = state.generated;
    const size_t position = answer.tokens.size();
    if (!AllComparable(logits))
      return BadInput("token {} of the answer: a logit is not finite", position);
    if (position < options_.num_top_positions) {
      answer.top_logits.push_back(TopK(logits, options_.num_top_logits));
    }
    const int32_t token = Pick(prompt, position, logits);
    if (std::ranges::find(options_.end_tokens, token) != options_.end_tokens.end()) {
      answer.finish = Finish::kEndToken;
      answer.end_token = token;
      state.finished = true;
      return Ok();
    }
    answer.tokens.push_back(token);
    // The last token's own row would be position prompt + answer - 1; it must still fit the cache
    // to be continued.
    state.finished = answer.tokens.size() == prompts_[prompt].max_new_tokens ||
                     cache_.length(prompt) == cache_.capacity(prompt);
    return Ok();
  }

  int32_t Pick(size_t prompt, size_t position, std::span<const float> logits) const {
    if (!options_.sampling) return ArgMax(logits);
    return SampleCoupled(logits, options_.sampling->temperature, noise_[prompt], position);
  }

  void ShareTime(std::span<const size_t> members, double seconds) {
    for (const size_t prompt : members) {
      answers_[prompt].generated.seconds += seconds / static_cast<double>(members.size());
    }
  }

  Status Report(std::span<const size_t> members) {
    for (const size_t prompt : members) {
      if (answers_[prompt].finished) {
        BITLOSS_DO(done_(prompt, std::move(answers_[prompt].generated)));
      }
    }
    return Ok();
  }

  Transformer& transformer_;
  const LaneWeights& lane_;
  std::span<const GenerationPrompt> prompts_;
  const GenerationOptions& options_;
  const AnswerDone& done_;
  KvCache cache_;
  std::vector<State> answers_;
  std::vector<RandomStream> noise_;  // of each prompt, when sampling
  Tensor hidden_, last_, logits_;
  Matrix staging_;  // of logits, where the host does not see them
  GenerationSpeed speed_;
  size_t num_tokens_ = 0;
};

}  // namespace

Result<GenerationSpeed> Generate(Transformer& transformer, const LaneWeights& lane,
                                 std::span<const GenerationPrompt> prompts,
                                 const GenerationOptions& options, const AnswerDone& done,
                                 const GenerationStep& step) {
  Generation generation(transformer, lane, prompts, options, done);
  BITLOSS_DO(generation.Prefill());
  for (;;) {
    if (step) step(generation.num_tokens());
    BITLOSS_TRY(const bool more, generation.Step());
    if (!more) return generation.speed();
  }
}

}  // namespace bitloss
