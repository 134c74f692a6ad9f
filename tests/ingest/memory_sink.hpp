#pragma once
// The record sink's tenants in memory: one that keeps what it is given and answers when the test says so, one that
// loses its storage.

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest::testing {

/// Keeps everything; nothing is answered until commit().
class MemorySink : public RecordSink {
 public:
  explicit MemorySink(Deliver deliver) : deliver_(std::move(deliver)) {}

  void attach(const Attachment& attachment) override { attached.push_back(attachment); }
  void exchanged(SinkSession session, const ClockExchange& exchange) override {
    exchanges.emplace_back(session, exchange);
  }
  void detach(SinkSession session) override { detached.push_back(session); }
  void append(Record record) override {
    records.push_back(record);
    unanswered_.push_back(std::move(record));
  }
  void audit(AuditEntry entry) override { audits.push_back(std::move(entry)); }
  void flush() override { ++flushes; }

  /// Answers all that is unanswered, in one delivery.
  void answer(RecordResult result) {
    std::vector<SinkEvent> events;
    for (const auto& record : std::exchange(unanswered_, {}))
      events.push_back(RecordAnswered{record.session, record.ticket, record.fact.stream, result});
    if (!events.empty()) deliver_(std::move(events));
  }
  /// Answers the oldest one only.
  void answer_one(RecordResult result) {
    const Record record = unanswered_.front();
    unanswered_.pop_front();
    deliver_({RecordAnswered{record.session, record.ticket, record.fact.stream, result}});
  }
  void come_back(Lane lane) { deliver_({StorageBack{lane}}); }

  std::optional<WallTime> calendar(coap::Instant) const override { return std::nullopt; }
  bool connected(Lane) const override { return !away; }

  std::size_t unanswered() const { return unanswered_.size(); }
  std::size_t audited(const std::string& action, bool granted, const std::string& reason) const {
    std::size_t count = 0;
    for (const auto& entry : audits)
      if (entry.action == action && entry.granted == granted && entry.reason == reason) count += entry.count;
    return count;
  }

  std::vector<Attachment> attached;
  std::vector<std::pair<SinkSession, ClockExchange>> exchanges;  // told after the attachment
  std::vector<SinkSession> detached;
  std::vector<Record> records;
  std::vector<AuditEntry> audits;
  std::size_t flushes = 0;
  bool away = false;

 private:
  Deliver deliver_;
  std::deque<Record> unanswered_;
};

/// Has no room for anything: the first tenant's contrary.
class FaultySink : public MemorySink {
 public:
  using MemorySink::MemorySink;
  void append(Record record) override {
    const bool alarm = is_alarm(record.fact);
    MemorySink::append(std::move(record));
    answer(alarm ? RecordResult::refused : RecordResult::shed);
  }
};

}  // namespace wardlink::ingest::testing
