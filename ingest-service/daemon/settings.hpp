#pragma once
// A daemon's settings: flags, and one TOML file whose keys are the flags' long names without the dashes. A flag wins
// over the file. The file is real TOML, so a '#' in a password is a '#'; what it holds is checked key by key, so that a
// slip of the pen does not become a default in silence.

#include <CLI/CLI.hpp>
#include <string>

namespace wardlink::daemon {

/// Adds --config FILE and --print-config to an app that has all its other options. A flag that makes no sense in a file
/// is configurable(false).
void add_settings_file(CLI::App& app);

/// Reads the command line, and the file that it names. True: the program may run. False: it is done (--help, --version,
/// --print-config, or a mistake, which has been told in one sentence), and `exit_code` says how to end.
bool read_settings(CLI::App& app, int argc, const char* const* argv, int& exit_code);

/// What --print-config prints: TOML with every key, its description and its value; keys that have none are commented
/// out. Read back by --config, it says the same.
std::string settings_text(const CLI::App& app);

}  // namespace wardlink::daemon
