#pragma once
// The stores' tenant: PostgreSQL. The only code that sees libpqxx and libpq lies behind this header, in postgres/.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "storage/port/access_store.hpp"
#include "storage/port/live_store.hpp"
#include "storage/port/record_store.hpp"
#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

class PostgresStore final : public RecordStore, public RegistryStore, public AccessStore, public LiveStore {
 public:
  struct Config {
    std::string connection;  // libpq connection string or URI: is_connection()
    /// Brings the schema up to date, makes partitions, begins an epoch after a restore. Without it the schema must be
    /// there already, and nothing is written but what callers ask for.
    bool keeps_schema = true;
    std::size_t max_readers = 8;   // connections for queries (and 4 for what comes first); a call waits 5 s for one
    int partition_days_back = 60;  // so old a session may be for attach() to make the partitions of its days
  };

  /// Whether libpq can read it as a connection string or URI. Nobody is connected to. Any thread.
  static bool is_connection(const std::string& text);

  /// Connects, refuses an unfit database (StoreUnfit), brings the schema up to date under a lock, makes the partitions
  /// of the days to come. StoreError::Kind::away while the database does not answer, or who keeps the schema has not
  /// brought it up to date.
  explicit PostgresStore(Config config);
  ~PostgresStore() override;

  /// To be called now and then (hourly will do): partitions for the days to come, fitness again.
  void maintain();
  /// Throws StoreError when the database is away, or takes no writes.
  void probe();
  /// To be called every few seconds, by the processes that take records: whether commits last. Where they may not, no
  /// record is said to be committed, the system alarm `durability` stands, and this throws StoreUnfit with the reason.
  void watch_durability();

  /// Numbers of a newer version that were read in this process: shown as unknown. Any thread.
  static std::uint64_t unknown_numbers();

  /// Records that this store's writers have committed, and that claimed to be measured after they were received.
  std::uint64_t clock_jumps() const;

  std::unique_ptr<RecordWriter> open_writer() override;
  Page<LatestRow, std::int64_t> latest(const Scope& scope, const Subject& subject, std::int64_t after = 0,
                                       std::size_t limit = 1000) override;
  Page<ReadingRow> readings(const ReadingsQuery& query) override;
  Page<AlarmCondition> alarms(const AlarmsQuery& query) override;
  Page<QuarantineRow> quarantine(const QuarantineQuery& query) override;
  std::vector<SystemAlarm> system_alarms(const SystemAlarmsQuery& query) override;
  CalendarSight look_at_calendar(const std::string& host, const ReadBootClock& clock) override;
  Page<UnattributedPeriod> unattributed(const UnattributedQuery& query) override;
  std::vector<UnattributedPeriod> settle(const Scope& scope, const std::vector<PeriodKey>& periods,
                                         const std::string& patient, const std::string& by) override;
  std::vector<RunRow> runs(const RunsQuery& query) override;
  std::optional<Instant> end_of_runs(const RunsQuery& query) override;
  Page<AggregateRow, std::uint64_t> aggregates(const AggregatesQuery& query) override;
  std::vector<AlarmCondition> acknowledge(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                          const std::string& by) override;
  std::vector<AlarmCondition> close(const Scope& scope, const std::vector<AlarmKey>& alarms, const std::string& by,
                                    const std::string& reason) override;

  std::string epoch() override;
  Horizon horizon() override;
  LivePage live(const LiveFilter& filter, const LivePosition& after, std::uint64_t until, std::size_t limit) override;
  PresentState present(const LiveFilter& filter) override;
  std::unique_ptr<CommitListener> listen() override;
  void wake() override;

  DeviceRow create_device(const std::string& urn) override;
  Page<DeviceRow, std::string> devices(const Scope& scope, const std::string& after, std::size_t limit) override;
  DeviceRow device(const Scope& scope, const std::string& urn) override;
  DeviceClock device_clock(const Scope& scope, const std::string& urn) override;
  Instant calendar() override;
  AssignmentRow assign(const Scope& scope, const std::string& device, const std::string& patient,
                       std::optional<Instant> from, const std::string& by) override;
  AssignmentRow release(const Scope& scope, const std::string& device, std::optional<Instant> until,
                        const std::string& by) override;
  PatientRow create_patient(const std::string& display_name, const std::vector<Identifier>& identifiers,
                            const std::string& ward) override;
  Page<PatientRow, std::string> patients(const Scope& scope, const std::string& after, std::size_t limit) override;
  PatientRow patient(const Scope& scope, const std::string& id) override;
  DischargeRow discharge(const Scope& scope, const std::string& patient, std::optional<Instant> at,
                         const std::string& by) override;

  void ensure_grants(const std::vector<Grant>& grants) override;
  std::vector<Grant> grants_of(const std::string& subject) override;
  std::string ward_of(const Subject& subject) override;
  void audit(const AuditFact& fact) override;

 private:
  /// Says anew whose is what about steps of the calendar, where nobody has yet.
  void settle_calendar_steps();

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wardlink::storage
