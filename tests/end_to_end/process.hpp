#pragma once
// Real processes, started by a test and gone with it.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace wardlink::testing {

/// A child process with its output in a file. Killed when the object goes, and when the test dies.
class Process {
 public:
  Process() = default;
  Process(std::vector<std::string> command, std::string log_path);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  void signal(int number) const;
  /// Waits for its end; the exit code, or 128 + signal.
  int wait();
  bool running();
  pid_t pid() const { return pid_; }
  /// Resident memory in KiB (proc(5), VmRSS).
  long resident_kib() const;
  std::string log() const;

 private:
  pid_t pid_ = -1;
  std::string log_path_;
};

/// In the order in which they were started.
std::vector<pid_t> children_of(pid_t parent);

/// Runs a command to its end; its standard output. Throws std::runtime_error with its output when it fails.
std::string run(const std::vector<std::string>& command);

/// Waits until `condition` holds; false when it did not within `limit`. The limit only bounds a failing test.
bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds{240});

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text);

/// A folder that every user can enter (PostgreSQL runs as its own), removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace wardlink::testing
