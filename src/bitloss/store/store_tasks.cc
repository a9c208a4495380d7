// The part of Store that holds tasks by likelihood.
#include "bitloss/store/blobs.h"
#include "bitloss/store/store.h"
#include "bitloss/store/store_state.h"

namespace bitloss {
namespace {

constexpr uint64_t kVersionWithTasks = 7;

Result<TaskItemRecord> ReadItem(const Query& query, size_t task) {
  TaskItemRecord item{.task = task, .item = query.Integer(0), .id = query.Text(1)};
  BITLOSS_TRY(item.answers, FromBlob<uint32_t>(query.Blob(2)));
  BITLOSS_TRY(item.characters, FromBlob<uint32_t>(query.Blob(3)));
  BITLOSS_TRY(item.bytes, FromBlob<uint32_t>(query.Blob(4)));
  BITLOSS_TRY(item.tokens, FromBlob<uint32_t>(query.Blob(5)));
  const size_t count = item.characters.size();
  bool whole = count > 0 && item.bytes.size() == count && item.tokens.size() == count &&
               !item.answers.empty();
  for (const uint32_t answer : item.answers) whole = whole && answer < count;
  if (!whole) return BadInput("item {} of task {} does not fit together", item.item, task);
  return item;
}

Result<TaskScores> ReadTaskScores(const Query& query, size_t lane, size_t task) {
  TaskScores scores{.lane = lane, .task = task, .item = query.Integer(0)};
  BITLOSS_TRY(scores.log_likelihoods, FromBlob<double>(query.Blob(1)));
  BITLOSS_TRY(scores.greedy, FromBlob<uint8_t>(query.Blob(2)));
  if (scores.greedy.size() != scores.log_likelihoods.size()) {
    return BadInput("item {} of task {}: {} log-likelihoods for {} marks", scores.item, task,
                    scores.log_likelihoods.size(), scores.greedy.size());
  }
  return scores;
}

Status InsertItem(const Database& database, const TaskItemRecord& item) {
  BITLOSS_TRY(Query query, database.Prepare("INSERT INTO task_items VALUES (?, ?, ?, ?, ?, ?, ?)"));
  query.Bind(item.task).Bind(item.item).Bind(item.id).Bind(AsBlob(item.answers));
  query.Bind(AsBlob(item.characters)).Bind(AsBlob(item.bytes)).Bind(AsBlob(item.tokens));
  return query.Run();
}

}  // namespace

Status Store::PutTaskItems(size_t task, std::span<const TaskItemRecord> items) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(const std::vector<TaskItemRecord> stored, TaskItems(task));
  if (!stored.empty()) {
    if (std::ranges::equal(stored, items)) return Ok();
    return BadInput("study '{}' has task {} with other items; use another folder",
                    state_->folder.string(), task);
  }
  for (const TaskItemRecord& item : items) BITLOSS_DO(InsertItem(state_->database, item));
  return transaction.Commit();
}

Result<std::vector<TaskItemRecord>> Store::TaskItems(size_t task) const {
  if (state_->version < kVersionWithTasks) return std::vector<TaskItemRecord>();
  BITLOSS_TRY(Query query,
              state_->database.Prepare("SELECT item, id, answers, characters, bytes, tokens"
                                       " FROM task_items WHERE task = ? ORDER BY item"));
  query.Bind(task);
  std::vector<TaskItemRecord> items;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return items;
    Result<TaskItemRecord> item = ReadItem(query, task);
    if (!item.ok()) return state_->Damaged(item.error());
    items.push_back(std::move(item).value());
  }
}

Status Store::PutTaskScores(std::span<const TaskScores> scores) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(Query query, state_->database.Prepare("INSERT INTO task_scores VALUES (?, ?, ?, ?, ?)"
                                                    " ON CONFLICT (lane, task, item) DO NOTHING"));
  for (const TaskScores& one : scores) {
    BITLOSS_CHECK(one.greedy.size() == one.log_likelihoods.size());
    query.Reset();
    query.Bind(one.lane).Bind(one.task).Bind(one.item);
    query.Bind(AsBlob(one.log_likelihoods)).Bind(AsBlob(one.greedy));
    BITLOSS_DO(query.Run());
  }
  return transaction.Commit();
}

Result<std::vector<TaskScores>> Store::AllTaskScores(size_t lane, size_t task) const {
  if (state_->version < kVersionWithTasks) return std::vector<TaskScores>();
  BITLOSS_TRY(Query query,
              state_->database.Prepare("SELECT item, log_likelihoods, greedy FROM task_scores"
                                       " WHERE lane = ? AND task = ? ORDER BY item"));
  query.Bind(lane).Bind(task);
  std::vector<TaskScores> all;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return all;
    Result<TaskScores> scores = ReadTaskScores(query, lane, task);
    if (!scores.ok()) return state_->Damaged(scores.error());
    all.push_back(std::move(scores).value());
  }
}

}  // namespace bitloss
