#include "daemon/signals.hpp"

#include <ctime>

namespace wardlink::daemon {

Signals::Signals() {
  sigemptyset(&signals_);
  for (const int one : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, one);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Signals::Came Signals::wait(std::optional<std::chrono::seconds> limit) const {
  const timespec time{limit ? static_cast<std::time_t>(limit->count()) : 0, 0};
  const int came = limit ? sigtimedwait(&signals_, nullptr, &time) : sigwaitinfo(&signals_, nullptr);
  if (came < 0) return Came::nothing;
  return came == SIGHUP ? Came::reload : Came::end;
}

}  // namespace wardlink::daemon
