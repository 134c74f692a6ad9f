#pragma once
// A live stream that goes on by itself.
//
//   client::Watch watch(connection, {.parent = "wards/icu"});
//   while (const auto event = watch.next()) {
//     if (const auto* response = std::get_if<v1::WatchResponse>(&*event)) show(*response);
//   }

#include <memory>
#include <optional>
#include <string>

#include "wardlink/client/connection.hpp"
#include "wardlink/client/watch_event.hpp"
#include "wardlink/client/watch_options.hpp"

namespace wardlink::client {

/// After the loss of the stream, of the server or of its database it goes on from its cursor: what was committed
/// meanwhile comes late, nothing is left out and nothing comes twice, as far as WatchRequest.cursor promises. A cursor
/// that cannot be used is told (PresentState::Reason::resynchronised). INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED,
/// UNAUTHENTICATED (unless the connection was renewed meanwhile), FAILED_PRECONDITION and UNIMPLEMENTED end it.
/// One thread, the one that calls next(); but stop() may come from any. No thread of its own, and one response in
/// memory: while next() is not called nothing is read, and after some 10 s the server drops who does not read, which is
/// a loss like any other.
class Watch {
 public:
  /// Connects at the first next(). `connection` must outlive it.
  Watch(Connection& connection, WatchOptions options);
  /// Ends the stream. No other thread may be in stop().
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Waits for the next event. Empty once stop() was called and what had come before is told. Throws Error with the
  /// reason where the server refuses (above), at each further call again.
  std::optional<WatchEvent> next();
  /// Ends a next() that waits, and the watch. Any thread, any number of times; not a signal handler.
  void stop();
  /// Behind all that next() has told; empty until a present state was told whole. Keep it where a restart of the
  /// program must miss nothing.
  const std::string& cursor() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wardlink::client
