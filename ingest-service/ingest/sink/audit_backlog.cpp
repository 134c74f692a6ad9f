#include "ingest/sink/audit_backlog.hpp"

namespace wardlink::ingest {

bool AuditBacklog::put(AuditEntry entry) {
  if (waiting_.size() >= config_.capacity) return false;
  waiting_.push_back(std::move(entry));
  return true;
}

std::vector<AuditEntry> AuditBacklog::next(std::uint64_t last_batch, coap::Instant now) {
  std::vector<AuditEntry> entries;
  if (waiting_.empty() || now < due_) return entries;
  due_ = now + config_.pause;
  for (; !waiting_.empty() && entries.size() < config_.batch; waiting_.pop_front()) {
    entries.push_back(waiting_.front());
    sent_.emplace_back(last_batch, std::move(waiting_.front()));
    if (sent_.size() > config_.capacity) sent_.pop_front();
  }
  return entries;
}

std::optional<coap::Instant> AuditBacklog::next_deadline() const {
  if (waiting_.empty()) return std::nullopt;
  return due_;
}

void AuditBacklog::answered(std::uint64_t batch) {
  while (!sent_.empty() && sent_.front().first < batch) sent_.pop_front();
}

void AuditBacklog::restart() {
  for (auto at = sent_.rbegin(); at != sent_.rend(); ++at) waiting_.push_front(std::move(at->second));
  sent_.clear();
  due_ = {};
}

}  // namespace wardlink::ingest
