#pragma once
// A file that lines are appended to, and what a full disk leaves of them.

#include <cstddef>
#include <string>

namespace wardlink {

/// Takes the file's lock, which lasts as long as its descriptor. False: another descriptor has it, in this process or
/// another. A file system without locks lets everybody.
bool lock_file(int file);

/// Owns a descriptor opened with O_APPEND, of a file that nobody else writes to. Not thread-safe.
class JournalDescriptor {
 public:
  JournalDescriptor() = default;
  /// `torn`: the file's last line has no newline, and stays as it is.
  explicit JournalDescriptor(int file, std::size_t size = 0, bool torn = false)
      : file_(file), size_(size), torn_(torn) {}
  ~JournalDescriptor();
  JournalDescriptor(JournalDescriptor&& other) noexcept;
  JournalDescriptor& operator=(JournalDescriptor&& other) noexcept;

  int number() const { return file_; }
  std::size_t size() const { return size_; }
  void set_size(std::size_t size) { size_ = size; }

  /// Returns the bytes of `lines`, whole lines with their newlines, that are in the kernel now: all, or those that the
  /// disk had room for. Of a line that was cut off nothing stays; where that cannot be had, as on a pipe, the next one
  /// begins on a line of its own.
  std::size_t append(const std::string& lines);

 private:
  int file_ = -1;
  std::size_t size_ = 0;
  bool torn_ = false;
};

}  // namespace wardlink
