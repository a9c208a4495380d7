// The part of Store that holds where answers part, what the baseline makes of them, and sampled
// answers: tables that older studies lack.
#include "bitloss/store/store.h"
#include "bitloss/store/store_state.h"

namespace bitloss {
namespace {

constexpr uint64_t kVersionWithForks = 2;  // and samples
constexpr uint64_t kVersionWithJudgements = 3;

// Whether `table` has a row of the record's lane, suite and prompt.
template <class Record>
Result<bool> HasRow(const Database& database, const char* table, const Record& record) {
  BITLOSS_TRY(Query query,
              database.Prepare(fmt::format(
                  "SELECT 1 FROM {} WHERE lane = ? AND suite = ? AND prompt = ?", table)));
  return query.Bind(record.lane).Bind(record.suite).Bind(record.prompt).Next();
}

}  // namespace

Status Store::PutAnswerForks(std::span<const AnswerFork> forks) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(Query query,
              state_->database.Prepare("INSERT INTO answer_forks VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const AnswerFork& fork : forks) {
    BITLOSS_TRY(const bool present, HasRow(state_->database, "answer_forks", fork));
    if (present) continue;
    query.Reset();
    query.Bind(fork.lane).Bind(fork.suite).Bind(fork.prompt).Bind(uint64_t{fork.position});
    query.Bind(fork.baseline_token_in_baseline).Bind(fork.baseline_token_in_lane);
    query.Bind(fork.lane_token_in_baseline).Bind(fork.lane_token_in_lane);
    BITLOSS_DO(query.Run());
  }
  return transaction.Commit();
}

Result<std::vector<AnswerFork>> Store::AnswerForks(size_t lane, size_t suite) const {
  if (state_->version < kVersionWithForks) return std::vector<AnswerFork>();
  BITLOSS_TRY(Query query,
              state_->database.Prepare(
                  "SELECT prompt, position, baseline_token_in_baseline, baseline_token_in_lane,"
                  " lane_token_in_baseline, lane_token_in_lane"
                  " FROM answer_forks WHERE lane = ? AND suite = ? ORDER BY prompt"));
  query.Bind(lane).Bind(suite);
  std::vector<AnswerFork> forks;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return forks;
    forks.push_back({.lane = lane,
                     .suite = suite,
                     .prompt = query.Integer(0),
                     .position = static_cast<uint32_t>(query.Integer(1)),
                     .baseline_token_in_baseline = query.Real(2),
                     .baseline_token_in_lane = query.Real(3),
                     .lane_token_in_baseline = query.Real(4),
                     .lane_token_in_lane = query.Real(5)});
  }
}

Status Store::PutAnswerJudgements(std::span<const AnswerJudgement> judgements) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(Query query,
              state_->database.Prepare("INSERT INTO answer_judgements VALUES (?, ?, ?, ?, ?)"));
  for (const AnswerJudgement& one : judgements) {
    BITLOSS_TRY(const bool present, HasRow(state_->database, "answer_judgements", one));
    if (present) continue;
    query.Reset();
    query.Bind(one.lane).Bind(one.suite).Bind(one.prompt);
    query.Bind(uint64_t{one.num_tokens}).Bind(one.nll);
    BITLOSS_DO(query.Run());
  }
  return transaction.Commit();
}

Result<std::vector<AnswerJudgement>> Store::AnswerJudgements(size_t lane, size_t suite) const {
  if (state_->version < kVersionWithJudgements) return std::vector<AnswerJudgement>();
  BITLOSS_TRY(Query query,
              state_->database.Prepare("SELECT prompt, num_tokens, nll FROM answer_judgements"
                                       " WHERE lane = ? AND suite = ? ORDER BY prompt"));
  query.Bind(lane).Bind(suite);
  std::vector<AnswerJudgement> judgements;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return judgements;
    judgements.push_back({.lane = lane,
                          .suite = suite,
                          .prompt = query.Integer(0),
                          .num_tokens = static_cast<uint32_t>(query.Integer(1)),
                          .nll = query.Real(2)});
  }
}

Status Store::PutSampledAnswers(std::span<const SampledAnswer> answers) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(Query query,
              state_->database.Prepare(
                  "INSERT INTO sampled_answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const SampledAnswer& sampled : answers) {
    const Answer& answer = sampled.answer;
    BITLOSS_TRY(const bool present,
                HasSampledAnswer(answer.lane, answer.suite, answer.prompt, sampled.sample));
    if (present) continue;
    query.Reset();
    query.Bind(answer.lane).Bind(answer.suite).Bind(answer.prompt);
    query.Bind(uint64_t{sampled.sample});
    BindAnswer(query, answer);
    BITLOSS_DO(query.Run());
  }
  return transaction.Commit();
}

Result<bool> Store::HasSampledAnswer(size_t lane, size_t suite, size_t prompt,
                                     uint32_t sample) const {
  BITLOSS_TRY(Query query,
              state_->database.Prepare("SELECT 1 FROM sampled_answers WHERE lane = ? AND suite = ?"
                                       " AND prompt = ? AND sample = ?"));
  return query.Bind(lane).Bind(suite).Bind(prompt).Bind(uint64_t{sample}).Next();
}

Result<std::vector<SampledAnswer>> Store::SampledAnswers(size_t lane, size_t suite) const {
  if (state_->version < kVersionWithForks) return std::vector<SampledAnswer>();
  BITLOSS_TRY(Query query,
              state_->database.Prepare("SELECT prompt, sample, text, token_ids, finish, error,"
                                       " passed, score, evidence FROM sampled_answers"
                                       " WHERE lane = ? AND suite = ? ORDER BY prompt, sample"));
  query.Bind(lane).Bind(suite);
  std::vector<SampledAnswer> answers;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return answers;
    Result<Answer> answer = ReadAnswer(query, 2, lane, suite, query.Integer(0));
    if (!answer.ok()) return state_->Damaged(answer.error());
    answers.push_back({static_cast<uint32_t>(query.Integer(1)), std::move(answer).value()});
  }
}

}  // namespace bitloss
