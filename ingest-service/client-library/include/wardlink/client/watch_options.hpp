#pragma once
// What to watch, and how patiently.

#include <chrono>
#include <cstdint>
#include <string>

namespace wardlink::client {

struct WatchOptions {
  enum class Service : std::uint8_t {
    vitals,  // VitalsService.Watch: measurement sets, alarm events, who wears what
    alarms,  // AlarmService.Watch: the same without measurement sets
  };
  Service service = Service::vitals;
  std::string parent{};    // patients/{id}, devices/{urn} or wards/{id}; empty = all that one may see
  std::string cursor{};    // go on behind it; empty = the present state first, then what is committed from now on
  bool waveforms = false;  // vitals: waveform runs too

  // A first stream that fails is tried again like any other; false: its error ends the watch.
  bool waits_at_start = true;
  // A cursor that the database does not know (OUT_OF_RANGE: it is another one, or was restored) is given up and the
  // watch begins anew with the present state; false: that error ends the watch.
  bool begins_anew = true;

  // Nothing heard for so long is a loss. The server says something every 5 s at the latest.
  std::chrono::milliseconds silence{15'000};
  // Before a lost stream is tried again: the first pause, doubling with each try up to the longest, until there is a
  // new cursor, or the one that there was is given up. Each is cut by chance to between half of it and all of it, so
  // that many clients do not come at once.
  std::chrono::milliseconds first_pause{100};
  std::chrono::milliseconds longest_pause{5'000};
};

}  // namespace wardlink::client
