// The journal of debts on a disk: what is promised is appended and synchronised; what is owed no more goes when the
// file is written anew.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>

#include "journal_descriptor.hpp"
#include "journal_ledger.hpp"
#include "journal_line.hpp"
#include "locks/mutex.hpp"
#include "wardlink/journal.hpp"

namespace wardlink {
namespace {

constexpr std::size_t kRotateAbove = 64 << 10;  // bytes
constexpr std::size_t kMostWaitingAcks = 64 << 10;
constexpr int kMostOpenings = 8;  // of a file that others keep replacing

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw std::runtime_error("The journal " + path + " cannot be " + what + ": " + std::strerror(errno) + ".");
}

int synchronise_folder_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const int folder = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -1;
  const int result = ::fsync(folder);
  const int why = errno;
  ::close(folder);
  errno = why;
  return result;
}

/// Whether that is the file's name still: a rotation by whoever had it open before gives the name to another.
bool is_named(const struct stat& file, const std::string& path) {
  struct stat named {};
  return ::stat(path.c_str(), &named) == 0 && named.st_dev == file.st_dev && named.st_ino == file.st_ino;
}

class FileJournal final : public Journal {
 public:
  FileJournal(const std::string& path, const std::string& device) : path_(path), ledger_(device) {
    open();
    if (!regular_) return;  // a pipe, say: nothing to come back to

    path_ = std::filesystem::canonical(path_).string();  // a renamed file must not take a link's place
    read();
    if (::fsync(file_.number()) != 0 || synchronise_folder_of(path_) != 0) fail(path_, "made durable");
    damaged_ = ledger_.damaged();
    kept_ = ledger_.kept();
    if (file_.size() > 0 && !ledger_.headed()) rotate();  // of format 1; where there is no room it goes on as it is
  }

  bool generated(std::uint64_t, const SequencedSet&) override { return true; }

  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    return generated_all(boot, {&alarm, 1}) == 1;
  }

  std::size_t generated_all(std::uint64_t boot, std::span<const SequencedAlarm> alarms) override {
    const locks::Lock writer(writer_);
    std::size_t taken = 0;
    int number = -1;
    {
      const locks::Lock lock(mutex_);
      if (must_rotate() && !rotate() && suspect_) return 0;
      taken = append(boot, alarms);
      number = file_.number();
    }
    // Outside of the lock: a slow disk must not hold up the ACKs. No one else closes the file meanwhile.
    if (taken == 0 || synchronise(number)) return taken;
    const locks::Lock lock(mutex_);
    suspect_ = true;
    return 0;
  }

  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) override {
    const locks::Lock lock(mutex_);
    if (!ledger_.settle(boot, sequence)) return true;  // never written
    waiting_acks_ += journal_line::ack(boot, sequence, at);
    waiting_acks_.erase(0, file_.append(waiting_acks_));
    const bool written = waiting_acks_.empty();
    if (waiting_acks_.size() > kMostWaitingAcks) waiting_acks_.clear();  // delivered once more, then
    return written;
  }

  bool good_date(std::int64_t at) override {
    const locks::Lock writer(writer_);
    int number = -1;
    {
      const locks::Lock lock(mutex_);
      if (must_rotate() && !rotate() && suspect_) return false;
      if (!append(at)) return false;
      number = file_.number();
    }
    if (synchronise(number)) return true;
    const locks::Lock lock(mutex_);
    suspect_ = true;
    return false;
  }

  std::int64_t latest_good_date() override {
    const locks::Lock lock(mutex_);
    return ledger_.latest_good_date();
  }

  std::vector<OwedAlarm> owed() override {
    const locks::Lock lock(mutex_);
    return ledger_.owed();
  }

  std::uint64_t damaged_lines() const override { return damaged_; }
  std::uint64_t kept_lines() const override { return kept_; }

 private:
  /// Opens the file and locks it, so that it is this one's and the name's until it is closed.
  void open() REQUIRES(writer_, mutex_) {
    for (int openings = 0; openings < kMostOpenings; ++openings) {
      file_ = JournalDescriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
      if (file_.number() < 0) fail(path_, "opened");
      struct stat about {};
      regular_ = ::fstat(file_.number(), &about) == 0 && S_ISREG(about.st_mode);
      mode_ = about.st_mode & 0777;
      if (!regular_) return;
      if (!lock_file(file_.number())) break;
      if (is_named(about, path_)) return;
    }
    throw std::runtime_error("The journal " + path_ + " is in use by another device.");
  }

  /// The last line, where it is not whole, is what the process or the power died in.
  void read() REQUIRES(writer_, mutex_) {
    std::ifstream in(path_, std::ios::binary);
    std::string last;
    std::size_t begin = 0;
    bool ends = false, any = false;
    for (std::string text; std::getline(in, text); any = true) {
      if (any) {
        ledger_.take(last);
        begin += last.size() + 1;
      }
      ends = !in.eof();
      last = std::move(text);
    }
    if (!in.is_open() || in.bad()) fail(path_, "read");
    if (!any) return;
    const bool whole = ends && journal_line::read(last);
    if (whole) ledger_.take(last);
    if (!whole && ::ftruncate(file_.number(), static_cast<off_t>(begin)) != 0) fail(path_, "mended");
    file_.set_size(whole ? begin + last.size() + 1 : begin);
  }

  bool must_rotate() const REQUIRES(mutex_) {
    if (!regular_) return false;
    if (suspect_) return true;
    const bool due = file_.size() > kRotateAbove && file_.size() > 2 * ledger_.size();
    return due && file_.size() >= next_rotation_;
  }

  /// Returns how many of the alarms, from the first on, are in the file. What waits goes first.
  std::size_t append(std::uint64_t boot, std::span<const SequencedAlarm> alarms) REQUIRES(mutex_) {
    const auto opening = ledger_.opening(boot);
    std::string text = waiting_acks_ + opening;
    std::vector<std::pair<std::size_t, std::string>> lines;  // each with where it ends in `text`
    for (const auto& alarm : alarms) {
      auto line = ledger_.owes(boot, alarm.sequence) ? std::string() : journal_line::alarm(boot, alarm);
      text += line;
      lines.emplace_back(text.size(), std::move(line));
    }
    const auto written = file_.append(text);
    if (written >= waiting_acks_.size() + opening.size()) ledger_.opened(boot);
    std::size_t taken = 0;
    for (; taken < lines.size() && lines[taken].first <= written; ++taken) {
      auto& line = lines[taken].second;
      if (!line.empty()) ledger_.owe(boot, alarms[taken].sequence, std::move(line));
    }
    waiting_acks_.erase(0, std::min(written, waiting_acks_.size()));
    return taken;
  }

  /// The same with a date; false: it is not in the file.
  bool append(std::int64_t good_date) REQUIRES(mutex_) {
    const auto line = journal_line::good_date(good_date);
    const auto text = waiting_acks_ + ledger_.heading() + line;
    const auto written = file_.append(text);
    waiting_acks_.erase(0, std::min(written, waiting_acks_.size()));
    if (written >= text.size() - line.size()) ledger_.begun();
    if (written < text.size()) return false;
    ledger_.good_date(good_date);
    return true;
  }

  /// Whatever fails before the rename leaves the file that is there as it is; until the folder is synchronised after
  /// it, nothing is promised.
  bool rotate() REQUIRES(writer_, mutex_) {
    const auto fresh_path = path_ + ".new";
    const auto content = ledger_.content();
    JournalDescriptor fresh(::open(fresh_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    const bool written = fresh.number() >= 0 && ::fchmod(fresh.number(), mode_) == 0 && lock_file(fresh.number()) &&
                         fresh.append(content) == content.size() && ::fsync(fresh.number()) == 0 &&
                         ::rename(fresh_path.c_str(), path_.c_str()) == 0;
    if (!written) {
      ::unlink(fresh_path.c_str());
      next_rotation_ = file_.size() + kRotateAbove;
      return false;
    }
    file_ = std::move(fresh);
    ledger_.rewritten();
    waiting_acks_.clear();
    next_rotation_ = 0;
    suspect_ = false;
    folder_waits_ = true;
    return true;
  }

  bool synchronise(int file) REQUIRES(writer_) {
    if (::fdatasync(file) != 0) return false;
    if (folder_waits_ && synchronise_folder_of(path_) != 0) return false;
    folder_waits_ = false;
    return true;
  }

  locks::Mutex mutex_;
  locks::Mutex writer_ ACQUIRED_BEFORE(mutex_);  // held by whoever promises
  std::string path_;
  JournalLedger ledger_ GUARDED_BY(mutex_);
  JournalDescriptor file_ GUARDED_BY(mutex_);  // replaced by whoever holds writer_, too
  bool regular_ = false;
  mode_t mode_ = 0600;
  std::uint64_t damaged_ = 0, kept_ = 0;
  std::string waiting_acks_ GUARDED_BY(mutex_);       // that the disk had no room for
  std::size_t next_rotation_ GUARDED_BY(mutex_) = 0;  // the file's size; after one that failed
  /// A sync failed: the kernel may have dropped what it held, and say so only once.
  bool suspect_ GUARDED_BY(mutex_) = false;
  bool folder_waits_ GUARDED_BY(writer_) = false;  // the new file's name may not be on the disk
};

}  // namespace

std::unique_ptr<Journal> open_file_journal(const std::string& path, const std::string& device) {
  return std::make_unique<FileJournal>(path, device);
}

}  // namespace wardlink
