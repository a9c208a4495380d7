#include "bitloss/eval/generation.h"

#include <algorithm>

#include "bitloss/base/stopwatch.h"
#include "bitloss/metrics/coupled_sampling.h"

namespace bitloss {
namespace {

// Tokens of prompts that go through the model at once before decoding: bounds scratch memory.
constexpr size_t kPrefillTokens = 2048;

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
              batch.tokens().size() + prompts_[next].tokens.size() <=
                  std::max(kPrefillTokens, transformer_.backend().work_sizes().layer_tokens))) {
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

    const bool keeps_top = std::ranges::any_of(members, [&](size_t p) { return KeepsTop(p); });
    const size_t num_top = keeps_top ? std::max<size_t>(options_.num_top_logits, 1) : 1;
    const std::vector<Backend::TopTokens> tops = transformer_.backend().FindTop(logits_, num_top);
    for (size_t i = 0; i < members.size(); ++i) {
      if (tops[i].comparable) continue;
      return Within(fmt::format("prompt '{}'", prompts_[members[i]].id),
                    BadInput("token {} of the answer: a logit is not finite",
                             answers_[members[i]].generated.tokens.size()));
    }
    const std::vector<int32_t> tokens = Pick(members, tops);
    for (size_t i = 0; i < members.size(); ++i) Put(members[i], tops[i].tokens, tokens[i]);
    num_tokens_ += members.size();
    return Ok();
  }

  // Whether the answer's next token is among the positions whose largest logits are kept.
  bool KeepsTop(size_t prompt) const {
    return answers_[prompt].generated.tokens.size() < options_.num_top_positions;
  }

  // The next token of each member, from `logits_`.
  std::vector<int32_t> Pick(std::span<const size_t> members,
                            std::span<const Backend::TopTokens> tops) {
    std::vector<int32_t> tokens(members.size());
    if (!options_.sampling) {
      for (size_t i = 0; i < members.size(); ++i) tokens[i] = tops[i].tokens[0].id;
      return tokens;
    }
    const ConstMatrixView logits = transformer_.backend().OnHost(logits_, staging_);
    transformer_.backend().threads().ForEachPart(members.size(), [&](size_t i, size_t) {
      const size_t position = answers_[members[i]].generated.tokens.size();
      tokens[i] = SampleCoupled(logits.Row(i), options_.sampling->temperature, noise_[members[i]],
                                position);
    });
    return tokens;
  }

  void Put(size_t prompt, std::span<const ScoredToken> top, int32_t token) {
    State& state = answers_[prompt];
    Generated& answer = state.generated;
    if (KeepsTop(prompt)) {
      const size_t count = std::min(top.size(), options_.num_top_logits);
      answer.top_logits.emplace_back(top.begin(), top.begin() + static_cast<ptrdiff_t>(count));
    }
    if (std::ranges::find(options_.end_tokens, token) != options_.end_tokens.end()) {
      answer.finish = Finish::kEndToken;
      answer.end_token = token;
      state.finished = true;
      return;
    }
    answer.tokens.push_back(token);
    // The last token's own row would be position prompt + answer - 1; it must still fit the cache
    // to be continued.
    state.finished = answer.tokens.size() == prompts_[prompt].max_new_tokens ||
                     cache_.length(prompt) == cache_.capacity(prompt);
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
