#pragma once
// One stream's writer, on a connection of its own.

#include <atomic>
#include <memory>

#include "storage/port/record_store.hpp"
#include "storage/postgres/link/commit_bell.hpp"
#include "storage/postgres/link/connection.hpp"
#include "storage/postgres/schema/partitions.hpp"

namespace wardlink::storage::postgres {

class Writer final : public RecordWriter {
 public:
  /// Adds to `clock_jumps` how many records claimed to be measured after they were received.
  Writer(const Database& database, Partitions& partitions, const CommitBell& bell,
         std::atomic<std::uint64_t>& clock_jumps)
      : database_(database), partitions_(partitions), bell_(bell), clock_jumps_(clock_jumps) {}

  Instant calendar() override;
  using RecordWriter::attach;
  std::vector<Attached> attach(std::span<const AttachRequest> requests) override;
  std::vector<std::shared_ptr<const Session>> at_boots(std::span<const AttachRequest> requests) override;
  std::vector<RecordResult> append(std::span<const Record> records) override;
  bool audit(std::span<const AuditFact> facts) override;

 private:
  std::unique_ptr<Connection> open() const;
  template <typename Work>
  auto connected(Work&& work);
  template <typename Answer, typename Work>
  void each(std::span<const AttachRequest> requests, std::span<Answer> answers, Work&& work);
  void make_partitions(std::span<const Attached> attached);
  void write(std::span<const Record* const> records, std::span<RecordResult> results);
  bool write_once(std::span<const Record* const> records, std::span<RecordResult> results);
  void quarantine_refused(const Record& record);

  const Database& database_;
  Partitions& partitions_;
  const CommitBell& bell_;
  std::atomic<std::uint64_t>& clock_jumps_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace wardlink::storage::postgres
