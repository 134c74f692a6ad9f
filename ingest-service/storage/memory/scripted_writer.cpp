#include "storage/memory/scripted_writer.hpp"

#include "storage/port/store_error.hpp"

namespace wardlink::storage {

ScriptedWriter::ScriptedWriter(std::unique_ptr<RecordWriter> inner, CommitScript script)
    : inner_(std::move(inner)), script_(std::move(script)) {}

template <typename Work>
auto ScriptedWriter::commit(CommitKind kind, std::size_t size, Work&& work) {
  using Kind = CommitOutcome::Kind;
  if (size == 0) return work();
  const auto outcome = script_.outcome(kind);
  switch (outcome.kind) {
    case Kind::ok:
      break;
    case Kind::fail:
      throw StoreError(StoreError::Kind::precondition, "the database refuses it: the script says so");
    case Kind::unknown:
      if (outcome.happened) work();
      throw StoreError(StoreError::Kind::away, "the database is away: COMMIT was not answered");
    case Kind::slow:
      script_.pass(outcome.delay);
      break;
    case Kind::away:
      throw StoreError(StoreError::Kind::away, "the database is away: the script says so");
  }
  return work();
}

std::vector<Attached> ScriptedWriter::attach(std::span<const AttachRequest> requests) {
  return commit(CommitKind::attach, requests.size(), [&] { return inner_->attach(requests); });
}

std::vector<std::shared_ptr<const Session>> ScriptedWriter::at_boots(std::span<const AttachRequest> requests) {
  return commit(CommitKind::at_boots, requests.size(), [&] { return inner_->at_boots(requests); });
}

std::vector<RecordResult> ScriptedWriter::append(std::span<const Record> records) {
  return commit(CommitKind::append, records.size(), [&] { return inner_->append(records); });
}

bool ScriptedWriter::audit(std::span<const AuditFact> facts) {
  return commit(CommitKind::audit, facts.size(), [&] { return inner_->audit(facts); });
}

}  // namespace wardlink::storage
