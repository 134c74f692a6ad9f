#pragma once
// What must hold, whatever fails (docs/testing.md names I1 to I6): judged by the devices' books and the database alone,
// and by counters only where an invariant is about counters.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "clock.hpp"
#include "ingest.hpp"
#include "store.hpp"
#include "wearable.hpp"

namespace wardlink::simulation {

class Oracle {
 public:
  Oracle(const Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  /// From now on each ACK of an alarm is compared with the database when it reaches the device.
  void watch(Wearable& device);
  /// The run is over, and the ward had time to heal.
  void conclude(const std::vector<std::unique_ptr<Wearable>>& devices, const Ingest& ingest);

  /// The first of them, each with its invariant, instant and record.
  const std::vector<std::string>& violations() const { return violations_; }
  /// Alarm records that were generated.
  std::uint64_t alarms() const { return alarms_; }

 private:
  void violated(const char* invariant, const std::string& what);
  void check_alarms(const Wearable& device);
  void check_rows(const std::map<std::string, const Wearable*>& devices);

  const Database& database_;
  const Clock& clock_;
  std::uint64_t alarms_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace wardlink::simulation
