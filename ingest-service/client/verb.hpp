#pragma once
// One verb of the command line, such as `history` in `wardlink vitals history`. Keeps CLI11 out of the commands: every
// file that includes it takes four seconds longer to compile.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace wardlink::command_line {

struct Session;

/// What a verb does. Returns an ExitCode; throws Failure.
using Command = std::function<int(Session&)>;

/// How an option or a positional argument is typed, and how --help shows it. Write it into the call of Verb::add():
/// `one_of` does not outlive the statement.
struct Word {
  const char* type = "";       // what --help calls the value: TIME, N; "" = nothing
  bool required = false;       // may not be left out
  bool shows_default = false;  // --help shows the value that the variable has when it is added
  bool single_value = false;   // lists: one value after each --name; otherwise all values up to the next option
  char delimiter = '\0';       // lists: splits one word into several values; '\0' = no splitting
  std::initializer_list<const char*> one_of = {};  // the values allowed; none = any
};

/// The values allowed for a whole number, both ends included.
struct IntegerRange {
  int least, most;
};

/// The values allowed for a number, both ends included.
struct NumberRange {
  double least, most;
};

/// Declares a verb; parsing the command line then fills the variables and chooses the command. Options that the verb
/// does not have are looked for in its noun and then in the app.
class Verb {
 public:
  /// Adds the verb `name` to `noun`, with `what` as its help. No footer = the noun's.
  Verb(CLI::App& noun, const char* name, const char* what, const char* footer = nullptr);

  /// Adds an option where `name` begins with "--", otherwise a positional argument. Parsing writes to the variable,
  /// which must therefore live as long as the noun: let the command given to runs() own it. What is typed and does not
  /// fit the variable's type, the range or `how` ends the client with exit_usage. The same name twice throws
  /// CLI::OptionAlreadyAdded.
  void add(const char* name, std::string& value, const char* what, const Word& how = {});
  void add(const char* name, std::vector<std::string>& values, const char* what, const Word& how = {});
  void add(const char* name, std::uint64_t& value, const char* what, const Word& how = {});
  void add(const char* name, std::uint64_t& value, const char* what, IntegerRange range, const Word& how = {});
  void add(const char* name, double& value, const char* what, NumberRange range, const Word& how = {});
  /// A flag: true when it is given.
  void add(const char* name, bool& value, const char* what);

  /// Parsing a command line with this verb sets `chosen`, which must outlive the noun, to `command`. The noun keeps
  /// `command` and all that it owns.
  void runs(Command& chosen, Command command);

 private:
  CLI::App& app_;  // owned by the noun
};

}  // namespace wardlink::command_line
