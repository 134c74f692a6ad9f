#include "storage/postgres/link/patience.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include "storage/port/store_error.hpp"

namespace wardlink::storage::postgres {

Patience::Patience(std::chrono::seconds limit) : limit_(limit), thread_([this] { run(); }) {}

Patience::~Patience() {
  {
    const locks::Lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Patience::run() {
  const locks::Lock lock(mutex_);
  while (!stopping_) {
    if (waits_.empty()) {
      changed_.wait(mutex_);
    } else if (const auto until = waits_.front().until; std::chrono::steady_clock::now() < until) {
      changed_.wait_until(mutex_, until);
    } else {
      waits_.front().ended = true;
      shutdown(waits_.front().socket, SHUT_RDWR);
      over_.splice(over_.end(), waits_, waits_.begin());
    }
  }
}

Patience::Waits::iterator Patience::begin(const Wait& wait) {
  const locks::Lock lock(mutex_);
  const auto at = waits_.insert(waits_.end(), wait);
  if (waits_.size() == 1) changed_.notify_all();
  return at;
}

void Patience::end(Waits::iterator wait) {
  int socket = -1;
  {
    const locks::Lock lock(mutex_);
    socket = wait->socket;
    (wait->ended ? over_ : waits_).erase(wait);
  }
  close(socket);
}

namespace {

int duplicate_of(int socket) {
  const int made = dup(socket);
  if (made < 0) throw StoreError(StoreError::Kind::away, "this process has no file descriptor left");
  return made;
}

}  // namespace

// A descriptor of its own: libpq closes the other when the connection fails, and its number may come back as another's.
Patience::Turn::Turn(Patience& patience, int socket)
    : patience_(patience),
      wait_(patience.begin({duplicate_of(socket), std::chrono::steady_clock::now() + patience.limit_})) {}

Patience::Turn::~Turn() { patience_.end(wait_); }

bool Patience::Turn::ended_early() const {
  const locks::Lock lock(patience_.mutex_);
  return wait_->ended;
}

}  // namespace wardlink::storage::postgres
