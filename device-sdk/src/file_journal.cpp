// The journal's file tenant: one JSON object a line, appended. Every line is handed to the kernel at once, so it
// outlives the process; an alarm's line is on the disk before its record is sent, so it outlives the power.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "wardlink/journal.hpp"

namespace wardlink {
namespace {

using Json = nlohmann::ordered_json;

/// Integers as such, all else in the shortest decimal that reads back as the same double.
Json number(double value) {
  constexpr double exact = 9007199254740992.0;  // 2^53
  if (value == std::trunc(value) && std::abs(value) < exact) return static_cast<std::int64_t>(value);
  return value;
}

std::string_view wire_name(signs::SignId id) { return signs::find(id)->wire; }

Json to_json(std::uint64_t boot, const SequencedSet& set) {
  Json signs = Json::object();
  for (const auto& reading : set.readings) signs[std::string(wire_name(reading.sign))] = number(reading.value);
  return {{"type", "set"}, {"boot", boot}, {"seq", set.sequence}, {"tk", set.tick_ms}, {"signs", std::move(signs)}};
}

Json to_json(std::uint64_t boot, const SequencedAlarm& record) {
  const auto& alarm = record.alarm;
  const bool ended = record.event == SequencedAlarm::Event::ended;
  Json line{{"type", "alarm"}, {"boot", boot}, {"seq", record.sequence}, {"tk", record.tick_ms}};
  line["event"] = ended ? "ended" : "raised";
  line["code"] = alarm.code;
  line["kind"] = alarm.kind == AlarmKind::technical ? "technical" : "physiological";
  line["priority"] = static_cast<int>(alarm.priority);
  if (ended) line["onset_seq"] = record.onset_sequence;
  if (alarm.sign) line["sign"] = wire_name(*alarm.sign);
  if (alarm.value) line["value"] = number(*alarm.value);
  if (alarm.limit) line["limit"] = number(*alarm.limit);
  return line;
}

class FileJournal final : public Journal {
 public:
  FileJournal(const std::string& path, std::string device)
      : device_(std::move(device)), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (file_ < 0) {
      throw std::runtime_error("The journal " + path + " cannot be opened: " + std::strerror(errno) + ".");
    }
  }
  ~FileJournal() override { ::close(file_); }
  FileJournal(const FileJournal&) = delete;
  FileJournal& operator=(const FileJournal&) = delete;

  bool generated(std::uint64_t boot, const SequencedSet& set) override { return append(boot, to_json(boot, set)); }

  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    // Outside of the lock: a slow disk must not hold up who only reports sets.
    return append(boot, to_json(boot, alarm)) && ::fdatasync(file_) == 0;
  }

  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) override {
    const auto since_1970 = std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch());
    return append(boot, {{"type", "ack"}, {"boot", boot}, {"seq", sequence}, {"at_us", since_1970.count()}});
  }

 private:
  bool append(std::uint64_t boot, const Json& line) {
    const auto text = line.dump() + '\n';
    const std::lock_guard lock(mutex_);
    if (!boots_.contains(boot)) {
      const Json first{{"type", "boot"}, {"device", device_}, {"boot", boot}};
      if (!write(first.dump() + '\n')) return false;
      boots_.insert(boot);
    }
    return write(text);
  }

  /// A line that a full disk cuts off stays cut off; the next one starts on a line of its own.
  bool write(const std::string& line) {
    const auto text = torn_ ? '\n' + line : line;
    std::size_t done = 0;
    while (done < text.size()) {
      const auto count = ::write(file_, text.data() + done, text.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      done += static_cast<std::size_t>(count);
    }
    if (done > 0) torn_ = done < text.size();
    return done == text.size();
  }

  std::mutex mutex_;
  std::string device_;
  int file_;
  std::set<std::uint64_t> boots_;  // announced in this file by this process
  bool torn_ = false;
};

}  // namespace

std::unique_ptr<Journal> open_file_journal(const std::string& path, const std::string& device) {
  return std::make_unique<FileJournal>(path, device);
}

}  // namespace wardlink
