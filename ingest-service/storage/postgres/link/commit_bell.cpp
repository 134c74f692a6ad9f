#include "storage/postgres/link/commit_bell.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <system_error>

namespace wardlink::storage::postgres {

CommitBell::CommitBell() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

CommitBell::~CommitBell() { close(descriptor_); }

void CommitBell::ring() const {
  // Full is as good as rung.
  [[maybe_unused]] const auto written = eventfd_write(descriptor_, 1);
}

bool CommitBell::rang() const {
  eventfd_t times = 0;
  return eventfd_read(descriptor_, &times) == 0;
}

/// Registered: libpqxx then issues LISTEN. That something came is all there is to know.
struct BellListener::Receiver final : pqxx::notification_receiver {
  explicit Receiver(pqxx::connection& connection) : notification_receiver(connection, "wardlink_commits") {}
  void operator()(const std::string&, int) override {}
};

BellListener::BellListener(const Database& database, const CommitBell& bell)
    : bell_(bell), connection_(database.open()) {
  in_turn(*connection_, [&] { receiver_ = std::make_unique<Receiver>(*connection_); });
}

BellListener::~BellListener() = default;

void BellListener::wait(std::chrono::milliseconds limit) {
  std::array<pollfd, 2> sources{{{bell_.descriptor(), POLLIN, 0}, {connection_->sock(), POLLIN, 0}}};
  poll(sources.data(), sources.size(), static_cast<int>(limit.count()));
  in_turn(*connection_, [&] {
    if (sources[1].revents != 0) connection_->get_notifs();
    if (bell_.rang()) pqxx::nontransaction(*connection_).exec0("NOTIFY wardlink_commits");
  });
}

}  // namespace wardlink::storage::postgres
