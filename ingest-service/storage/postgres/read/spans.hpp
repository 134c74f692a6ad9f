#pragma once
// Where a question's records lie: whose device when, and on which days. A statement opens the days of one window only;
// one over all days would lock, and search, every partition that there is.

#include <optional>
#include <pqxx/pqxx>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/port/record_store.hpp"
#include "storage/postgres/link/text.hpp"

namespace wardlink::storage::postgres {

constexpr Instant earliest{std::chrono::sys_days{std::chrono::year{1} / 1 / 1}};
constexpr Instant newest{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + std::chrono::days{1} -
                         std::chrono::microseconds{1}};

constexpr std::chrono::days longest_window{31};  // opens at most 32 daily partitions and the default one
constexpr int windows_a_call = 8;

/// [from, until) of measured_at.
struct Window {
  Instant from, until;
};

/// What a device measured in these spans of time is the subject's, and the caller's to see.
class Spans {
 public:
  enum class Order { oldest_first, newest_first };
  /// Those that touch the window: of a patient or a ward's viewer one for each assignment, and one for each settlement
  /// beside these, the first 200 in that order.
  /// until() says how far the oldest reach.
  Spans(pqxx::work& tx, const Scope& scope, const Subject& subject, Window window, Order order = Order::oldest_first);

  struct Span {
    std::int64_t device_id = 0;
    Instant from, until;
  };
  /// These, whosever they are.
  explicit Spans(std::span<const Span> spans);

  bool empty() const { return size_ == 0; }
  /// [earliest, this) of what was asked for is covered.
  Instant until() const { return until_; }
  /// From the first day of `within` on that holds a record of one of these streams: $n::smallint[]. Nothing: no day
  /// does. As long as `longest`.
  std::optional<Window> next_window(pqxx::work& tx, std::string_view streams, Window within,
                                    std::chrono::microseconds longest = longest_window) const;
  /// The last day of `within` that does.
  std::optional<Window> last_day(pqxx::work& tx, std::string_view streams, Window within) const;

  /// The parameters of from_spans.
  std::string devices() const { return devices_.text(); }
  std::string since() const { return since_.text(); }
  std::string ends() const { return ends_.text(); }
  std::string patients() const { return patients_.text(); }
  std::string boots() const { return boots_.text(); }

 private:
  void add(const Span& span, const std::string& patient, const std::optional<std::uint64_t>& boot);

  std::size_t size_ = 0;
  Instant until_;
  ArrayText devices_, since_, ends_, patients_, boots_;
};

/// FROM unnest() of a Spans' five arrays as $1 to $5. patient_id: whose the records are to be, NULL: whoever's.
/// boot_id: of that start, where people settled that they are the patient's, who did not wear the device then; NULL:
/// any start's.
constexpr std::string_view from_spans =
    " FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::uuid[], $5::bigint[])"
    " k(device_id, since, until, patient_id, boot_id)";
/// A condition: the record x, with an instant and a tick, which lies in the span k, is of it.
std::string of_span();

/// One snapshot for a transaction's statements, which are not worth more than one process.
void begin_reading(pqxx::work& tx);
/// The same for statements that want the first rows of an index's order: the planner, who may think that there are few,
/// must not read all of them and sort.
void begin_walking(pqxx::work& tx);

}  // namespace wardlink::storage::postgres
