#pragma once
// The stores that one suite of tests is run over.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "storage/memory/stored_rows.hpp"
#include "storage/port/access_store.hpp"
#include "storage/port/live_store.hpp"
#include "storage/port/registry_store.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage::test {

/// An empty store, gone with the object.
struct Tenant {
  virtual ~Tenant() = default;
  virtual RecordStore& records() = 0;
  virtual RegistryStore& registry() = 0;
  virtual AccessStore& access() = 0;
  virtual LiveStore& live() = 0;
  virtual StoredRows rows() = 0;
  virtual std::vector<AuditFact> audited() = 0;
  /// From now on the calendar shows this, until it is called again.
  virtual void stop_calendar(Instant at) = 0;
};

/// "postgres", "memory", or "scripted": in memory behind a script that lets all commits happen.
std::unique_ptr<Tenant> make_tenant(const std::string& name);
inline std::string name_of(const testing::TestParamInfo<const char*>& store) { return store.param; }

/// To the microsecond.
Instant now();
/// A uuid that was not there before in this process.
std::string counted_id();
/// How the call is refused. A failure where it is not.
StoreError::Kind kind_of(const std::function<void()>& call);

inline const std::string device_a = "urn:dev:os:32473-a", device_b = "urn:dev:os:32473-b";
AlarmFact raised(const std::string& code, AlarmPriority priority = AlarmPriority::high);
AlarmFact ended(const std::string& code, std::uint64_t onset);

/// A session, and records of it, for tests of few words.
class ContractTest : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const Session> attach(const std::string& device = device_a, std::uint64_t boot = 7) {
    return writer->attach({device, boot, anchor}).session;
  }
  /// One sign, 1 unless said; of `of`, else of `session`.
  Record set(std::uint64_t sequence, std::uint64_t tick_ms, double value, std::shared_ptr<const Session> of = nullptr,
             std::uint16_t sign = 1, std::uint16_t quality = 0) const {
    return {of ? of : session, Stream::vitals, sequence, tick_ms, received, MeasurementSet{{sign}, {value}, {quality}}};
  }
  /// Its tick is its sequence in seconds.
  Record alarm(std::uint64_t sequence, AlarmFact fact, std::shared_ptr<const Session> of = nullptr) const {
    return {of ? of : session, Stream::alarms, sequence, sequence * 1000, received, std::move(fact)};
  }
  /// Of the first waveform: so many samples, at 100 a second unless said.
  Record run(std::uint64_t sequence, std::uint64_t tick_ms, std::size_t samples,
             std::shared_ptr<const Session> of = nullptr) const;

  std::vector<RecordResult> append(const std::vector<Record>& batch) { return writer->append(batch); }
  RecordResult append(const Record& record) { return append(std::vector{record}).front(); }
  /// A horizon that every transaction so far lies below: another database's may run at this moment.
  std::uint64_t settled() {
    const auto listener = live.listen();
    const auto next = live.horizon().next;
    for (;; listener->wait(std::chrono::milliseconds{20})) {
      const auto horizon = live.horizon();
      if (horizon.settled >= next) return horizon.settled;
    }
  }

  std::unique_ptr<Tenant> tenant = make_tenant(GetParam());
  RecordStore& records = tenant->records();
  RegistryStore& registry = tenant->registry();
  AccessStore& access = tenant->access();
  LiveStore& live = tenant->live();
  std::unique_ptr<RecordWriter> writer = records.open_writer();
  const Instant anchor = std::chrono::floor<std::chrono::hours>(now()) - std::chrono::hours{2};
  const Instant received = anchor + std::chrono::hours{1};
  std::shared_ptr<const Session> session = attach();
};

}  // namespace wardlink::storage::test

/// All stores keep the contract that the suite says.
#define WARDLINK_FOR_ALL_STORES(Suite)                                                    \
  INSTANTIATE_TEST_SUITE_P(All, Suite, testing::Values("postgres", "memory", "scripted"), \
                           wardlink::storage::test::name_of)
