#pragma once
// A daemon's settings: flags, and one TOML file whose keys are the flags' long names without the dashes. A flag wins
// over the file. The file is real TOML, so a '#' in a password is a '#'; what it holds is checked key by key, so that a
// slip of the pen does not become a default in silence.
//
// Keeps CLI11 out of the daemons: every file that uses it takes five seconds longer to compile.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace wardlink::daemon {

/// The values allowed for a number, both ends included.
struct IntegerRange {
  int least, most;
};
/// The same; --help calls them UINT instead of INT.
struct SizeRange {
  std::size_t least, most;
};

/// Declares a daemon's settings, then reads them once.
class Settings {
 public:
  /// --version prints `program` and `version`; --help begins with `about` and ends with `footer`.
  Settings(const std::string& program, const std::string& version, const char* about, const char* footer = "");
  ~Settings();
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  /// Adds an option; `name` begins with "--". read() writes to the variable. The value that the variable has now is the
  /// default, which --help and --print-config show unless it is an empty text.
  void add(const char* name, std::string& value, const char* what);
  void add(const char* name, std::uint16_t& value, const char* what);
  void add(const char* name, unsigned& value, const char* what, IntegerRange range);
  void add(const char* name, std::size_t& value, const char* what, IntegerRange range);
  void add(const char* name, std::size_t& value, const char* what, SizeRange range);
  /// An option that may be repeated: a list in the file. There is no default.
  void add(const char* name, std::vector<std::string>& values, const char* what);
  /// A flag: true when it is given.
  void add(const char* name, bool& value, const char* what);
  /// A flag that the file may not hold.
  void add_for_command_line(const char* name, bool& value, const char* what);

  /// Reads the command line, and the file that --config names. True: the program may run. False: it is done (--help,
  /// --version, --print-config, or a mistake, which has been told in one sentence), and `exit_code` says how to end.
  /// What --print-config prints is TOML with every key, its description and its value; keys that have none are
  /// commented out. Read back by --config, it says the same.
  bool read(int argc, const char* const* argv, int& exit_code);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace wardlink::daemon
