#pragma once
// A store in memory: gone with the object. The same calls make the same rows: it has no clock and no chance of its own.

#include <functional>
#include <memory>
#include <optional>

#include "storage/memory/bell.hpp"
#include "storage/memory/stored_rows.hpp"
#include "storage/port/access_store.hpp"
#include "storage/port/live_store.hpp"
#include "storage/port/record_store.hpp"
#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

namespace memory {
struct Tables;
}

/// Any thread; one call after the other. Bounded by memory only. Throws StoreError as the ports say, but never `away`.
class MemoryStore final : public RecordStore, public RegistryStore, public AccessStore, public LiveStore {
 public:
  struct Config {
    std::function<Instant()> now;         // called under a lock
    std::function<std::string()> new_id;  // a uuid that was not there before: of a patient, and of this store's epoch
  };

  explicit MemoryStore(Config config);
  ~MemoryStore() override;

  /// All rows, as of now.
  StoredRows rows() const;
  /// What the device itself said last of a sign. Empty: nothing yet.
  std::optional<StoredLatest> shown(std::int64_t device_id, std::uint16_t sign) const;
  /// All that was audited, oldest first.
  std::vector<AuditFact> audited() const;

  std::unique_ptr<RecordWriter> open_writer() override;
  Page<LatestRow, std::int64_t> latest(const Scope& scope, const Subject& subject, std::int64_t after = 0,
                                       std::size_t limit = 1000) override;
  Page<ReadingRow> readings(const ReadingsQuery& query) override;
  Page<AlarmCondition> alarms(const AlarmsQuery& query) override;
  Page<QuarantineRow> quarantine(const QuarantineQuery& query) override;
  std::vector<SystemAlarm> system_alarms(const SystemAlarmsQuery& query) override;
  CalendarSight look_at_calendar(const std::string& host, const ReadBootClock& clock) override;
  Page<AggregateRow, std::uint64_t> aggregates(const AggregatesQuery& query) override;
  std::vector<AlarmCondition> acknowledge(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                          const std::string& by) override;
  std::vector<AlarmCondition> close(const Scope& scope, const std::vector<AlarmKey>& alarms, const std::string& by,
                                    const std::string& reason) override;
  Page<UnattributedPeriod> unattributed(const UnattributedQuery& query) override;
  std::vector<UnattributedPeriod> settle(const Scope& scope, const std::vector<PeriodKey>& periods,
                                         const std::string& patient, const std::string& by) override;
  std::vector<RunRow> runs(const RunsQuery& query) override;
  std::optional<Instant> end_of_runs(const RunsQuery& query) override;

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
  const std::unique_ptr<memory::Tables> tables_;
  memory::Bell bell_;
  const std::string epoch_;
};

}  // namespace wardlink::storage
