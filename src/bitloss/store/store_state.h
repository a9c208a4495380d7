// What a Store holds; shared by the files that implement it.
#ifndef BITLOSS_STORE_STORE_STATE_H_
#define BITLOSS_STORE_STORE_STATE_H_

#include "bitloss/store/folder_lock.h"
#include "bitloss/store/sqlite.h"
#include "bitloss/store/store.h"

namespace bitloss {

struct Store::State {
  std::filesystem::path folder;
  FolderLock lock;  // held by a writer; outlives the connection
  Database database;
  Manifest manifest;
  uint64_t version = 0;  // of the tables: older ones lack some

  std::filesystem::path file() const { return folder / "study.db"; }
  // "study.db is damaged", and where.
  Error Damaged(const Error& error) const {
    return BadInput("'{}': the study is damaged: {}", file().string(), error.message);
  }
};

// Words as one column: a JSON array of strings. kBadInput with `what` it should be.
std::string WordsToJson(const std::vector<std::string>& words);
Result<std::vector<std::string>> WordsFromJson(const std::string& text, std::string_view what);

// The columns of TokenScores' arrays, in their order: "nll, kl, ...".
std::string ScoreColumns();

// Binds the arrays, in the order of the columns.
void BindScores(Query& query, const TokenScores& scores);

// The arrays from columns `first`, ...; `scores.lane` is the caller's. kBadInput unless each
// is empty or `num_scored` long; without `num_scored`, unless all that are not empty are as long.
Result<TokenScores> ReadScores(const Query& query, int first, size_t lane,
                               std::optional<size_t> num_scored);

// Binds text, token_ids, finish, error, passed, score, evidence: the columns of an answer.
void BindAnswer(Query& query, const Answer& answer);

// The same from columns `first`, ...
Result<Answer> ReadAnswer(const Query& query, int first, size_t lane, size_t suite, size_t prompt);

}  // namespace bitloss

#endif  // BITLOSS_STORE_STORE_STATE_H_
