// The audit book on a disk: every line is handed to the kernel at once, and none is ever taken back.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <stdexcept>

#include "journal_descriptor.hpp"
#include "journal_line.hpp"
#include "locks/mutex.hpp"
#include "wardlink/journal.hpp"

namespace wardlink {
namespace {

constexpr std::size_t kMostWaiting = 1 << 20;  // bytes

class AuditBook final : public Journal {
 public:
  AuditBook(const std::string& path, std::string device) : device_(std::move(device)) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) {
      throw std::runtime_error("The audit book " + path + " cannot be opened: " + std::strerror(errno) + ".");
    }
    struct stat about {};
    const bool regular = ::fstat(file, &about) == 0 && S_ISREG(about.st_mode);
    if (regular && !lock_file(file)) {
      ::close(file);
      throw std::runtime_error("The audit book " + path + " is in use by another device.");
    }
    // Asked for once more: until the lock was had, another may have appended.
    const auto size = regular && ::fstat(file, &about) == 0 ? about.st_size : 0;
    char last = '\n';
    const bool torn = size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
    file_ = JournalDescriptor(file, static_cast<std::size_t>(size), torn);
  }
  ~AuditBook() override { file_.append(waiting_); }

  bool generated(std::uint64_t boot, const SequencedSet& set) override {
    return write(boot, journal_line::set(boot, set));
  }
  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    return write(boot, journal_line::alarm(boot, alarm));
  }
  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) override {
    return write(boot, journal_line::ack(boot, sequence, at));
  }

 private:
  bool write(std::uint64_t boot, std::string line) {
    const locks::Lock lock(mutex_);
    if (!boots_.contains(boot)) line.insert(0, journal_line::boot(device_, boot));
    if (waiting_.size() + line.size() > kMostWaiting) {
      waiting_.erase(0, file_.append(waiting_));
      if (waiting_.size() + line.size() > kMostWaiting) return false;
    }
    waiting_ += line;
    boots_.insert(boot);
    waiting_.erase(0, file_.append(waiting_));
    return true;
  }

  locks::Mutex mutex_;
  const std::string device_;
  JournalDescriptor file_ GUARDED_BY(mutex_);
  std::set<std::uint64_t> boots_ GUARDED_BY(mutex_);  // announced by this process
  std::string waiting_ GUARDED_BY(mutex_);            // that the disk had no room for
};

}  // namespace

std::unique_ptr<Journal> open_audit_book(const std::string& path, const std::string& device) {
  return std::make_unique<AuditBook>(path, device);
}

}  // namespace wardlink
