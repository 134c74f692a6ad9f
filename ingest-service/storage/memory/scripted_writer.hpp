#pragma once
// A RecordWriter whose commits fail as a script says.

#include <functional>

#include "storage/port/record_store.hpp"

namespace wardlink::storage {

enum class CommitKind : std::uint8_t { attach, at_boots, append, audit };

/// What becomes of one commit.
struct CommitOutcome {
  enum class Kind : std::uint8_t {
    ok,
    fail,     // refused: nothing of it happens. StoreError::Kind::precondition
    unknown,  // COMMIT was not answered: StoreError::Kind::away, and it happened or not
    slow,     // happens, after `delay`
    away,     // the database does not answer: nothing of it happens. StoreError::Kind::away
  };
  Kind kind = Kind::ok;
  bool happened = false;               // of `unknown`
  std::chrono::microseconds delay{0};  // of `slow`
};

/// Called by the writer's thread.
struct CommitScript {
  /// Asked once for each commit, in their order.
  std::function<CommitOutcome(CommitKind)> outcome;
  /// Lets that time pass, before a slow commit happens.
  std::function<void(std::chrono::microseconds)> pass;
};

/// Decorates any writer. Calls without a request, record or fact are no commits.
class ScriptedWriter final : public RecordWriter {
 public:
  ScriptedWriter(std::unique_ptr<RecordWriter> inner, CommitScript script);

  Instant calendar() override { return inner_->calendar(); }
  using RecordWriter::attach;
  std::vector<Attached> attach(std::span<const AttachRequest> requests) override;
  std::vector<std::shared_ptr<const Session>> at_boots(std::span<const AttachRequest> requests) override;
  std::vector<RecordResult> append(std::span<const Record> records) override;
  bool audit(std::span<const AuditFact> facts) override;

 private:
  template <typename Work>
  auto commit(CommitKind kind, std::size_t size, Work&& work);

  const std::unique_ptr<RecordWriter> inner_;
  const CommitScript script_;
};

}  // namespace wardlink::storage
