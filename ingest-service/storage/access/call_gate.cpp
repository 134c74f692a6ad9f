#include "storage/access/call_gate.hpp"

#include <algorithm>

#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

constexpr std::size_t most_metadata = 8 * 1024;
constexpr std::size_t most_subjects = 10'000;  // each has a certificate of ours; who comes beyond starts all anew

}  // namespace

void CallGate::pass(const std::string& subject, const std::string& peer, std::size_t metadata_size) {
  const char* fault = nullptr;
  const auto verdict = take_one(subject, Clock::now());
  if (metadata_size > most_metadata) {
    fault = "the metadata is larger than 8 KiB";
  } else if (verdict != Verdict::pass) {
    fault = "this subject makes too many calls a second";
  }
  if (fault == nullptr) return;
  ++rationed_;
  if (verdict == Verdict::hang_up && hang_up_) hang_up_(peer);
  throw Exhausted(fault);
}

/// A refused call is forgotten as fast as calls are let in: only who calls more than twice as often comes to have many.
CallGate::Verdict CallGate::take_one(const std::string& subject, Clock::time_point now) {
  const locks::Lock lock(mutex_);
  if (allowances_.size() >= most_subjects) allowances_.clear();
  auto& [calls, refused, counted] = allowances_.try_emplace(subject, Allowance{2 * rate_, 0, now}).first->second;
  const std::chrono::duration<double> passed = now - counted;
  calls = std::min(2 * rate_, calls + passed.count() * rate_);
  refused = std::max(0.0, refused - passed.count() * rate_);
  counted = now;
  if (calls >= 1) {
    calls -= 1;
    return Verdict::pass;
  }
  refused = std::min(rate_, refused + 1);
  return refused < rate_ ? Verdict::refuse : Verdict::hang_up;
}

}  // namespace wardlink::storage
