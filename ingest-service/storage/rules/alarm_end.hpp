#pragma once
// How an alarm ends that its device has not ended, and for whom it is raised anew.
//
// A device asserts what its newest start has raised and not ended. Storage ends an onset for its wearer only: who wears
// the device later gets what it asserts raised anew.

#include <optional>
#include <string>

#include "storage/rules/alarm.hpp"

namespace wardlink::storage {

/// What a store knows of an onset when something about its device has changed.
struct OnsetFacts {
  Record record;  // its body is the onset
  Instant start;
  std::optional<AlarmOrigin> origin;    // raised anew
  bool origin_is_theirs = false;        // what it was raised anew from stands, and is the same wearer's after all
  std::optional<AlarmEnd> end;          // that counts; of a record: its cause and instant
  std::optional<Instant> restarted_at;  // when the newest start of the device registered, where it is another
  /// Who wore the device at the onset.
  struct Wearer {
    std::optional<Instant> until;  // nothing = still worn
    std::string released_by;
    bool discharged = false;
  };
  std::optional<Wearer> wearer;
  std::optional<Instant> worn_since;  // by who wears the device now; nothing = nobody does
  bool stands_anew = false;           // one raised anew from it is open, of who wears the device now
};

/// Whether a start of a device raised it: an alarm of storage's own (a quarantine), or one that was posted by hand,
/// ends with no start.
bool is_of_start(const OnsetFacts& onset);

/// The end that is due: by a newer start, by a release or a discharge, whichever was first. Nothing: it has ended, or
/// stands.
std::optional<AlarmEnd> due_end(const OnsetFacts& onset);

/// From when on it is to be raised anew for who wears the device now. Nothing: that wearer has it, nobody wears the
/// device, or it does not assert it.
std::optional<Instant> due_anew(const OnsetFacts& onset);

/// The onset that due_anew() asks for. Its sequence, the next of the start's storage stream, is the store's to set.
DatedRecord raised_anew(const OnsetFacts& onset, Instant at);

/// The end that a device's own end is for an onset raised anew from what it ends.
AlarmEnd end_with_origin(Instant origin_end, Instant start);

/// Whether a person may close the alarm at `at`: the end. Nothing: the same person has closed it for the same reason.
/// StoreError precondition where it has ended already, or where a live start asserts it: the newest start of its device
/// has not ended it, and somebody wears the device.
std::optional<AlarmEnd> closed_by_person(const AlarmCondition& alarm, const OnsetFacts& onset, Instant at,
                                         const std::string& by, const std::string& reason);

/// More than 3 starts in 10 minutes: `before` is when the third start before the newest registered, where there is one.
bool is_restarting(std::optional<Instant> before, Instant newest);
constexpr int starts_before = 3;

/// The technical alarm `restarting`, of medium priority, of a device's newest start. Its sequence is the store's to
/// set.
DatedRecord restarting_alarm(std::shared_ptr<const Session> newest, Instant at);

}  // namespace wardlink::storage
