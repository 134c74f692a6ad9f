#include "journal_descriptor.hpp"

#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace wardlink {

bool lock_file(int file) { return ::flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

JournalDescriptor::~JournalDescriptor() {
  if (file_ >= 0) ::close(file_);
}

JournalDescriptor::JournalDescriptor(JournalDescriptor&& other) noexcept
    : file_(std::exchange(other.file_, -1)), size_(other.size_), torn_(other.torn_) {}

JournalDescriptor& JournalDescriptor::operator=(JournalDescriptor&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  std::swap(torn_, other.torn_);
  return *this;
}

std::size_t JournalDescriptor::append(const std::string& lines) {
  const std::string text = torn_ ? '\n' + lines : lines;
  const std::size_t before = text.size() - lines.size();
  std::size_t done = 0;
  while (done < text.size()) {
    const auto count = ::write(file_, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  const auto newline = done == 0 ? std::string::npos : text.rfind('\n', done - 1);
  const std::size_t whole = newline == std::string::npos ? 0 : newline + 1;
  if (whole < done && ::ftruncate(file_, static_cast<off_t>(size_ + whole)) == 0) done = whole;
  size_ += done;
  if (done > 0) torn_ = done > whole;
  return whole > before ? whole - before : 0;
}

}  // namespace wardlink
