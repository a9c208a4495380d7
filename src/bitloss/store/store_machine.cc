// The part of Store that may differ between two runs: timings and the machine.
#include "bitloss/store/store.h"
#include "bitloss/store/store_state.h"

namespace bitloss {

Status Store::PutTimings(std::span<const Timing> timings) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(Query query,
              state_->database.Prepare("INSERT OR REPLACE INTO timings VALUES (?, ?, ?, ?, ?)"));
  for (const Timing& timing : timings) {
    query.Reset();
    query.Bind(timing.lane).Bind(static_cast<uint64_t>(timing.kind)).Bind(timing.key);
    query.Bind(timing.seconds).Bind(timing.num_tokens);
    BITLOSS_DO(query.Run());
  }
  return transaction.Commit();
}

Result<std::vector<Timing>> Store::Timings() const {
  BITLOSS_TRY(Query query,
              state_->database.Prepare("SELECT lane, kind, key, seconds, num_tokens FROM timings"
                                       " ORDER BY lane, kind, key"));
  std::vector<Timing> timings;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return timings;
    if (query.Integer(1) > static_cast<uint64_t>(TimingKind::kTask)) {
      return state_->Damaged(BadInput("unknown kind of timing {}", query.Integer(1)));
    }
    timings.push_back({.lane = query.Integer(0),
                       .kind = static_cast<TimingKind>(query.Integer(1)),
                       .key = query.Text(2),
                       .seconds = query.Real(3),
                       .num_tokens = query.Integer(4)});
  }
}

Status Store::PutMachineNotes(std::span<const MachineNote> notes) {
  BITLOSS_TRY(Transaction transaction, Transaction::Begin(state_->database));
  BITLOSS_TRY(Query query,
              state_->database.Prepare("INSERT OR REPLACE INTO machine VALUES (?, ?)"));
  for (const MachineNote& note : notes) {
    query.Reset();
    BITLOSS_DO(query.Bind(note.key).Bind(note.value).Run());
  }
  return transaction.Commit();
}

Result<std::vector<MachineNote>> Store::MachineNotes() const {
  BITLOSS_TRY(Query query, state_->database.Prepare("SELECT key, value FROM machine ORDER BY key"));
  std::vector<MachineNote> notes;
  while (true) {
    BITLOSS_TRY(const bool row, query.Next());
    if (!row) return notes;
    notes.push_back({.key = query.Text(0), .value = query.Text(1)});
  }
}

Status Store::PutPeakMemory(size_t lane, uint64_t bytes) {
  BITLOSS_TRY(Query query,
              state_->database.Prepare("INSERT INTO peak_memory VALUES (?1, ?2) ON CONFLICT (lane)"
                                       " DO UPDATE SET bytes = max(bytes, ?2)"));
  return query.Bind(lane).Bind(bytes).Run();
}

Result<std::optional<uint64_t>> Store::PeakMemory(size_t lane) const {
  BITLOSS_TRY(Query query,
              state_->database.Prepare("SELECT bytes FROM peak_memory WHERE lane = ?"));
  BITLOSS_TRY(const bool found, query.Bind(lane).Next());
  if (!found) return std::optional<uint64_t>();
  return std::optional(query.Integer(0));
}

}  // namespace bitloss
