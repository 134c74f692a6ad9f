#pragma once
// How ingest's clock stands to storage's: stamps are asked for and answered on a stream, each known to lie within a
// round trip. Both clocks count sleep and are set by nobody, so what is told after a stamp stays right, whatever the
// calendars do.

#include <cstdint>
#include <optional>

#include "coap/instant.hpp"
#include "ingest/payload/record.hpp"

namespace wardlink::ingest {

/// Storage took it at `at`, or up to `uncertainty` before or after.
struct Stamp {
  std::uint64_t number = 0;
  coap::Instant at;
  coap::Duration uncertainty{};
};

/// Those of one stream. Not thread-safe.
class Stamps {
 public:
  struct Config {
    coap::Duration interval = std::chrono::seconds{10};
    /// While storage's calendar is not known.
    coap::Duration first_interval = std::chrono::seconds{1};
    /// What two clocks may drift apart, parts per million. By it a stamp that took a short way stays better than a
    /// newer one that took a long way, however old it is: one that waited for hours, as all did while the database was
    /// away, says nothing.
    std::int64_t drift_ppm = 200;
    /// The first stamp of a stream that takes longer comes never: storage is too old to know them, or hangs.
    coap::Duration patience = std::chrono::seconds{10};
  };

  explicit Stamps(const Config& config) : config_(config) {}

  /// The number of the stamp that is to be asked for now; one at a time.
  std::optional<std::uint64_t> ask(coap::Instant now);
  /// The first stamp of this stream is overdue: once a stream.
  bool take_overdue(coap::Instant now);
  /// When ask() or take_overdue() may have something.
  std::optional<coap::Instant> next_deadline() const;
  /// False: that number was not asked for.
  bool answered(std::uint64_t number, std::optional<WallTime> calendar, coap::Instant now);
  /// The stream is lost. On the next one the numbers begin again.
  void restart();

  /// What instants are told after. Empty: there is none on this stream yet.
  const std::optional<Stamp>& best() const { return best_; }
  /// Storage's calendar, as the last good stamp that bore it says, whichever stream brought it. Empty: none has.
  std::optional<WallTime> calendar(coap::Instant now) const;

 private:
  struct Told {
    WallTime calendar;
    coap::Instant at;
  };
  bool is_better(const Stamp& stamp) const;

  Config config_;
  std::uint64_t last_ = 0;
  std::optional<coap::Instant> asked_;        // when the last one was, while it is not answered
  coap::Instant due_ = coap::Instant::min();  // the next one, where none is on its way
  std::optional<Stamp> best_;
  bool told_overdue_ = false;
  std::optional<Told> told_;
};

}  // namespace wardlink::ingest
