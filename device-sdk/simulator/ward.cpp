#include "ward.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace ward {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

constexpr std::size_t kSetCapacity = 4096;
constexpr std::size_t kPaceAt = kSetCapacity / 2;  // a replay hands in no more than so many unsent sets
constexpr std::size_t kRunCapacity = 256;          // of each waveform
constexpr std::size_t kPaceRunsAt = kRunCapacity / 2;
constexpr auto kConnectLimit = 20s;
constexpr auto kLastRuns = 1000ms;
constexpr auto kInterruptedDrain = 2s;
constexpr auto kTurn = 5ms;

/// A reader sees the old file or the new one, never half of it.
void write_atomically(const std::string& path, const Json& content) {
  const auto fresh = path + ".new";
  {
    std::ofstream file(fresh, std::ios::trunc);
    file << content.dump(1) << '\n';
    if (!file.flush()) throw std::runtime_error("The file " + path + " cannot be written.");
  }
  std::filesystem::rename(fresh, path);
}

bool drained(const wardlink::DeviceStatus& status) {
  return status.sets_waiting == 0 && status.alarms_owed == 0 && status.runs_waiting == 0;
}

bool complete(const wardlink::DeviceStatus& status) {
  return drained(status) && status.sets_dropped == 0 && status.alarms_dropped == 0 && status.runs_dropped == 0 &&
         status.journal_failures == 0 && status.audit_failures == 0;
}

Json counts(const wardlink::DeviceStatus& status) {
  return {{"sets_generated", status.sets_generated},
          {"sets_sent", status.sets_sent},
          {"sets_dropped", status.sets_dropped},
          {"sets_waiting", status.sets_waiting},
          {"runs_generated", status.runs_generated},
          {"runs_sent", status.runs_sent},
          {"runs_dropped", status.runs_dropped},
          {"runs_waiting", status.runs_waiting},
          {"alarms_generated", status.alarms_generated},
          {"alarms_acknowledged", status.alarms_acknowledged},
          {"alarms_owed", status.alarms_owed},
          {"alarms_dropped", status.alarms_dropped},
          {"non_notifications", status.non_notifications},
          {"con_notifications", status.con_notifications},
          {"handshakes", status.handshakes},
          {"retransmissions", status.retransmissions},
          {"journal_failures", status.journal_failures},
          {"journal_kept_lines", status.journal_kept_lines},
          {"alarms_unwritten", status.alarms_unwritten},
          {"audit_failures", status.audit_failures},
          {"sets_refused", status.sets_refused},
          {"samples_refused", status.samples_refused},
          {"alarms_refused", status.alarms_refused},
          {"clock_restarts", status.clock_restarts},
          {"clock_exchanges", status.clock_exchanges}};
}

void add(wardlink::DeviceStatus& sum, const wardlink::DeviceStatus& one) {
  sum.sets_generated += one.sets_generated;
  sum.sets_sent += one.sets_sent;
  sum.sets_dropped += one.sets_dropped;
  sum.sets_waiting += one.sets_waiting;
  sum.runs_generated += one.runs_generated;
  sum.runs_sent += one.runs_sent;
  sum.runs_dropped += one.runs_dropped;
  sum.runs_waiting += one.runs_waiting;
  sum.alarms_generated += one.alarms_generated;
  sum.alarms_acknowledged += one.alarms_acknowledged;
  sum.alarms_owed += one.alarms_owed;
  sum.alarms_dropped += one.alarms_dropped;
  sum.non_notifications += one.non_notifications;
  sum.con_notifications += one.con_notifications;
  sum.handshakes += one.handshakes;
  sum.retransmissions += one.retransmissions;
  sum.journal_failures += one.journal_failures;
  sum.journal_kept_lines += one.journal_kept_lines;
  sum.alarms_unwritten += one.alarms_unwritten;
  sum.audit_failures += one.audit_failures;
  sum.sets_refused += one.sets_refused;
  sum.samples_refused += one.samples_refused;
  sum.alarms_refused += one.alarms_refused;
  sum.clock_restarts += one.clock_restarts;
  sum.clock_exchanges += one.clock_exchanges;
}

wardlink::DeviceOptions options_for(const Config& config, const Badge& badge) {
  wardlink::DeviceOptions options;
  options.server = config.server;
  options.port = config.port;
  options.credentials = badge.credentials;
  options.key_log = config.key_log;
  options.set_capacity = kSetCapacity;
  options.run_capacity = kRunCapacity;
  options.alarms.hysteresis = config.hysteresis;
  options.alarms.shortest_ms = static_cast<std::uint64_t>(std::llround(config.shortest_s * 1000));
  const auto file_in = [&](const std::string& folder) {
    std::filesystem::create_directories(folder);
    return (std::filesystem::path(folder) / (badge.label + ".jsonl")).string();
  };
  if (!config.journal_dir.empty())
    options.journal = wardlink::open_file_journal(file_in(config.journal_dir), badge.urn);
  if (!config.audit_dir.empty()) options.audit = wardlink::open_audit_book(file_in(config.audit_dir), badge.urn);
  return options;
}

}  // namespace

Ward::Ward(const Config& config, std::vector<Badge> badges)
    : config_(config), runtime_(std::make_shared<wardlink::Runtime>()) {
  for (std::size_t i = 0; i < badges.size(); ++i) {
    Bed bed{badges[i].label, badges[i].urn, config.replay.empty() ? "" : config.replay[i], nullptr, nullptr, false, {}};
    auto options = options_for(config, badges[i]);
    options.runtime = runtime_;
    if (bed.replay.empty()) {
      options.waveforms = WaveformModel(config.waveforms).options();
      bed.feed = model(config.seed * 1'000'003 + i, config.waveforms);
    } else {
      auto recording = load_recording(bed.replay);
      auto waveforms = load_waveforms(bed.replay, config.waveforms);
      auto length = recording.length_ms;
      for (const auto& waveform : waveforms) {
        length = std::max(length, waveform.length_ms());
        options.waveforms.push_back(waveform.options);
      }
      options.tick = replay_clock(length);
      bed.feed = play(std::move(recording), std::move(waveforms), config.speed);
    }
    bed.device = std::make_unique<wardlink::Device>(std::move(options));
    beds_.push_back(std::move(bed));
  }
}

bool Ward::run(const std::atomic<bool>& interrupted) {
  for (auto& bed : beds_) bed.device->start();
  await_connections(interrupted);
  if (!interrupted) measure(interrupted);
  drain(interrupted);
  write_status(false);
  return std::all_of(beds_.begin(), beds_.end(), [](const Bed& bed) { return complete(bed.last); });
}

void Ward::await_connections(const std::atomic<bool>& interrupted) {
  const auto until = Clock::now() + kConnectLimit;
  const auto waiting = [](const Bed& bed) { return !bed.device->status().connected; };
  while (!interrupted && Clock::now() < until && std::any_of(beds_.begin(), beds_.end(), waiting)) {
    write_status_each_second();
    std::this_thread::sleep_for(20ms);
  }
  for (const auto& bed : beds_) {
    const auto status = bed.device->status();
    if (!status.connected && !interrupted) {
      const auto& why = status.last_problem;
      std::cerr << bed.label << " is not connected: " << (why.empty() ? "no answer yet." : why) << '\n';
    }
  }
}

// -- measuring -------------------------------------------------------------------------------------------------------

void Ward::measure(const std::atomic<bool>& interrupted) {
  if (!config_.ready_file.empty()) write_ready();
  const auto begin = Clock::now();
  while (!interrupted) {
    double elapsed_s = std::chrono::duration<double>(Clock::now() - begin).count();
    const bool last = config_.seconds && elapsed_s >= *config_.seconds;
    if (last) elapsed_s = *config_.seconds;
    const bool backlog = feed_all(elapsed_s);
    // At the highest speed everything is due at once: time decides then. Else what was due by the end still goes.
    if (last && (!backlog || !config_.speed)) return;
    if (over(elapsed_s)) return;
    write_status_each_second();
    std::this_thread::sleep_for(kTurn);
  }
}

/// True when somebody has more that is due than he may hand in now.
bool Ward::feed_all(double elapsed_s) {
  bool backlog = false;
  for (auto& bed : beds_) backlog = feed_one(bed, elapsed_s) || backlog;
  return backlog;
}

bool Ward::feed_one(Bed& bed, double elapsed_s) {
  if (bed.feed->due(elapsed_s) != nullptr) {
    const auto waiting = bed.device->status().sets_waiting;
    for (auto room = waiting < kPaceAt ? kPaceAt - waiting : 0; room > 0; --room) {
      const auto* set = bed.feed->due(elapsed_s);
      if (set == nullptr) break;
      const auto refusal = bed.device->report(*set);
      if (refusal != wardlink::Refusal::none && refusal != wardlink::Refusal::unwritten) {
        throw std::logic_error("A set was refused: " + std::string(to_string(refusal)) + ".");
      }
      bed.feed->take();
    }
  }
  feed_blocks(bed, elapsed_s);
  if (!bed.concluded && bed.feed->over(elapsed_s)) {
    bed.device->conclude();
    bed.concluded = true;
  }
  return bed.feed->due(elapsed_s) != nullptr || bed.feed->due_block(elapsed_s).has_value();
}

/// A block makes at most one run, and a part of the next.
void Ward::feed_blocks(Bed& bed, double elapsed_s) {
  auto block = bed.feed->due_block(elapsed_s);
  if (!block) return;
  const auto waiting = bed.device->status().runs_waiting;
  for (auto room = waiting < kPaceRunsAt ? kPaceRunsAt - waiting : 0; room > 0 && block; --room) {
    const auto refusal = bed.device->waveform(*block->waveform, block->samples, block->tick_ms);
    if (refusal != wardlink::Refusal::none) {
      throw std::logic_error("Samples were refused: " + std::string(to_string(refusal)) + ".");
    }
    bed.feed->take_block();
    block = bed.feed->due_block(elapsed_s);
  }
}

bool Ward::over(double elapsed_s) const {
  return std::all_of(beds_.begin(), beds_.end(), [&](const Bed& bed) { return bed.feed->over(elapsed_s); });
}

// -- the end ---------------------------------------------------------------------------------------------------------

void Ward::drain(const std::atomic<bool>& interrupted) {
  auto until =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(config_.drain_s));
  bool hurried = false;
  const auto hurry = [&] {
    if (interrupted && !std::exchange(hurried, true)) until = std::min(until, Clock::now() + kInterruptedDrain);
  };
  const auto waiting = [](const Bed& bed) { return !drained(bed.device->status()); };
  for (hurry(); Clock::now() < until && std::any_of(beds_.begin(), beds_.end(), waiting); hurry()) {
    write_status_each_second();
    std::this_thread::sleep_for(20ms);
  }
  for (auto& bed : beds_) {
    const auto before = bed.device->status();
    const auto problem = before.last_problem;
    // Runs that are under way become whole as it stops; where the rest has gone, they go too. To stop thousands takes
    // seconds, in which another's alarm may have come due.
    hurry();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(until - Clock::now(), Clock::duration{}));
    bed.device->stop(!drained(before) ? left : hurried ? std::min(left, kLastRuns) : kLastRuns);
    bed.last = bed.device->status();
    bed.last.last_problem = drained(bed.last) ? "" : problem;
  }
}

// -- what others read ------------------------------------------------------------------------------------------------

void Ward::write_ready() const {
  std::size_t connected = 0;
  for (const auto& bed : beds_) connected += bed.device->status().connected ? 1 : 0;
  write_atomically(config_.ready_file, {{"pid", ::getpid()}, {"devices", beds_.size()}, {"connected", connected}});
}

void Ward::write_status_each_second() {
  if (config_.status_file.empty() || Clock::now() < status_at_) return;
  write_status(true);
  status_at_ = Clock::now() + 1s;
}

void Ward::write_status(bool running) {
  if (config_.status_file.empty()) return;
  Json devices = Json::array();
  wardlink::DeviceStatus sum;
  std::size_t connected = 0;
  for (const auto& bed : beds_) {
    const auto status = running ? bed.device->status() : bed.last;
    Json one{{"label", bed.label}, {"urn", bed.urn}, {"boot", bed.device->boot()}, {"replay", bed.replay}};
    one["connected"] = status.connected;
    one["last_problem"] = status.last_problem;
    one.update(counts(status));
    devices.push_back(std::move(one));
    add(sum, status);
    connected += status.connected ? 1 : 0;
  }
  Json totals = counts(sum);
  totals["connected"] = connected;
  write_atomically(config_.status_file,
                   {{"pid", ::getpid()}, {"running", running}, {"totals", totals}, {"devices", std::move(devices)}});
}

std::string Ward::report() const {
  std::size_t width = 6;
  for (const auto& bed : beds_) width = std::max(width, bed.label.size());
  std::ostringstream text;
  const auto row = [&](const std::string& label, const wardlink::DeviceStatus& s) {
    text << std::left << std::setw(static_cast<int>(width)) << label << std::right << std::setw(11) << s.sets_generated
         << std::setw(9) << s.sets_sent << std::setw(9) << s.sets_dropped << std::setw(9) << s.sets_waiting
         << std::setw(9) << s.runs_sent << std::setw(9) << s.alarms_generated << std::setw(14) << s.alarms_acknowledged
         << (s.last_problem.empty() ? "" : "  " + s.last_problem) << '\n';
  };
  text << std::left << std::setw(static_cast<int>(width)) << "device" << std::right << std::setw(11) << "generated"
       << std::setw(9) << "sent" << std::setw(9) << "dropped" << std::setw(9) << "unsent" << std::setw(9) << "runs"
       << std::setw(9) << "alarms" << std::setw(14) << "acknowledged" << '\n';
  wardlink::DeviceStatus sum;
  for (const auto& bed : beds_) {
    row(bed.label, bed.last);
    add(sum, bed.last);
  }
  row("total", sum);
  return text.str();
}

}  // namespace ward
