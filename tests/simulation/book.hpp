#pragma once
// A device's book: all that its SDK generated at each of its starts, and what became of it. The auditor's own, in
// memory: it outlives the device, its power and its disk.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coap/instant.hpp"
#include "device_time.hpp"
#include "disk.hpp"
#include "wardlink/journal.hpp"

namespace wardlink::simulation {

using Key = std::pair<std::uint64_t, std::uint64_t>;  // boot, sequence

struct BookedAlarm {
  SequencedAlarm record;
  bool durable = false;       // the journal said so, and the power was there
  bool promised = false;      // the call that made it returned none
  bool acknowledged = false;  // its ACK reached the device
  bool excused = false;       // it went with the device's memory, and nobody had promised more
};

class Book final : public Journal {
 public:
  using Alarms = std::map<Key, BookedAlarm>;

  Book(std::string name, const DeviceTime& its_time) : urn(std::move(name)), time(its_time) {}

  const std::string urn;
  const DeviceTime& time;
  Alarms alarms;
  std::map<std::uint64_t, std::vector<SequencedSet>> sets;  // by boot; the sequence is the place, from 1
  std::set<Key> ended_by_the_past;                          // ends that a value of before made
  std::function<void(Key)> on_acknowledged;

  /// What the ticks' clock read when each start began, and which tick that was.
  std::map<std::uint64_t, std::pair<coap::Instant, std::uint64_t>> starts;

  /// What the clock of that start said, to the part of a millisecond.
  coap::Duration clock(std::uint64_t boot, coap::Instant at) const {
    const auto& [began, first_tick] = starts.at(boot);
    return std::chrono::milliseconds{first_tick} + (time.of_ticks(at) - began);
  }
  coap::Instant began(std::uint64_t boot) const { return time.when_ticks_said(starts.at(boot).first).first; }
  /// When that start's clock truly said so: of a record, when it was measured.
  DeviceTime::Span measured(std::uint64_t boot, std::uint64_t tick_ms) const {
    const auto& [began, first_tick] = starts.at(boot);
    return time.when_ticks_said(began + std::chrono::milliseconds{tick_ms} - std::chrono::milliseconds{first_tick});
  }

  /// nullptr: it was never generated.
  const SequencedSet* set(Key key) const {
    const auto boot = sets.find(key.first);
    const bool known = boot != sets.end() && key.second >= 1 && key.second <= boot->second.size();
    return known ? &boot->second[key.second - 1] : nullptr;
  }

  bool generated(std::uint64_t boot, const SequencedSet& set) override {
    sets[boot].push_back(set);
    return true;
  }
  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    alarms[{boot, alarm.sequence}] = {alarm};
    return true;
  }
  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point) override {
    alarms.at({boot, sequence}).acknowledged = true;
    if (on_acknowledged) on_acknowledged({boot, sequence});
    return true;
  }
};

/// The real file journal, and what it says of its records noted in the book.
class NotedJournal final : public Journal {
 public:
  NotedJournal(std::unique_ptr<Journal> file, const Disk& disk, Book& book)
      : file_(std::move(file)), disk_(disk), book_(book) {}

  bool generated(std::uint64_t boot, const SequencedSet& set) override { return file_->generated(boot, set); }
  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    return generated_all(boot, {&alarm, 1}) == 1;
  }
  std::size_t generated_all(std::uint64_t boot, std::span<const SequencedAlarm> alarms) override {
    const auto durable = file_->generated_all(boot, alarms);
    if (!disk_.gone())
      for (const auto& alarm : alarms.first(durable)) book_.alarms.at({boot, alarm.sequence}).durable = true;
    return durable;
  }
  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) override {
    return file_->acknowledged(boot, sequence, at);
  }
  std::vector<OwedAlarm> owed() override { return file_->owed(); }

 private:
  std::unique_ptr<Journal> file_;
  const Disk& disk_;
  Book& book_;
};

}  // namespace wardlink::simulation
