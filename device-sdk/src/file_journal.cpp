// The journal's file tenant: one JSON object a line, appended. Every line is handed to the kernel at once, so it
// outlives the process; an alarm's line is on the disk before its record is sent, so it outlives the power.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <utility>

#include "journal_line.hpp"
#include "wardlink/journal.hpp"

namespace wardlink {
namespace {

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw std::runtime_error("The journal " + path + " cannot be " + what + ": " + std::strerror(errno) + ".");
}

/// Every line with the place where it begins; `ends`: a newline follows it.
void for_each_line(const std::string& path,
                   const std::function<void(std::uint64_t begin, const std::string& text, bool ends)>& visit) {
  std::ifstream file(path, std::ios::binary);
  std::uint64_t begin = 0;
  for (std::string text; std::getline(file, text);) {
    visit(begin, text, !file.eof());
    begin += text.size() + 1;
  }
}

/// What the whole lines of a journal leave owed to one device.
class Ledger {
 public:
  explicit Ledger(std::string device) : device_(std::move(device)) {}

  void take(journal_line::Line line) {
    if (const auto* boot = std::get_if<journal_line::Boot>(&line)) {
      if (boot->device != device_) foreign_.insert(boot->boot);
    } else if (auto* alarm = std::get_if<OwedAlarm>(&line)) {
      const auto [at, fresh] = place_.emplace(Key{alarm->boot, alarm->record.sequence}, place_.size());
      if (fresh) owed_.emplace(at->second, std::move(*alarm));
    } else if (const auto* ack = std::get_if<journal_line::Ack>(&line)) {
      const auto at = place_.find({ack->boot, ack->sequence});
      if (at != place_.end()) owed_.erase(at->second);
    }
  }

  std::vector<OwedAlarm> owed() && {
    std::vector<OwedAlarm> all;
    for (auto& [place, alarm] : owed_) {
      if (!foreign_.contains(alarm.boot)) all.push_back(std::move(alarm));
    }
    return all;
  }

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // boot, sequence
  std::string device_;
  std::set<std::uint64_t> foreign_;        // boots of another device that wrote here
  std::map<Key, std::size_t> place_;       // in the order of the lines
  std::map<std::size_t, OwedAlarm> owed_;  // by place
};

class FileJournal final : public Journal {
 public:
  FileJournal(std::string path, std::string device)
      : path_(std::move(path)),
        device_(std::move(device)),
        file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (file_ < 0) fail(path_, "opened");
    struct stat about {};
    regular_ = ::fstat(file_, &about) == 0 && S_ISREG(about.st_mode);
    if (!regular_) return;  // a pipe, say: nothing to come back to
    try {
      cut_torn_tail();
      make_durable();
    } catch (...) {
      ::close(file_);
      throw;
    }
  }
  ~FileJournal() override { ::close(file_); }
  FileJournal(const FileJournal&) = delete;
  FileJournal& operator=(const FileJournal&) = delete;

  bool generated(std::uint64_t boot, const SequencedSet& set) override {
    return append(boot, journal_line::set(boot, set));
  }

  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    // Outside of the lock: a slow disk must not hold up who only reports sets.
    return append(boot, journal_line::alarm(boot, alarm)) && ::fdatasync(file_) == 0;
  }

  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) override {
    return append(boot, journal_line::ack(boot, sequence, at));
  }

  std::vector<OwedAlarm> owed() override {
    if (!regular_) return {};
    Ledger ledger(device_);
    const std::lock_guard lock(mutex_);
    for_each_line(path_, [&](std::uint64_t, const std::string& text, bool ends) {
      auto line = ends ? journal_line::read(text) : std::nullopt;
      if (line) ledger.take(std::move(*line));
    });
    return std::move(ledger).owed();
  }

  std::uint64_t damaged_lines() const override { return damaged_; }

 private:
  /// The last line, where it is not whole, is what the process or the power died in: its record was never sent. A line
  /// that is not whole before it stays, for people to look at.
  void cut_torn_tail() {
    std::optional<std::uint64_t> torn_at;  // the last line seen, if it is not whole
    for_each_line(path_, [&](std::uint64_t begin, const std::string& text, bool ends) {
      if (torn_at) ++damaged_;
      torn_at.reset();
      if (!ends || !journal_line::read(text)) torn_at = begin;
    });
    if (torn_at && ::ftruncate(file_, static_cast<off_t>(*torn_at)) != 0) fail(path_, "mended");
  }

  /// The file's bytes, and its name in its folder.
  void make_durable() {
    const auto parent = std::filesystem::path(path_).parent_path();
    const int folder = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool durable = folder >= 0 && ::fsync(file_) == 0 && ::fsync(folder) == 0;
    const int why = errno;
    if (folder >= 0) ::close(folder);
    errno = why;
    if (!durable) fail(path_, "made durable");
  }

  bool append(std::uint64_t boot, const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (!boots_.contains(boot)) {
      if (!write(journal_line::boot(device_, boot))) return false;
      boots_.insert(boot);
    }
    return write(line);
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
  std::string path_, device_;
  int file_;
  bool regular_ = false;
  std::uint64_t damaged_ = 0;
  std::set<std::uint64_t> boots_;  // announced in this file by this process
  bool torn_ = false;
};

}  // namespace

std::unique_ptr<Journal> open_file_journal(const std::string& path, const std::string& device) {
  return std::make_unique<FileJournal>(path, device);
}

}  // namespace wardlink
