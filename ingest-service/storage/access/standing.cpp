#include "storage/access/standing.hpp"

#include <grpc/grpc.h>
#include <spdlog/spdlog.h>

#include <exception>
#include <vector>

#include "storage/wire/status.hpp"

namespace wardlink::storage {

Standing::Standing(StandingCalls& calls, grpc::ServerContext& context, Scope scope, Ask ask,
                   std::optional<CallsInProgress::Call> call)
    : calls_(calls),
      context_(context),
      scope_(std::move(scope)),
      call_(std::move(call)),
      ask_(std::make_shared<const Ask>(std::move(ask))),
      name_(calls_.add(*this)) {}

Standing::~Standing() { calls_.remove(name_); }

void Standing::confirm() const {
  if (withdrawn_) throw Refused(status_.error_message(), status_.error_code());
}

/// ServerContext can cancel, but not say why: the caller is owed the reason, so the call below it is told.
void Standing::withdraw(const grpc::Status& status) {
  if (withdrawn_) return;
  status_ = status;
  withdrawn_ = true;
  grpc_call_cancel_with_status(context_.c_call(), static_cast<grpc_status_code>(status_.error_code()),
                               status_.error_message().c_str(), nullptr);
}

StandingCalls::StandingCalls(std::chrono::milliseconds period) : period_(period), thread_([this] { run(); }) {}

StandingCalls::~StandingCalls() {
  {
    const locks::Lock lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

std::uint64_t StandingCalls::add(Standing& call) {
  const locks::Lock lock(mutex_);
  calls_.emplace(++last_name_, &call);
  return last_name_;
}

void StandingCalls::remove(std::uint64_t name) {
  const locks::Lock lock(mutex_);
  calls_.erase(name);
}

void StandingCalls::run() {
  const locks::Lock lock(mutex_);
  while (!stop_.wait_for(mutex_, period_, [this]() REQUIRES(mutex_) { return stopping_; })) {
    const locks::Unlock unlock(mutex_);
    ask_all();
  }
}

/// The questions are asked without the lock: calls begin and end meanwhile.
void StandingCalls::ask_all() {
  std::vector<std::pair<std::uint64_t, std::shared_ptr<const Standing::Ask>>> questions;
  {
    const locks::Lock lock(mutex_);
    for (const auto& [name, call] : calls_) {
      if (!call->withdrawn_) questions.emplace_back(name, call->ask_);
    }
  }
  for (const auto& [name, ask] : questions) {
    grpc::Status status;
    try {
      status = (*ask)();
    } catch (const std::exception&) {
      spdlog::debug("the grants of the calls that stand cannot be read now");
    }
    if (status.ok()) continue;
    const locks::Lock lock(mutex_);
    if (const auto call = calls_.find(name); call != calls_.end()) call->second->withdraw(status);
  }
}

}  // namespace wardlink::storage
