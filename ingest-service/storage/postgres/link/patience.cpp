#include "storage/postgres/link/patience.hpp"

#include <sys/socket.h>
#include <unistd.h>

namespace wardlink::storage::postgres {

Patience::Patience(std::chrono::seconds limit) : limit_(limit), thread_([this] { run(); }) {}

Patience::~Patience() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Patience::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (waits_.empty()) {
      changed_.wait(lock);
    } else if (const auto until = waits_.front().until; std::chrono::steady_clock::now() < until) {
      changed_.wait_until(lock, until);
    } else {
      waits_.front().ended = true;
      shutdown(waits_.front().socket, SHUT_RDWR);
      over_.splice(over_.end(), waits_, waits_.begin());
    }
  }
}

Patience::Turn::Turn(Patience& patience, int socket) : patience_(patience) {
  // A descriptor of its own: libpq closes the other when the connection fails, and its number may come back as
  // another's.
  const Wait wait{dup(socket), std::chrono::steady_clock::now() + patience.limit_};
  const std::lock_guard lock(patience_.mutex_);
  wait_ = patience_.waits_.insert(patience_.waits_.end(), wait);
  if (patience_.waits_.size() == 1) patience_.changed_.notify_all();
}

Patience::Turn::~Turn() {
  int socket = -1;
  {
    const std::lock_guard lock(patience_.mutex_);
    socket = wait_->socket;
    (wait_->ended ? patience_.over_ : patience_.waits_).erase(wait_);
  }
  close(socket);
}

bool Patience::Turn::ended_early() const {
  const std::lock_guard lock(patience_.mutex_);
  return wait_->ended;
}

}  // namespace wardlink::storage::postgres
