#include "client/verb.hpp"

#include <CLI/CLI.hpp>
#include <utility>

namespace wardlink::command_line {
namespace {

void set(CLI::Option& option, const Word& how) {
  option.type_name(how.type)->required(how.required)->delimiter(how.delimiter);
  if (how.shows_default) option.capture_default_str();
  if (how.single_value) option.allow_extra_args(false);
  // A variable that is not set is no wish: what may be left out is to be left out.
  option.check(CLI::Validator([](const std::string& value) { return value.empty() ? "is empty" : ""; }, ""));
  if (how.one_of.size() > 0)
    option.check(CLI::IsMember(std::vector<std::string>(how.one_of.begin(), how.one_of.end())));
}

}  // namespace

Verb::Verb(CLI::App& noun, const char* name, const char* what, const char* footer)
    : app_(*noun.add_subcommand(name, what)) {
  app_.fallthrough();
  if (footer != nullptr) app_.footer(footer);
}

void Verb::add(const char* name, std::string& value, const char* what, const Word& how) {
  set(*app_.add_option(name, value, what), how);
}

void Verb::add(const char* name, std::vector<std::string>& values, const char* what, const Word& how) {
  set(*app_.add_option(name, values, what), how);
}

void Verb::add(const char* name, std::uint64_t& value, const char* what, const Word& how) {
  set(*app_.add_option(name, value, what), how);
}

void Verb::add(const char* name, std::uint64_t& value, const char* what, IntegerRange range, const Word& how) {
  set(*app_.add_option(name, value, what)->check(CLI::Range(range.least, range.most)), how);
}

void Verb::add(const char* name, double& value, const char* what, NumberRange range, const Word& how) {
  set(*app_.add_option(name, value, what)->check(CLI::Range(range.least, range.most)), how);
}

void Verb::add(const char* name, bool& value, const char* what) { app_.add_flag(name, value, what); }

void Verb::runs(Command& chosen, Command command) {
  app_.callback([&chosen, command = std::move(command)] { chosen = command; });
}

}  // namespace wardlink::command_line
