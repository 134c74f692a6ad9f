#include "timed_ward.hpp"

#include <algorithm>
#include <cstdio>
#include <iomanip>
#include <sstream>
#include <utility>

namespace wardlink::testing {

bool Stopwatch::generated(std::uint64_t boot, const SequencedAlarm& alarm) {
  const std::lock_guard lock(mutex_);
  begun_[{boot, alarm.sequence}] = Clock::now();
  return true;
}

bool Stopwatch::acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point) {
  const std::lock_guard lock(mutex_);
  taken_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun_.at({boot, sequence})).count());
  return true;
}

std::vector<double> Stopwatch::take() {
  const std::lock_guard lock(mutex_);
  auto all = std::exchange(taken_, {});
  std::sort(all.begin(), all.end());
  return all;
}

double quantile(const std::vector<double>& sorted, double share) {
  return sorted.at(std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size()))));
}

std::string words(const std::vector<double>& sorted) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << quantile(sorted, 0.5) << " / " << quantile(sorted, 0.99) << " ms";
  return text.str();
}

TimedWard::TimedWard(const Stack& stack, std::size_t devices) : open_(devices) {
  stack.make_pki("devices", {std::to_string(devices)});
  for (std::size_t i = 1; i <= devices; ++i) {
    char label[32];
    std::snprintf(label, sizeof label, "device-%04zu", i);
    DeviceOptions options;
    options.server = "127.0.0.1";
    options.port = stack.ingest_port();
    options.credentials = stack.credentials(std::string("devices/") + label);
    options.journal = stopwatch;
    options.runtime = runtime_;
    devices_.push_back(std::make_unique<Device>(std::move(options)));
    devices_.back()->start();
  }
}

bool TimedWard::connected() const {
  return std::all_of(devices_.begin(), devices_.end(), [](const auto& one) { return one->status().connected; });
}

void TimedWard::act() {
  const auto which = next_++ % devices_.size();
  if (open_[which]) {
    devices_[which]->end(*std::exchange(open_[which], std::nullopt));
    return;
  }
  Alarm alarm;
  alarm.kind = AlarmKind::technical;
  alarm.code = "lead-off";
  open_[which] = devices_[which]->raise(alarm);
}

void TimedWard::report() { devices_[next_ % devices_.size()]->report({{{signs::find("hr")->id, 72.0}}, {}}); }

std::uint64_t TimedWard::sum(std::uint64_t DeviceStatus::*count) const {
  std::uint64_t total = 0;
  for (const auto& one : devices_) total += one->status().*count;
  return total;
}

}  // namespace wardlink::testing
