#pragma once
// One stream's writer.

#include "storage/memory/bell.hpp"
#include "storage/memory/tables.hpp"

namespace wardlink::storage::memory {

class Writer final : public RecordWriter {
 public:
  Writer(Tables& tables, Bell& bell) : tables_(tables), bell_(bell) {}

  Instant calendar() override;
  using RecordWriter::attach;
  std::vector<Attached> attach(std::span<const AttachRequest> requests) override;
  std::vector<std::shared_ptr<const Session>> at_boots(std::span<const AttachRequest> requests) override;
  std::vector<RecordResult> append(std::span<const Record> records) override;
  bool audit(std::span<const AuditFact> facts) override;

 private:
  Start* start_of(const AttachRequest& request);
  /// The devices of those that registered.
  std::set<std::int64_t> register_starts(std::span<const AttachRequest> requests, std::span<const Attached> attached);

  Tables& tables_;
  Bell& bell_;
};

}  // namespace wardlink::storage::memory
