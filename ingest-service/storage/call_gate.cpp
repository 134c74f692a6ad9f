#include "storage/call_gate.hpp"

#include <algorithm>

#include "storage/access.hpp"

namespace wardlink::storage {
namespace {

constexpr std::size_t most_metadata = 8 * 1024;
constexpr std::size_t most_subjects = 10'000;  // each has a certificate of ours; who comes beyond starts all anew
constexpr double given_up = 16;                // calls a second that are taken to have gone astray

}  // namespace

grpc::Status CallGate::Process(const InputMetadata& metadata, grpc::AuthContext* peer, OutputMetadata*,
                               OutputMetadata*) {
  std::size_t size = 0;
  for (const auto& [name, value] : metadata) size += name.size() + value.size();
  const char* fault = nullptr;
  if (size > most_metadata) {
    fault = "the metadata is larger than 8 KiB";
  } else if (!take_one(subject_of(*peer), Clock::now())) {
    fault = "this subject makes too many calls a second";
  }
  if (fault == nullptr) return grpc::Status::OK;
  ++rationed_;
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, fault};
}

bool CallGate::take_one(const std::string& subject, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (allowances_.size() >= most_subjects) allowances_.clear();
  auto& [calls, under_way, counted] = allowances_.try_emplace(subject, Allowance{2 * rate_, 0, now}).first->second;
  const std::chrono::duration<double> passed = now - counted;
  calls = std::min(2 * rate_, calls + passed.count() * rate_);
  under_way = std::max(0.0, under_way - passed.count() * given_up);
  counted = now;
  if (calls < 1 || under_way + 1 > most_under_way_) return false;
  calls -= 1;
  under_way += 1;
  return true;
}

void CallGate::arrived(const std::string& subject) {
  const std::lock_guard lock(mutex_);
  const auto found = allowances_.find(subject);
  if (found != allowances_.end()) found->second.under_way = std::max(0.0, found->second.under_way - 1);
}

}  // namespace wardlink::storage
