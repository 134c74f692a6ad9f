#include "oracle.hpp"

#include <algorithm>

namespace wardlink::simulation {
namespace {

std::string name(const std::string& urn, Key key) {
  return urn + " boot " + std::to_string(key.first) + " alarm " + std::to_string(key.second);
}

bool equal(const SequencedAlarm& booked, const storage::AlarmFact& stored) {
  return static_cast<int>(booked.event) == static_cast<int>(stored.event) && booked.alarm.code == stored.code &&
         static_cast<int>(booked.alarm.priority) == static_cast<int>(stored.priority) &&
         booked.alarm.value == stored.value && booked.onset_sequence == stored.onset_sequence;
}

bool equal(const SequencedSet& booked, const storage::MeasurementSet& stored) {
  if (booked.readings.size() != stored.signs.size()) return false;
  for (std::size_t i = 0; i < booked.readings.size(); ++i)
    if (booked.readings[i].sign != stored.signs[i] || booked.readings[i].value != stored.values[i]) return false;
  return true;
}

}  // namespace

void Oracle::violated(const char* invariant, const std::string& what) {
  constexpr std::size_t most = 10;
  if (violations_.size() >= most) return;
  const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now().time_since_epoch());
  violations_.push_back(std::string(invariant) + " at " + std::to_string(at.count()) + " ms: " + what);
}

/// I1, while it runs: no ACK before its commit.
void Oracle::watch(Wearable& device) {
  device.book().on_acknowledged = [this, &device](Key key) {
    if (!database_.has_alarm(device.urn(), key.first, key.second))
      violated("I1", "acknowledged before it is stored: " + name(device.urn(), key));
  };
}

void Oracle::conclude(const std::vector<std::unique_ptr<Wearable>>& devices, const Ingest&) {
  std::map<std::string, const Wearable*> by_urn;
  for (const auto& device : devices) {
    by_urn[device->urn()] = device.get();
    check_alarms(*device);
  }
  check_rows(by_urn);
}

void Oracle::check_alarms(const Wearable& device) {
  for (const auto& [key, alarm] : device.book().alarms) {
    ++alarms_;
    const bool stored = database_.has_alarm(device.urn(), key.first, key.second);
    if (stored) continue;
    if (alarm.acknowledged) violated("I1", "acknowledged and not stored: " + name(device.urn(), key));
    if (alarm.promised || alarm.durable)
      violated("I5", "on the disk and not stored: " + name(device.urn(), key));
    else if (!alarm.excused)
      violated("I5", "owed and not stored: " + name(device.urn(), key));
  }
}

/// I4: each row is what that device generated. A row of somebody else's record has another content.
void Oracle::check_rows(const std::map<std::string, const Wearable*>& devices) {
  for (const auto& [key, row] : database_.rows) {
    const auto device = devices.find(row.device);
    const auto what = row.device + " boot " + std::to_string(row.boot) + " stream " +
                      std::to_string(static_cast<int>(row.stream)) + " record " + std::to_string(row.sequence);
    if (device == devices.end()) {
      violated("I4", "of no device: " + what);
      continue;
    }
    const Book& book = device->second->book();
    if (const auto* alarm = std::get_if<storage::AlarmFact>(&row.body)) {
      const auto at = book.alarms.find({row.boot, row.sequence});
      if (at == book.alarms.end() || !equal(at->second.record, *alarm) || at->second.record.tick_ms != row.tick_ms)
        violated("I4", "not as it was generated: " + what);
    } else if (const auto* set = std::get_if<storage::MeasurementSet>(&row.body)) {
      const auto boot = book.sets.find(row.boot);
      if (boot == book.sets.end() || row.sequence == 0 || row.sequence > boot->second.size() ||
          !equal(boot->second[row.sequence - 1], *set) || boot->second[row.sequence - 1].tick_ms != row.tick_ms)
        violated("I4", "not as it was generated: " + what);
    }
  }
  if (!database_.quarantine.empty()) violated("I1", "a record of ours is in quarantine");
}

}  // namespace wardlink::simulation
