#include "name_service.hpp"

#include <system_error>
#include <thread>
#include <utility>

#include "locks/mutex.hpp"

namespace wardlink {

struct NameService::State {
  using Name = std::pair<std::string, std::uint16_t>;

  /// Gives the answer to who still waits for it.
  void answer(const Name& name, const Answer& found) {
    const locks::Lock lock(mutex);
    const auto waiting = takers.extract(name);
    if (waiting.empty()) return;
    for (const auto& [owner, taker] : waiting.mapped()) taker(found);
  }

  LookUp look_up;
  locks::Mutex mutex;  // held while takers run
  /// Of names that a thread is looking up.
  std::map<Name, std::vector<std::pair<const void*, Taker>>> takers GUARDED_BY(mutex);
};

NameService::NameService(LookUp look_up) : state_(std::make_shared<State>()) { state_->look_up = std::move(look_up); }

NameService::~NameService() {
  const locks::Lock lock(state_->mutex);
  for (auto& [name, takers] : state_->takers) takers.clear();
}

void NameService::look_up(const void* owner, const std::string& host, std::uint16_t port, Taker taker) {
  const State::Name name{host, port};
  {
    const locks::Lock lock(state_->mutex);
    const auto [at, fresh] = state_->takers.try_emplace(name);
    at->second.emplace_back(owner, std::move(taker));
    if (!fresh) return;
  }
  try {
    std::thread([state = state_, name] { state->answer(name, state->look_up(name.first, name.second)); }).detach();
  } catch (const std::system_error&) {
    state_->answer(name, std::string("There is no thread to look the gateway's name up."));
  }
}

void NameService::forget(const void* owner) {
  const locks::Lock lock(state_->mutex);
  for (auto& [name, takers] : state_->takers) {
    std::erase_if(takers, [&](const auto& one) { return one.first == owner; });
  }
}

}  // namespace wardlink
