#include "wearers.hpp"

#include <algorithm>

#include "storage/port/store_error.hpp"

namespace wardlink::simulation {
namespace {

/// Few, so that a handover often goes to somebody who wears another device already, and devices go back and forth.
constexpr std::size_t patient_count = 5;

}  // namespace

Wearers::Wearers(Clock& clock, Chance chance, Sometimes& sometimes, Database& database)
    : clock_(clock), chance_(chance), sometimes_(sometimes), database_(database) {}

void Wearers::begin(const std::vector<std::string>& devices) {
  for (std::size_t i = 0; i < patient_count; ++i) {
    RegistryCall call{RegistryCall::Kind::create_patient, "", "patient " + std::to_string(i), calendar(clock_.now())};
    call.ward = wards[i % wards.size()];
    patients_.push_back(database_.make(call).patient);
    wards_[patients_.back()] = call.ward;
  }
  for (const auto& device : devices) {
    database_.make({RegistryCall::Kind::create_device, device, "", calendar(clock_.now())});
    put_on(device, clock_.now());
  }
}

storage::Instant Wearers::calendar(coap::Instant at) const { return database_.calendar().now() - (clock_.now() - at); }

void Wearers::write(RegistryCall call) {
  for (const auto& row : database_.make(std::move(call)).assignments) {
    if (row.held_from == row.held_until)
      written_[row.device].erase(row.held_from);
    else
      written_[row.device][row.held_from] = {row.patient, row.held_until, clock_.now()};
  }
}

bool Wearers::is_written_worn(const std::string& device, storage::Instant at) const {
  const auto wearers = during(device, at, at);
  return wearers.size() == 1 && wearers.front() != "";
}

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
  note_order(device, at);
  if (is_written_worn(device, calendar(at))) write({RegistryCall::Kind::release, device, "", calendar(at)});
  if (!last.until) end(device, at);
  put_on(device, at);
}

void Wearers::take_off(const std::string& device) {
  if (away()) return clock_.in(1s, [this, device] { take_off(device); });
  const auto last = periods_[device].back();
  if (last.until) return;
  sometimes_.happened("nobody wore a device");
  const auto now = calendar(clock_.now());
  for (const auto& [each, periods] : periods_)
    if (each == device || periods.back().patient == last.patient) note_order(each, clock_.now());
  if (chance_.happens(0.8)) {
    if (is_written_worn(device, now)) write({RegistryCall::Kind::release, device, "", now});
    end(device, clock_.now());
    if (chance_.happens(0.5)) undo(device, now);
    return;
  }
  try {
    write({RegistryCall::Kind::discharge, "", last.patient, now});
    sometimes_.happened("a patient was discharged");
  } catch (const storage::StoreError&) {
    sometimes_.happened("a discharge was refused: by the calendar something was put on later");
    if (is_written_worn(device, now)) write({RegistryCall::Kind::release, device, "", now});
    return end(device, clock_.now());
  }
  for (const auto& [each, periods] : periods_)
    if (!periods.back().until && periods.back().patient == last.patient) end(each, clock_.now());
}

/// It was not taken off after all, as somebody finds a while later.
void Wearers::undo(const std::string& device, storage::Instant released) {
  clock_.in(chance_.between(coap::Duration{1s}, coap::Duration{90s}),
            [this, device, released, at = *periods_[device].back().until] {
              auto& last = periods_[device].back();
              if (database_.faults.away || last.until != at || database_.calendar().was_set(at, clock_.now())) return;
              if (is_written_worn(device, released)) return;
              write({RegistryCall::Kind::assign, device, last.patient, released});
              last.until.reset();
              sometimes_.happened("a release was undone");
            });
}

std::optional<std::string> Wearers::now(const std::string& device) const {
  const auto shown = database_.calendar().now();
  const auto wearers = during(device, shown, shown);
  if (confused_.contains(device) || wearers.size() != 1 || wearers.front() == "") return std::nullopt;
  return std::string(wearers.front());
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
  write({RegistryCall::Kind::assign, device, patients_[next], calendar(at)});
  periods.push_back({patients_[next], at, {}});
}

/// Of what is about to be written down.
void Wearers::note_order(const std::string& device, coap::Instant at) {
  const auto& written = written_[device];
  const bool is_last =
      written.empty() || written.rbegin()->second.until.value_or(written.rbegin()->first) <= calendar(at);
  if (!is_last || database_.calendar().was_set(at, clock_.now())) confused_.insert(device);
}

bool Wearers::changed(const std::string& device, storage::Instant low, storage::Instant high, coap::Instant at) const {
  const auto holds = [&](storage::Instant change) { return low <= change && change <= high; };
  return std::ranges::any_of(written_.at(device), [&](const auto& each) {
    const auto& [from, worn] = each;
    return worn.at < at && (holds(from) || (worn.until && holds(*worn.until)));
  });
}

std::optional<std::vector<std::string_view>> Wearers::truly(const std::string& device, coap::Instant first,
                                                            coap::Instant last) const {
  std::vector<std::string_view> found;
  const auto& periods = periods_.at(device);
  if (confused_.contains(device)) return std::nullopt;
  auto unknown = first;  // from then on
  for (const auto& period : periods) {
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

std::vector<std::string_view> Wearers::during(const std::string& device, storage::Instant first,
                                              storage::Instant last) const {
  std::vector<std::string_view> found;
  const auto written = written_.find(device);
  auto unknown = first;  // from then on
  if (written != written_.end())
    for (const auto& [from, worn] : written->second) {
      if (worn.until && *worn.until <= unknown) continue;
      if (from > last) break;
      if (from > unknown) found.emplace_back();
      found.push_back(worn.patient);
      if (!worn.until) return found;
      unknown = *worn.until;
    }
  if (unknown <= last) found.emplace_back();
  return found;
}

}  // namespace wardlink::simulation
