#pragma once
// What a watch does next: the rules of watch.hpp without gRPC, clock or thread. Watch::Impl drives it.
//
// The driver's order, again and again: poll_event() until it is empty; over()?; poll_action(now), and do it; start a
// read where a call stands and none is under way, and say so (handle_read); wait until deadline() or for what happens,
// and say that (handle_response, handle_end).

#include <chrono>
#include <deque>
#include <functional>
#include <optional>

#include "wardlink/client/watch_event.hpp"
#include "wardlink/client/watch_options.hpp"

namespace wardlink::client {

class WatchMachine {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  enum class Action : std::uint8_t {
    none,
    open,    // call Watch with request()
    cancel,  // cancel that call; its end is awaited
  };

  /// `chance` gives numbers in [0, 1): it cuts the pauses.
  WatchMachine(WatchOptions options, std::function<double()> chance);

  /// The watch is to end.
  void stop();

  /// A response is awaited from now on; until it comes silence counts.
  void handle_read(Instant now);
  void handle_response(v1::WatchResponse response);
  /// The call ended. `renewed`: the next call has other credentials.
  void handle_end(Instant now, const Error& error, bool renewed);

  std::optional<WatchEvent> poll_event();
  Action poll_action(Instant now);

  /// poll_action() is due then, though nothing happens; empty: never.
  std::optional<Instant> deadline() const;
  /// Nothing more happens once the events are polled.
  bool over() const { return state_ == State::over; }
  /// Why it is over; empty after stop().
  const std::optional<Error>& reason() const { return reason_; }
  const v1::WatchRequest& request() const { return request_; }
  const std::string& cursor() const { return request_.cursor(); }

 private:
  enum class State : std::uint8_t {
    pausing,     // until pause_end_, then a call
    streaming,   // a call stands
    cancelling,  // a call is to end
    over,
  };
  void end(std::optional<Error> reason);
  void lose(Instant now, const Error& error);
  bool is_final(const Error& error, bool renewed) const;

  const WatchOptions options_;
  const std::function<double()> chance_;
  v1::WatchRequest request_;  // with the cursor of the last response that was polled
  State state_ = State::pausing;
  std::deque<WatchEvent> events_;  // at most two: of one handle_
  std::optional<Error> reason_;

  Instant pause_end_;  // pausing
  std::chrono::milliseconds pause_;
  std::optional<Instant> silent_since_;  // streaming, while a response is awaited
  bool fell_silent_ = false;             // cancelling: why, where stopped_ is not
  bool stopped_ = false;
  bool owes_cancel_ = false;  // cancelling: the driver has not been told
  bool ever_heard_ = false;
  bool heard_of_stream_ = false;  // this call has sent something
  PresentState::Reason reason_of_state_ = PresentState::Reason::first;
};

}  // namespace wardlink::client
