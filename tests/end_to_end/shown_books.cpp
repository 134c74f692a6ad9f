#include "shown_books.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>
#include <set>
#include <tuple>

#include "wardlink/clock.hpp"

namespace wardlink::testing {
namespace {

using std::chrono::microseconds;

/// A tick is cut off to whole milliseconds.
constexpr microseconds tick_length{1000};
/// Storage looks at the calendar with each write; about a step either calendar may be what it dated by.
constexpr std::uint64_t about_a_step_ms = 2000;
constexpr microseconds near_a_handover{4'000'000}, well_known{2'000'000};

struct Key {
  std::uint64_t boot = 0;
  int stream = 0;
  std::uint64_t sequence = 0;
  auto operator<=>(const Key&) const = default;
};

std::string to_string(const Key& key) {
  return "boot " + std::to_string(key.boot) + " stream " + std::to_string(key.stream) + " record " +
         std::to_string(key.sequence);
}

struct Booked {
  std::uint64_t tick_ms = 0;
  std::optional<std::uint64_t> end_tick_ms;  // of an alarm
};

/// As people are shown it.
struct Shown {
  Booked ticks;
  std::set<std::string> patients;  // in whose list it is
  std::int64_t measured_us = 0;
  std::optional<microseconds> uncertainty;
};

using Book = std::map<Key, Booked>;
using ShownRecords = std::map<Key, Shown>;

std::int64_t micros(const google::protobuf::Timestamp& at) { return at.seconds() * 1'000'000 + at.nanos() / 1000; }
microseconds micros(const google::protobuf::Duration& span) {
  return microseconds{span.seconds() * 1'000'000 + span.nanos() / 1000};
}

Book read_book(const std::string& file) {
  Book book;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    const auto type = entry.value("type", "");
    if (type == "set") {
      book[{entry.at("boot"), v1::STREAM_VITALS, entry.at("seq")}].tick_ms = entry.at("tk");
    } else if (type == "alarm" && entry.at("event") == "raised") {
      book[{entry.at("boot"), v1::STREAM_ALARMS, entry.at("seq")}].tick_ms = entry.at("tk");
    } else if (type == "alarm") {
      book[{entry.at("boot"), v1::STREAM_ALARMS, entry.at("onset_seq")}].end_tick_ms = entry.at("tk");
    }
  }
  return book;
}

/// devices/{urn}/alarms/{boot}-{stream}-{sequence}
Key key_of(const v1::Alarm& alarm) {
  Key key;
  const auto at = alarm.name().rfind('/') + 1;
  std::sscanf(alarm.name().c_str() + at, "%lu-%d-%lu", &key.boot, &key.stream, &key.sequence);
  return key;
}

template <typename Message>
std::optional<microseconds> uncertainty_of(const Message& message) {
  if (!message.has_uncertainty()) return std::nullopt;
  return micros(message.uncertainty());
}

/// By device, "devices/…".
std::map<std::string, ShownRecords> read_shown(const Stack& stack, const Truth& truth) {
  std::map<std::string, ShownRecords> all;
  const auto add = [&](const v1::MeasurementSet& set, const std::string& patient) {
    auto& shown = all[set.device()][{set.boot(), set.stream(), set.sequence()}];
    shown.ticks.tick_ms = set.tick_ms();
    shown.measured_us = micros(set.measured_at());
    shown.uncertainty = uncertainty_of(set);
    if (!patient.empty()) shown.patients.insert(patient);
  };
  std::set<std::string> patients;
  for (const auto& device : truth.devices) {
    for (const auto& set : stack.readings(device.name)) add(set, "");
    for (const auto& handover : device.handovers) patients.insert(handover.to);
  }
  for (const auto& patient : patients)
    for (const auto& set : stack.readings(patient)) add(set, patient);
  for (const auto& alarm : stack.alarms("")) {
    if (!alarm.has_start_time() || !alarm.origin().empty()) continue;
    Shown shown{{alarm.start_tick_ms(), {}}, {}, micros(alarm.start_time()), uncertainty_of(alarm)};
    if (alarm.end_cause() == v1::ALARM_END_CAUSE_DEVICE) shown.ticks.end_tick_ms = alarm.end_tick_ms();
    if (!alarm.patient().empty()) shown.patients.insert(alarm.patient());
    all[alarm.device()][key_of(alarm)] = std::move(shown);
  }
  return all;
}

/// One device's.
class Comparison {
 public:
  Comparison(const Truth& truth, const WornDevice& device, ShownBooks& books)
      : truth_(truth), device_(device), books_(books) {}

  void check(const Key& key, const Shown& shown, const Booked& booked) {
    key_ = key;
    if (shown.ticks.tick_ms != booked.tick_ms) return wrong("has another tick than was written down");
    if (shown.ticks.end_tick_ms != booked.end_tick_ms) return wrong("has another end than was written down");
    const auto moment = booked.tick_ms + (booked.tick_ms > truth_.stood_from ? truth_.stood_ms : 0);
    if (!shown.uncertainty) return wrong("was never dated");
    if (*shown.uncertainty > well_known) ++books_.uncertain;
    books_.widest = std::max(books_.widest, *shown.uncertainty);
    check_instant(shown, moment);
    check_wearer(shown, moment);
  }
  void wrong(const Key& key, const std::string& what) {
    books_.wrong.push_back(device_.name + " " + to_string(key) + " " + what);
  }

 private:
  void wrong(const std::string& what) { wrong(key_, what); }

  std::vector<const CalendarEra*> eras_at(std::uint64_t moment) const {
    std::vector<const CalendarEra*> possible;
    for (std::size_t i = 0; i < truth_.eras.size(); ++i) {
      const bool begun = i == 0 || truth_.eras[i].from.first <= moment + about_a_step_ms;
      const bool over = i + 1 < truth_.eras.size() && truth_.eras[i + 1].from.last + about_a_step_ms < moment;
      if (begun && !over) possible.push_back(&truth_.eras[i]);
    }
    return possible;
  }

  static std::int64_t calendar_us(const CalendarEra& era, std::uint64_t moment) {
    return static_cast<std::int64_t>(moment) * 1000 + era.ahead.count();
  }

  void check_instant(const Shown& shown, std::uint64_t moment) {
    auto least = std::int64_t{1} << 62;
    for (const auto* era : eras_at(moment)) {
      const auto off = std::abs(shown.measured_us - calendar_us(*era, moment)) - (era->off + tick_length).count();
      least = std::min(least, off);
    }
    if (least > shown.uncertainty->count())
      wrong("is dated wrong by " + std::to_string(least) + " us, said to be known to " +
            std::to_string(shown.uncertainty->count()) + " us");
  }

  void check_wearer(const Shown& shown, std::uint64_t moment) {
    if (shown.patients.size() > 1) return wrong("is shown as two patients'");
    std::set<std::string> wore;
    for (std::size_t i = 0; i < device_.handovers.size(); ++i) {
      const bool over = i + 1 < device_.handovers.size() && device_.handovers[i + 1].at.last < moment;
      if (device_.handovers[i].at.first <= moment && !over) wore.insert(device_.handovers[i].to);
    }
    const auto shown_as = shown.patients.empty() ? "" : *shown.patients.begin();
    if (shown_as.empty()) ++books_.nobodys;
    if (wore.contains(shown_as) || (shown_as.empty() && !is_surely_somebodys(shown))) return;
    if (may_mean_either(shown) && (shown_as.empty() || is_written_out_of_order())) return void(++books_.either);
    wrong("of moment " + std::to_string(moment) + ", dated " + std::to_string(shown.measured_us) + " us, known to " +
          std::to_string(shown.uncertainty->count()) + " us, is " +
          (shown_as.empty() ? "nobody's" : "shown as another patient's: " + shown_as) + "; handed over" + handovers());
  }

  std::string handovers() const {
    std::string text;
    for (const auto& each : device_.handovers)
      text += " at " + std::to_string(each.at.first) + " to " + std::to_string(each.at.last) + " to " + each.to;
    return text;
  }

  /// Of what lies about a step no more than this counts.
  static std::int64_t known(const Shown& shown) {
    return std::min(*shown.uncertainty, microseconds{1'000'000}).count();
  }

  /// A handover came after one of which the calendar showed more: people put that right.
  bool is_written_out_of_order() const {
    std::int64_t latest = 0;
    for (const auto& handover : device_.handovers)
      for (const auto* era : eras_at(handover.at.first)) {
        const auto written = calendar_us(*era, handover.at.first);
        if (written <= latest) return true;
        latest = std::max(latest, written);
      }
    return false;
  }

  /// The calendar was set back over it: it is nobody's where the device was handed over at some instant that came twice.
  bool may_mean_either(const Shown& shown) const {
    for (std::size_t i = 1; i < truth_.eras.size(); ++i) {
      const auto &before = truth_.eras[i - 1], &after = truth_.eras[i];
      if (before.ahead < after.ahead) continue;
      const auto around = (before.off + after.off + tick_length).count() + known(shown);
      if (calendar_us(after, after.from.first) - around <= shown.measured_us &&
          shown.measured_us <= calendar_us(before, after.from.last) + around)
        return true;
    }
    return false;
  }

  bool is_surely_somebodys(const Shown& shown) const {
    return std::ranges::none_of(device_.handovers, [&](const Handover& handover) {
      return std::ranges::any_of(eras_at(handover.at.last), [&](const CalendarEra* era) {
        const auto around = *shown.uncertainty + near_a_handover + era->off;
        return calendar_us(*era, handover.at.first) - around.count() <= shown.measured_us &&
               shown.measured_us <= calendar_us(*era, handover.at.last) + around.count();
      });
    });
  }

  const Truth& truth_;
  const WornDevice& device_;
  ShownBooks& books_;
  Key key_;
};

}  // namespace

CalendarEra read_calendar(const Stack& stack, Asked set) {
  pqxx::connection connection(stack.database());
  pqxx::work work(connection);
  CalendarEra era{set, {}, microseconds::max()};
  for (int i = 0; i < 5; ++i) {
    const auto before = host_tick();
    const auto shown =
        work.exec1("SELECT floor(extract(epoch FROM calendar()) * 1000000)::bigint")[0].as<std::int64_t>();
    const auto after = host_tick() + 1;
    const microseconds off{(after - before) * 500};
    if (off >= era.off) continue;
    era.off = off;
    era.ahead = microseconds{shown - static_cast<std::int64_t>(before + after) * 500};
  }
  return era;
}

ShownBooks compare_shown(const Stack& stack, const std::string& folder, const Truth& truth) {
  const auto shown = read_shown(stack, truth);
  ShownBooks books;
  books.quarantined = std::stoul(stack.sql("SELECT count(*) FROM quarantine"));
  std::size_t missing = 0;
  for (const auto& device : truth.devices) {
    const auto at = shown.find(device.name);
    const auto records = at == shown.end() ? ShownRecords{} : at->second;
    Comparison comparison(truth, device, books);
    for (const auto& [key, booked] : read_book(folder + "/" + device.label + ".jsonl")) {
      const bool is_set = key.stream == v1::STREAM_VITALS;
      ++(is_set ? books.sets : books.alarms);
      const auto record = records.find(key);
      if (record != records.end()) {
        books.sets_shown += is_set ? 1 : 0;
        comparison.check(key, record->second, booked);
      } else if (!is_set && ++missing > books.quarantined) {
        comparison.wrong(key, "is listed nowhere");
      }
    }
  }
  return books;
}

std::ostream& operator<<(std::ostream& out, const ShownBooks& books) {
  out << "sets written down " << books.sets << ", shown " << books.sets_shown << "; alarms " << books.alarms
      << "; nobody's " << books.nobodys << ", either's " << books.either << ", quarantined " << books.quarantined
      << ", uncertain " << books.uncertain << ", widest uncertainty " << books.widest.count() / 1000 << " ms, wrong "
      << books.wrong.size();
  constexpr std::size_t most = 20;
  for (std::size_t i = 0; i < std::min(most, books.wrong.size()); ++i) out << "\n  " << books.wrong[i];
  return out;
}

}  // namespace wardlink::testing
