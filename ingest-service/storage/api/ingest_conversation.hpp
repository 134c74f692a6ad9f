#pragma once
// What one stream from ingest says, and what it is answered: sessions are attached, records become durable, each under
// the start of the device that made it, and dated by storage's calendar: what ingest tells is so long after a stamp. No
// gRPC, no waiting: whoever drives it waits for the database.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "storage/api/calendar_watch.hpp"
#include "storage/api/stamps.hpp"
#include "storage/api/told.hpp"
#include "storage/port/record_store.hpp"
#include "wardlink/v1/ingest.pb.h"

namespace wardlink::storage {

/// One thread at a time.
class IngestConversation {
 public:
  /// Told of each batch when it is durable, its results in the order of its records.
  using Committed = std::function<void(std::span<const Record>, std::span<const RecordResult>)>;

  /// `calendar`: one for all conversations of a process; it outlives them.
  IngestConversation(std::unique_ptr<RecordWriter> writer, ReadBootClock clock, CalendarWatch& calendar,
                     Committed committed)
      : writer_(std::move(writer)), clock_(std::move(clock)), calendar_(calendar), committed_(std::move(committed)) {}

  /// The answer, where one is owed. `received`: when the request arrived. After StoreError::Kind::away handle the same
  /// request again, received at the same moment: whatever was durable by then stays one row. After another kind the
  /// stream is to end with it: precondition where what is told counts from no stamp of this stream.
  std::optional<v1::IngestResponse> handle(const v1::IngestRequest& request, Moment received);

 private:
  struct LiveSession {
    Told told;
    std::shared_ptr<const Session> session;
  };

  v1::AttachResult attach(const v1::Attach& request);
  v1::AttachAllResult attach_all(const v1::AttachAll& request);
  void attach(std::span<const v1::Attach* const> attaches, std::span<v1::AttachResult> results);
  Told told(const v1::Attach& request) const;
  void answer(const Told& told, const Attached& attached, v1::AttachResult& result);
  v1::Stamp stamp(const v1::StampRequest& request, Moment received);
  CalendarReading read_calendar();
  CalendarReading dating_reading();
  void date_sessions(std::span<const CalendarChange> changes);
  std::vector<Attached> attach_dated(const std::vector<std::vector<AttachRequest>>& dated);
  void try_to_read_calendar();
  Moment moment(std::uint64_t stamp, std::int64_t after_us) const;
  v1::AppendResult append(const v1::Append& request);
  void put_under_their_boots(const v1::Append& request, std::vector<Record>& records);
  void audit(const v1::Audit& request);

  std::unique_ptr<RecordWriter> writer_;
  ReadBootClock clock_;
  CalendarWatch& calendar_;
  Committed committed_;
  Stamps stamps_;
  std::optional<CalendarReading> last_reading_;
  std::optional<std::uint64_t> steps_;  // of the calendar, that the sessions are dated after
  std::optional<CalendarReading> checked_;
  std::unordered_map<std::uint64_t, LiveSession> sessions_;
};

}  // namespace wardlink::storage
