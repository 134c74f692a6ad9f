#include "wearers.hpp"

#include <algorithm>

namespace wardlink::simulation {
namespace {

/// Few, so that a handover often goes to somebody who wears another device already, and devices go back and forth.
constexpr std::size_t patient_count = 5;

}  // namespace

Wearers::Wearers(Clock& clock, Chance chance, Sometimes& sometimes, Database& database)
    : clock_(clock), chance_(chance), sometimes_(sometimes), database_(database) {}

void Wearers::begin(const std::vector<std::string>& devices) {
  for (std::size_t i = 0; i < patient_count; ++i)
    patients_.push_back(
        database_.make({RegistryCall::Kind::create_patient, "", "patient " + std::to_string(i), database_.calendar()}));
  for (const auto& device : devices) {
    database_.make({RegistryCall::Kind::create_device, device, "", database_.calendar()});
    put_on(device, clock_.now());
  }
}

storage::Instant Wearers::calendar(coap::Instant at) const { return database_.calendar() - (clock_.now() - at); }

bool Wearers::away() {
  if (!database_.faults.away) return false;
  sometimes_.happened("a handover waited for the database");
  return true;
}

void Wearers::hand_over(const std::string& device, coap::Duration ago) {
  if (away())
    return clock_.in(1s, [this, device, ago] { hand_over(device, ago + coap::Duration{ago > 0s ? 1s : 0s}); });
  const auto& last = periods_[device].back();
  const auto at = std::max(clock_.now() - ago, last.until.value_or(last.from));
  if (at < clock_.now()) sometimes_.happened("a handover was written down late");
  if (!last.until) {
    database_.make({RegistryCall::Kind::release, device, "", calendar(at)});
    end(device, at);
  }
  put_on(device, at);
}

void Wearers::take_off(const std::string& device) {
  if (away()) return clock_.in(1s, [this, device] { take_off(device); });
  const auto last = periods_[device].back();
  if (last.until) return;
  sometimes_.happened("nobody wore a device");
  if (chance_.happens(0.8)) {
    database_.make({RegistryCall::Kind::release, device, "", database_.calendar()});
    return end(device, clock_.now());
  }
  sometimes_.happened("a patient was discharged");
  database_.make({RegistryCall::Kind::discharge, "", last.patient, database_.calendar()});
  for (const auto& [each, periods] : periods_)
    if (!periods.back().until && periods.back().patient == last.patient) end(each, clock_.now());
}

/// At its very start: it never was.
void Wearers::end(const std::string& device, coap::Instant at) {
  auto& periods = periods_[device];
  periods.back().until = at;
}

/// On anybody but who wore it last.
void Wearers::put_on(const std::string& device, coap::Instant at) {
  auto& periods = periods_[device];
  auto next = chance_.below(patients_.size() - (periods.empty() ? 0 : 1));
  if (!periods.empty() && patients_[next] == periods.back().patient) next = patients_.size() - 1;
  database_.make({RegistryCall::Kind::assign, device, patients_[next], calendar(at)});
  periods.push_back({patients_[next], at, {}});
}

std::vector<std::string_view> Wearers::during(const std::string& device, coap::Instant first,
                                              coap::Instant last) const {
  std::vector<std::string_view> found;
  const auto& periods = periods_.at(device);
  auto unknown = first;  // from then on
  for (const Period& period : periods) {
    if (period.until && *period.until <= unknown) continue;
    if (period.from > last) break;
    if (period.from > unknown) found.emplace_back();
    found.push_back(period.patient);
    if (!period.until) return found;
    unknown = *period.until;
  }
  if (unknown <= last) found.emplace_back();
  return found;
}

}  // namespace wardlink::simulation
