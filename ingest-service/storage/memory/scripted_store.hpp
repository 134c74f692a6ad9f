#pragma once
// A RecordStore whose writers fail as a script says. Reads, and what people do, are the decorated store's.

#include "storage/memory/scripted_writer.hpp"

namespace wardlink::storage {

/// Decorates any store, which must outlive it. As thread-safe as the store and the script.
class ScriptedStore final : public RecordStore {
 public:
  ScriptedStore(RecordStore& inner, CommitScript script) : inner_(inner), script_(std::move(script)) {}

  std::unique_ptr<RecordWriter> open_writer() override {
    return std::make_unique<ScriptedWriter>(inner_.open_writer(), script_);
  }
  Page<LatestRow, std::int64_t> latest(const Scope& scope, const Subject& subject, std::int64_t after,
                                       std::size_t limit) override {
    return inner_.latest(scope, subject, after, limit);
  }
  Page<ReadingRow> readings(const ReadingsQuery& query) override { return inner_.readings(query); }
  Page<AlarmCondition> alarms(const AlarmsQuery& query) override { return inner_.alarms(query); }
  Page<QuarantineRow> quarantine(const QuarantineQuery& query) override { return inner_.quarantine(query); }
  std::vector<SystemAlarm> system_alarms(const SystemAlarmsQuery& query) override {
    return inner_.system_alarms(query);
  }
  CalendarSight look_at_calendar(const std::string& host, const ReadBootClock& clock) override {
    return inner_.look_at_calendar(host, clock);
  }
  Page<AggregateRow, std::uint64_t> aggregates(const AggregatesQuery& query) override {
    return inner_.aggregates(query);
  }
  std::vector<AlarmCondition> acknowledge(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                          const std::string& by) override {
    return inner_.acknowledge(scope, alarms, by);
  }
  std::vector<AlarmCondition> close(const Scope& scope, const std::vector<AlarmKey>& alarms, const std::string& by,
                                    const std::string& reason) override {
    return inner_.close(scope, alarms, by, reason);
  }
  Page<UnattributedPeriod> unattributed(const UnattributedQuery& query) override { return inner_.unattributed(query); }
  std::vector<UnattributedPeriod> settle(const Scope& scope, const std::vector<PeriodKey>& periods,
                                         const std::string& patient, const std::string& by) override {
    return inner_.settle(scope, periods, patient, by);
  }
  std::vector<RunRow> runs(const RunsQuery& query) override { return inner_.runs(query); }
  std::optional<Instant> end_of_runs(const RunsQuery& query) override { return inner_.end_of_runs(query); }

 private:
  RecordStore& inner_;
  const CommitScript script_;
};

}  // namespace wardlink::storage
