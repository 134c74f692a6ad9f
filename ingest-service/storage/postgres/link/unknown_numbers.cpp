#include "storage/postgres/link/unknown_numbers.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <set>
#include <utility>

#include "locks/mutex.hpp"

namespace wardlink::storage::postgres {
namespace {

constexpr std::size_t most_logged = 100;

std::atomic<std::uint64_t> count = 0;

class Logged {
 public:
  bool is_first(const std::string& column, std::int64_t number) {
    const locks::Lock lock(mutex_);
    return logged_.size() < most_logged && logged_.emplace(column, number).second;
  }

 private:
  locks::Mutex mutex_;
  std::set<std::pair<std::string, std::int64_t>> logged_ GUARDED_BY(mutex_);
};

}  // namespace

void note_unknown_number(const std::string& column, std::int64_t number) {
  static Logged logged;
  ++count;
  if (logged.is_first(column, number))
    spdlog::warn(fmt::format("the database's {} {} is of a newer version: it is shown as unknown", column, number));
}

std::uint64_t unknown_numbers() { return count; }

}  // namespace wardlink::storage::postgres
