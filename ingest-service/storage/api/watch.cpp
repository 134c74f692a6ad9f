#include "storage/api/watch.hpp"

#include <grpc/grpc.h>

#include "storage/live/cursor.hpp"
#include "storage/live/message.hpp"
#include "storage/wire/instants.hpp"
#include "storage/wire/names.hpp"
#include "storage/wire/records.hpp"
#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using Clock = LiveQueue::Clock;

constexpr auto glance = 250ms;     // at whether the client is still there
constexpr std::size_t page = 500;  // events of each kind, while catching up
// Transactions, while catching up: a stretch that is read whole, however little of it this watcher wants.
constexpr std::uint64_t least_step = 64, longest_step = 16'384;

constexpr const char* too_slow = "the client reads too slowly and was dropped: go on from the last cursor";

/// The client is gone.
struct Gone : std::exception {};
/// It reads too slowly.
struct Dropped : Exhausted {
  using Exhausted::Exhausted;
};

class Watch {
 public:
  Watch(grpc::ServerContext& context, const v1::WatchRequest& request, grpc::ServerWriter<v1::WatchResponse>& stream,
        WatchService::Kind kind, LiveStore& store, LiveTail& tail, Guard& guard)
      : context_(context),
        request_(request),
        stream_(stream),
        kind_(kind),
        store_(store),
        tail_(tail),
        guard_(guard),
        parent_(request.parent().empty() ? "patients/-" : request.parent()) {}

  ~Watch() {
    if (queue_) queue_->close();
  }

  /// Ends by an exception only.
  [[noreturn]] void run() {
    const auto standing = guard_.admit_lasting(context_, kind_.method, roles::readers, {parent_});
    standing_ = standing.get();
    filter_ = filter_of(standing->scope());
    // So that the client can tell at once that it is let in.
    stream_.SendInitialMetadata();
    epoch_ = store_.epoch();
    if (request_.cursor().empty()) {
      show_present_state();
    } else {
      position_ = read_cursor(epoch_, request_.cursor());
      cursor_ = position_;
      const auto horizon = store_.horizon();
      durable_ = horizon.durable;
      if (position_.transaction > horizon.next)
        throw OutOfRange("the cursor lies in what this database has yet to see");
      catch_up(horizon.settled);  // the long way: what is committed meanwhile must not wait in the queue
    }
    follow();
  }

 private:
  LiveFilter filter_of(Scope scope) const {
    LiveFilter filter{
        .scope = std::move(scope), .subject = {}, .sets = kind_.sets, .waveforms = kind_.sets && request_.waveforms()};
    if (parent_.starts_with("wards/")) {
      filter.scope = std::vector{parse_ward("parent", parent_)};  // the guard has let it pass
    } else {
      filter.subject = parse_parent("parent", request_.parent());
    }
    return filter;
  }

  void show_present_state() {
    const auto present = store_.present(filter_);
    for (const auto& row : present.latest) {
      v1::WatchResponse response;
      response.set_patient(patient_name(row.patient));
      response.set_patient_display_name(row.patient_name);
      *response.mutable_latest() = to_proto(row);
      write(response);
    }
    for (const auto& alarm : present.alarms) {
      v1::WatchResponse response;
      response.set_patient(patient_name(alarm.patient));
      response.set_patient_display_name(alarm.patient_name);
      *response.mutable_open_alarm() = to_proto(alarm);
      write(response);
    }
    position_ = {.transaction = present.sight.settled};
    durable_ = present.sight.durable;
    shown_ = present.sight;
    v1::WatchResponse response;
    response.mutable_heartbeat()->set_present_state_complete(true);
    send_heartbeat(std::move(response));
  }

  /// What lies between, from the database: stretch after stretch, so that heartbeats tell how far it has come.
  void catch_up(std::uint64_t until) {
    for (auto step = least_step; position_ < LivePosition{.transaction = until};) {
      const auto end = std::min(until, position_.transaction + step);
      const auto found = store_.live(filter_, position_, end, page);
      for (const auto& event : found.events) send(to_message(event, epoch_));
      if (found.complete) position_ = {.transaction = end};
      const bool much = found.events.size() > page / 4;
      step = std::clamp(much ? step / 2 : step * 2, least_step, longest_step);
      tend();
    }
  }

  [[noreturn]] void follow() {
    auto opened = tail_.open(filter_, [this] {
      // ServerContext can cancel, but not say why.
      grpc_call_cancel_with_status(context_.c_call(), GRPC_STATUS_RESOURCE_EXHAUSTED, too_slow, nullptr);
    });
    queue_ = std::move(opened.queue);
    catch_up(opened.from.transaction);
    in_step_ = true;
    for (;;) {
      const auto message = queue_->next(Clock::now() + glance);
      if (message) send(**message);
      throw_if_ended();
      tend();
    }
  }

  void send(const LiveMessage& message) {
    if (message.at <= position_) return;  // the tail may be behind another process's, whose cursor this was
    // Any old transaction of the cluster keeps the present state's youngest from being settled: they come by here too.
    if (!shown_.holds(message.at.transaction)) write(message.response);
    position_ = cursor_ = message.at;
  }

  void write(const v1::WatchResponse& response) {
    standing_->confirm();
    if (queue_) queue_->write_begins();
    const bool written = stream_.Write(response);
    if (queue_) queue_->write_ends();
    if (written) return;
    standing_->confirm();
    if (queue_) throw_if_ended();
    throw Gone();
  }

  void throw_if_ended() const {
    switch (queue_->ended()) {
      case LiveQueue::End::none:
        return;
      case LiveQueue::End::overflow:
        throw Dropped(too_slow);
      case LiveQueue::End::away:
        throw StoreError(StoreError::Kind::away, "live streams wait for the database");
      case LiveQueue::End::stopping:
        throw Stopping("the service stops: go on from the last cursor");
    }
  }

  /// What a stream owes while it stands.
  void tend() {
    standing_->confirm();
    if (context_.IsCancelled()) throw Gone();
    if (Clock::now() >= next_beat_) send_heartbeat({});
  }

  void send_heartbeat(v1::WatchResponse response) {
    next_beat_ = Clock::now() + tail_.beat();
    auto& heartbeat = *response.mutable_heartbeat();
    *heartbeat.mutable_time() = to_stamp(tail_.calendar());
    // The queue tells how far the tail has come: what lies before it must have been sent.
    if (const auto settled = in_step_ ? queue_->settled() : std::nullopt) {
      position_ = std::max(position_, settled->position);
      durable_ = std::max(durable_, settled->durable);
      if (settled->complete_until != Instant{}) {
        *heartbeat.mutable_complete_until() = to_stamp(settled->complete_until);
      }
    }
    cursor_ = std::max(cursor_, LivePosition{.transaction = std::min(position_.transaction, durable_)});
    response.set_cursor(make_cursor(epoch_, cursor_));
    write(response);
  }

  grpc::ServerContext& context_;
  const v1::WatchRequest& request_;
  grpc::ServerWriter<v1::WatchResponse>& stream_;
  const WatchService::Kind kind_;
  LiveStore& store_;
  LiveTail& tail_;
  Guard& guard_;
  const std::string parent_;

  const Standing* standing_ = nullptr;
  LiveFilter filter_;
  std::string epoch_;
  LivePosition position_;  // all up to here has been sent
  LivePosition cursor_;    // and all up to here would be, to whoever goes on from it after a crash of the database
  std::uint64_t durable_ = 0;
  Sight shown_;  // what the present state was made of
  std::shared_ptr<LiveQueue> queue_;
  bool in_step_ = false;  // with the queue: nothing lies between
  Clock::time_point next_beat_ = Clock::now() + tail_.beat();
};

}  // namespace

grpc::Status WatchService::serve(grpc::ServerContext& context, const v1::WatchRequest& request,
                                 grpc::ServerWriter<v1::WatchResponse>& stream, Kind kind) {
  const auto counted = tallies_.watcher();
  try {
    Watch(context, request, stream, kind, store_, tail_, guard_).run();
  } catch (const Gone&) {
    return grpc::Status::CANCELLED;
  } catch (const Dropped& error) {
    tallies_.watcher_dropped();
    return status_of(error);
  } catch (const std::exception& error) {
    return status_of(error);
  }
}

}  // namespace wardlink::storage
