#pragma once
// The clocks of starts: what is known of them, and which records are nobody's because of it. In the caller's
// transaction. Throws what pqxx throws.

#include <map>
#include <pqxx/pqxx>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "storage/rules/clock.hpp"

namespace wardlink::storage::postgres {

struct StartKey {
  std::int64_t device_id = 0;
  std::uint64_t boot = 0;
  auto operator<=>(const StartKey&) const = default;
};

/// A start's exchange, taken in.
struct StartExchange {
  StartKey start;
  ClockExchange exchange;
};

/// As they were found.
std::vector<CalendarStep> read_calendar_steps(pqxx::work& tx);

/// From which tick on ticks count from which anchor: by tick. A start that is not there has never been moved.
using Moves = std::map<StartKey, std::vector<std::pair<std::uint64_t, Instant>>>;
Moves read_moves(pqxx::work& tx, std::span<const StartKey> starts);

/// A condition on the exchange x: it moves its start. One where the clock was not read is refuted by one that was read
/// since and had not come so far.
std::string is_move(const std::string& x);
/// Columns of the exchange x: tick, uncertainty, anchor, from which tick on, whether its calendar is guessed, that, at
/// which tick it was read.
std::string exchange_columns(const std::string& x);
ClockExchange read_exchange(const pqxx::row& row, pqxx::row::size_type first);

/// Ticks of a start, from low to high.
struct StartTicks {
  StartKey start;
  std::uint64_t low = 0, high = 0;
};
/// What is known of these ticks: the exchanges about them.
std::map<StartKey, ClockLine> read_lines(pqxx::work& tx, std::span<const StartTicks> ticks);

/// Keeps these. Their devices are locked.
void keep_exchanges(pqxx::work& tx, std::span<const StartExchange> exchanges);

/// Says anew what of these starts is nobody's. Their devices are locked.
void renew_doubts(pqxx::work& tx, std::span<const StartKey> starts);
/// From when on it changes whose is what, where who wore a device at `at` does: before that where the calendar was set
/// back.
Instant first_changed(pqxx::work& tx, Instant at);
/// The same of all starts of these devices that ran at `since` or later.
void renew_doubts(pqxx::work& tx, std::span<const std::int64_t> devices, Instant since);

/// Keeps which of these inserted records claimed to be measured after their reception, and whose they are. Their
/// devices are locked.
void keep_jumped(pqxx::work& tx, std::span<const Record* const> records);

/// A condition on the doubts q: those that hold the record `x`. `at` and `tick` are its instant and tick:
/// x.measured_at, x.tick_ms; what storage raised itself is as certain as the calendar. Without a tick, of whatever
/// anchor: that may say it of a record too many.
std::string doubts_about(const std::string& x, const std::string& at, const std::string& tick = "");
/// EXISTS one of these.
std::string in_doubt(const std::string& x, const std::string& at, const std::string& tick = "");
/// Of a record in doubt: the patient (uuid) whose it is as people settled it. NULL: nobody's.
std::string settled_patient(const std::string& x, const std::string& at, const std::string& tick = "");
/// JOIN: q.stands NULL where the record is not in doubt; false where that is settled, as q.patient_id's (NULL: nobody
/// wore the device); true where it is nobody's, with q.wards, which see it (NULL: all).
std::string doubt_of(const std::string& x, const std::string& at, const std::string& tick);
/// JOIN behind that: the assignment a and the patient p whose the record is.
std::string wearer_of(const std::string& x, const std::string& at);
/// A condition: a subject of that scope, a parameter ($1), sees what is the patient p's, or in the doubt q.
std::string seen_by(const std::string& scope);

}  // namespace wardlink::storage::postgres
