#include "watch_machine.hpp"

#include <algorithm>
#include <utility>

namespace wardlink::client {
namespace {

Error silence_error(std::chrono::milliseconds silence) {
  const auto text = "nothing was heard for " + std::to_string(silence.count()) + " ms";
  return {Cause::late, grpc::StatusCode::DEADLINE_EXCEEDED, text, "The stream is lost: " + text + "."};
}

}  // namespace

WatchMachine::WatchMachine(WatchOptions options, std::function<double()> chance)
    : options_(std::move(options)), chance_(std::move(chance)), pause_(options_.first_pause) {
  request_.set_parent(options_.parent);
  request_.set_cursor(options_.cursor);
  request_.set_waveforms(options_.waveforms);
}

void WatchMachine::stop() {
  if (stopped_ || over()) return;
  stopped_ = true;
  if (state_ == State::pausing) end(std::nullopt);
  if (state_ == State::streaming) {
    state_ = State::cancelling;
    owes_cancel_ = true;
  }
}

void WatchMachine::handle_read(Instant now) {
  if (state_ == State::streaming) silent_since_ = now;
}

void WatchMachine::handle_response(v1::WatchResponse response) {
  // What comes after the decision to cancel comes again, from the cursor.
  if (state_ != State::streaming) return;
  silent_since_.reset();
  ever_heard_ = true;
  if (!heard_of_stream_ && request_.cursor().empty()) {
    events_.emplace_back(PresentState{reason_of_state_});
    reason_of_state_ = PresentState::Reason::again;
  }
  heard_of_stream_ = true;
  if (!response.cursor().empty()) pause_ = options_.first_pause;
  events_.emplace_back(std::move(response));
}

void WatchMachine::handle_end(Instant now, const Error& error, bool renewed) {
  if (state_ != State::streaming && state_ != State::cancelling) return;
  if (stopped_) return end(std::nullopt);
  const Error cause = fell_silent_ ? silence_error(options_.silence) : error;
  if (is_final(cause, renewed)) return end(cause);
  if (cause.code() == grpc::StatusCode::OUT_OF_RANGE) {
    request_.clear_cursor();
    pause_ = options_.first_pause;  // the server is there
    reason_of_state_ = PresentState::Reason::resynchronised;
  }
  lose(now, cause);
}

std::optional<WatchEvent> WatchMachine::poll_event() {
  if (events_.empty()) return {};
  auto event = std::move(events_.front());
  events_.pop_front();
  const auto* response = std::get_if<v1::WatchResponse>(&event);
  if (response != nullptr && !response->cursor().empty()) request_.set_cursor(response->cursor());
  return event;
}

WatchMachine::Action WatchMachine::poll_action(Instant now) {
  if (std::exchange(owes_cancel_, false)) return Action::cancel;
  const auto due = deadline();
  if (!due || now < *due) return Action::none;
  if (state_ == State::streaming) {
    state_ = State::cancelling;
    fell_silent_ = true;
    return Action::cancel;
  }
  state_ = State::streaming;
  silent_since_ = now;
  fell_silent_ = heard_of_stream_ = false;
  return Action::open;
}

std::optional<WatchMachine::Instant> WatchMachine::deadline() const {
  if (state_ == State::pausing) return pause_end_;
  if (state_ == State::streaming && silent_since_) return *silent_since_ + options_.silence;
  return {};
}

void WatchMachine::end(std::optional<Error> reason) {
  state_ = State::over;
  reason_ = std::move(reason);
}

void WatchMachine::lose(Instant now, const Error& error) {
  const auto cut = 0.5 + chance_() / 2;
  const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(pause_ * cut);
  pause_ = std::min(pause_ * 2, options_.longest_pause);
  pause_end_ = now + pause;
  state_ = State::pausing;
  events_.emplace_back(StreamLost{error, pause});
}

bool WatchMachine::is_final(const Error& error, bool renewed) const {
  if (!ever_heard_ && !options_.waits_at_start) return true;
  switch (error.code()) {
    case grpc::StatusCode::OUT_OF_RANGE:
      return !options_.begins_anew || request_.cursor().empty();
    case grpc::StatusCode::UNAUTHENTICATED:
      return !renewed;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::UNIMPLEMENTED:
      return true;
    default:
      return false;
  }
}

}  // namespace wardlink::client
