// The part of Store that holds prompts, answers and their scores.
#include <algorithm>

#include "bitloss/store/blobs.h"
#include "bitloss/store/store.h"
#include "bitloss/store/store_state.h"

namespace bitloss {
namespace {

constexpr uint64_t kVersionWithScripts = 4;

// The column `passed`; 0 failed.
constexpr uint64_t kPassed = 1;
constexpr uint64_t kUndecided = 2;

uint64_t PassedColumn(const CheckResult& check) {
  if (check.undecided) return kUndecided;
  return check.passed ? kPassed : 0;
}

Status InsertAnswer(const Database& database, const Answer& answer) {
  BITLOSS_TRY(Query query,
              database.Prepare("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  query.Bind(answer.lane).Bind(answer.suite).Bind(answer.prompt);
  BindAnswer(query, answer);
  return query.Run();
}

Status InsertTopLogits(const Database& database, const Answer& answer) {
  BITLOSS_TRY(Query query,
              database.Prepare("INSERT INTO answer_top_logits VALUES (?, ?, ?, ?, ?, ?)"));
  for (size_t position = 0; position < answer.top_logits.size(); ++position) {
    const TopLogits& top = answer.top_logits[position];
    BITLOSS_CHECK(top.ids.size() == top.logits.size());
    query.Reset();
    query.Bind(answer.lane).Bind(answer.suite).Bind(answer.prompt).Bind(position);
    query.Bind(AsBlob(top.ids)).Bind(AsBlob(top.logits));
    BITLOSS_DO(query.Run());
  }
  return Ok();
}

Result<std::vector<TopLogits>> ReadTopLogits(const Database& database, const Answer& answer) {
  BITLOSS_TRY(Query query,
              database.Prepare("SELECT ids, logits FROM answer_top_logits WHERE lane = ?"
                               " AND suite = ? AND prompt = ? ORDER BY position"));
  query.Bind(answer.lane).Bind(answer.suite).Bind(answer.prompt);
  std::vector<TopLogits> positions;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return positions;
    TopLogits top;
    BITLOSS_TRY(top.ids, FromBlob<int32_t>(query.Blob(0)));
    BITLOSS_TRY(top.logits, FromBlob<float>(query.Blob(1)));
    if (top.ids.size() != top.logits.size()) {
      return BadInput("answer {} has {} ids for {} logits", answer.prompt, top.ids.size(),
                      top.logits.size());
    }
    positions.push_back(std::move(top));
  }
}

}  // namespace

void BindAnswer(Query& query, const Answer& answer) {
  query.Bind(answer.text).Bind(AsBlob(answer.token_ids));
  query.Bind(static_cast<uint64_t>(answer.finish)).Bind(answer.error);
  if (answer.check) {
    query.Bind(PassedColumn(*answer.check)).Bind(answer.check->score);
    query.Bind(answer.check->evidence);
  } else {
    query.BindNull().BindNull().BindNull();
  }
}

Result<Answer> ReadAnswer(const Query& query, int first, size_t lane, size_t suite, size_t prompt) {
  Answer answer{.lane = lane, .suite = suite, .prompt = prompt, .text = query.Text(first)};
  BITLOSS_TRY(answer.token_ids, FromBlob<int32_t>(query.Blob(first + 1)));
  const uint64_t finish = query.Integer(first + 2);
  if (finish > static_cast<uint64_t>(FinishReason::kError)) {
    return BadInput("answer {} has an unknown finish {}", prompt, finish);
  }
  answer.finish = static_cast<FinishReason>(finish);
  answer.error = query.Text(first + 3);
  if (!query.IsNull(first + 4)) {
    const uint64_t passed = query.Integer(first + 4);
    if (passed > kUndecided) return BadInput("answer {} has an unknown outcome {}", prompt, passed);
    answer.check = CheckResult{.passed = passed == kPassed,
                               .undecided = passed == kUndecided,
                               .score = query.Real(first + 5),
                               .evidence = query.Text(first + 6)};
  }
  return answer;
}

Status Store::PutPrompts(size_t suite, std::span<const PromptRecord> prompts) {
  BITLOSS_CHECK(suite < manifest().suites.size());
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(const std::vector<PromptRecord> stored, Prompts(suite));
  if (std::ranges::equal(stored, prompts)) return Ok();
  if (!stored.empty()) {
    return BadInput("'{}': suite '{}' was begun with other prompts; use another folder",
                    folder().string(), manifest().suites[suite].id);
  }
  BITLOSS_TRY(Query query,
              state_->database.Prepare("INSERT INTO prompts (suite, prompt, id, category, text,"
                                       " scripts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  for (size_t i = 0; i < prompts.size(); ++i) {
    const PromptRecord& prompt = prompts[i];
    BITLOSS_CHECK(prompt.prompt == i);
    query.Reset();
    query.Bind(suite).Bind(i).Bind(prompt.id).Bind(prompt.category).Bind(prompt.text);
    query.Bind(WordsToJson(prompt.scripts));
    BITLOSS_DO(query.Run());
  }
  return transaction.Commit();
}

Result<std::vector<PromptRecord>> Store::Prompts(size_t suite) const {
  const char* scripts = state_->version < kVersionWithScripts ? "'[]'" : "scripts";
  BITLOSS_TRY(Query query, state_->database.Prepare(
                               fmt::format("SELECT prompt, id, category, text, {} FROM prompts"
                                           " WHERE suite = ? ORDER BY prompt",
                                           scripts)));
  query.Bind(suite);
  std::vector<PromptRecord> prompts;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return prompts;
    PromptRecord prompt{.prompt = query.Integer(0),
                        .id = query.Text(1),
                        .category = query.Text(2),
                        .text = query.Text(3)};
    Result<std::vector<std::string>> expected = WordsFromJson(query.Text(4), "scripts of a prompt");
    if (!expected.ok()) return state_->Damaged(expected.error());
    prompt.scripts = std::move(expected).value();
    prompts.push_back(std::move(prompt));
  }
}

Status Store::PutAnswers(std::span<const Answer> answers) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  for (const Answer& answer : answers) {
    BITLOSS_TRY(const bool present, HasAnswer(answer.lane, answer.suite, answer.prompt));
    if (present) continue;
    BITLOSS_DO(InsertAnswer(state_->database, answer));
    BITLOSS_DO(InsertTopLogits(state_->database, answer));
  }
  return transaction.Commit();
}

Result<bool> Store::HasAnswer(size_t lane, size_t suite, size_t prompt) const {
  BITLOSS_TRY(Query query,
              state_->database.Prepare(
                  "SELECT 1 FROM answers WHERE lane = ? AND suite = ? AND prompt = ?"));
  return query.Bind(lane).Bind(suite).Bind(prompt).Next();
}

Result<std::vector<Answer>> Store::Answers(size_t lane, size_t suite) const {
  BITLOSS_TRY(Query query,
              state_->database.Prepare(
                  "SELECT prompt, text, token_ids, finish, error, passed, score, evidence"
                  " FROM answers WHERE lane = ? AND suite = ? ORDER BY prompt"));
  query.Bind(lane).Bind(suite);
  std::vector<Answer> answers;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return answers;
    Result<Answer> answer = ReadAnswer(query, 1, lane, suite, query.Integer(0));
    if (!answer.ok()) return state_->Damaged(answer.error());
    Result<std::vector<TopLogits>> top = ReadTopLogits(state_->database, answer.value());
    if (!top.ok()) return state_->Damaged(top.error());
    answer.value().top_logits = std::move(top).value();
    answers.push_back(std::move(answer).value());
  }
}

Status Store::PutAnswerScores(std::span<const AnswerScores> scores) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(Query query, state_->database.Prepare(
                               "INSERT INTO answer_scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const AnswerScores& answer : scores) {
    BITLOSS_TRY(const bool present,
                HasAnswerScores(answer.scores.lane, answer.suite, answer.prompt));
    if (present) continue;
    query.Reset();
    query.Bind(answer.scores.lane).Bind(answer.suite).Bind(answer.prompt);
    BindScores(query, answer.scores);
    BITLOSS_DO(query.Run());
  }
  return transaction.Commit();
}

Result<bool> Store::HasAnswerScores(size_t lane, size_t suite, size_t prompt) const {
  BITLOSS_TRY(Query query,
              state_->database.Prepare(
                  "SELECT 1 FROM answer_scores WHERE lane = ? AND suite = ? AND prompt = ?"));
  return query.Bind(lane).Bind(suite).Bind(prompt).Next();
}

Result<std::vector<AnswerScores>> Store::AllAnswerScores(size_t lane, size_t suite) const {
  BITLOSS_TRY(Query query, state_->database.Prepare(fmt::format(
                               "SELECT prompt, {} FROM answer_scores WHERE lane = ? AND suite = ?"
                               " ORDER BY prompt",
                               ScoreColumns())));
  query.Bind(lane).Bind(suite);
  std::vector<AnswerScores> all;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return all;
    AnswerScores answer{.suite = suite, .prompt = query.Integer(0), .scores = {}};
    Result<TokenScores> scores = ReadScores(query, 1, lane, std::nullopt);
    if (!scores.ok()) return state_->Damaged(scores.error());
    answer.scores = std::move(scores).value();
    all.push_back(std::move(answer));
  }
}

}  // namespace bitloss
