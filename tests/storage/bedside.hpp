#pragma once
// One device at a store of its own, as a storage process has it.

#include <string>

#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage::test {

class Bedside {
 public:
  explicit Bedside(const std::string& connection) : store({.connection = connection}), writer(store.open_writer()) {
    session = writer->attach({"urn:dev:os:32473-a", 7, start}).session;
  }

  /// An alarm record of a second each.
  RecordResult alarm(std::uint64_t sequence) {
    const AlarmFact fact{
        AlarmEvent::raised, AlarmKind::physiological, AlarmPriority::high, "hr-high", 1, 140.5, 130.0, 0};
    return append({session, Stream::alarms, sequence, sequence * 1000, start + std::chrono::seconds(9), fact});
  }
  RecordResult append(const Record& record) { return writer->append(std::vector{record}).front(); }

  static inline const Instant start = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  PostgresStore store;
  std::unique_ptr<RecordWriter> writer;
  std::shared_ptr<const Session> session;
};

}  // namespace wardlink::storage::test
