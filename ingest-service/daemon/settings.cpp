#include "daemon/settings.hpp"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <sstream>

namespace wardlink::daemon {
namespace {

constexpr std::size_t width = 118;  // of a comment

std::string key_of(const CLI::Option& option) {
  return option.get_lnames().empty() ? std::string{} : option.get_lnames().front();
}

bool is_flag(const CLI::Option& option) { return option.get_expected_min() == 0; }
bool is_list(const CLI::Option& option) { return option.get_expected_max() > 1; }
bool is_number(const CLI::Option& option) {
  const auto type = option.get_type_name();
  return type.starts_with("UINT") || type.starts_with("INT");
}

std::string quoted(const std::string& text) {
  const toml::value<std::string> value(text);
  std::ostringstream out;
  out << toml::toml_formatter{value, toml::toml_formatter::default_flags & ~toml::format_flags::allow_literal_strings};
  return out.str();
}

/// What the option holds: what was said, else its default. Empty: neither.
std::string value_text(const CLI::Option& option) {
  auto values = option.empty() ? std::vector<std::string>{} : option.reduced_results();
  if (values.empty() && is_flag(option)) values = {"false"};
  if (values.empty() && !is_list(option) && !option.get_default_str().empty()) values = {option.get_default_str()};
  const bool plain = is_flag(option) || is_number(option);
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + (plain ? value : quoted(value));
  return is_list(option) && !text.empty() ? "[" + text + "]" : text;
}

/// As comment lines of at most `width` characters.
std::string comment(const std::string& text) {
  std::istringstream words(text);
  std::string lines, line = "#";
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > width) {
      lines += line + "\n";
      line = "#";
    }
    line += " " + word;
  }
  return lines + line + "\n";
}

/// What --print-config prints.
std::string settings_text(const CLI::App& app) {
  std::string text = comment("Settings of " + app.get_name() + ". Keys that are commented out have no value.");
  for (const auto* option : app.get_options()) {
    const auto key = key_of(*option);
    if (key.empty() || !option->get_configurable()) continue;
    const auto value = value_text(*option);
    text += "\n" + comment(option->get_description());
    if (!value.empty()) {
      text += key + " = " + value + "\n";
    } else {
      text += "# " + key + " = " + (is_list(*option) ? "[]" : is_number(*option) ? "0" : "\"\"") + "\n";
    }
  }
  return text;
}

/// CLI11's seam for files. It hands over an open stream only, so the name comes from the option that was given.
class TomlFile final : public CLI::Config {
 public:
  explicit TomlFile(const CLI::App& app) : app_(app) {}

  std::string to_config(const CLI::App* app, bool, bool, std::string) const override { return settings_text(*app); }

  std::vector<CLI::ConfigItem> from_config(std::istream& stream) const override {
    std::vector<CLI::ConfigItem> found;
    for (const auto& [key, node] : parsed(stream)) {
      auto item = read(std::string(key.str()), node);
      if (!item.inputs.empty()) found.push_back(std::move(item));
    }
    return found;
  }

 private:
  toml::table parsed(std::istream& stream) const {
    try {
      return toml::parse(stream, name());
    } catch (const toml::parse_error& error) {
      fail(error.source(), "cannot be read as TOML: " + std::string(error.description()));
    }
  }

  CLI::ConfigItem read(const std::string& key, const toml::node& node) const {
    const auto* option = app_.get_option_no_throw("--" + key);
    if (option == nullptr) fail(node.source(), "holds the unknown key \"" + key + "\": --print-config lists the keys");
    if (!option->get_configurable()) fail(node.source(), "holds \"" + key + "\", which is for the command line only");
    CLI::ConfigItem item;
    item.name = key;
    if (is_list(*option)) {
      if (!node.is_array()) wrong(node, key, "a list");
      for (const auto& one : *node.as_array()) item.inputs.push_back(text_of(*option, key, one));
    } else {
      item.inputs.push_back(text_of(*option, key, node));
    }
    return item;
  }

  std::string text_of(const CLI::Option& option, const std::string& key, const toml::node& node) const {
    if (is_flag(option)) {
      if (!node.is_boolean()) wrong(node, key, "true or false");
      return **node.as_boolean() ? "true" : "false";
    }
    if (is_number(option)) {
      if (!node.is_integer()) wrong(node, key, "a whole number");
      return std::to_string(**node.as_integer());
    }
    if (!node.is_string()) wrong(node, key, "a text in quotes");
    return **node.as_string();
  }

  [[noreturn]] void wrong(const toml::node& node, const std::string& key, const std::string& wanted) const {
    fail(node.source(), "gives \"" + key + "\" a value of the wrong type: it is " + wanted);
  }

  [[noreturn]] void fail(const toml::source_region& where, const std::string& what) const {
    throw CLI::ConfigError(name() + ", line " + std::to_string(where.begin.line) + ", " + what + ".");
  }

  std::string name() const { return app_.get_config_ptr()->as<std::string>(); }

  const CLI::App& app_;
};

/// A mistake in one sentence. CLI11 checks ranges after it has forgotten where a value came from.
int tell(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::cerr << app.get_name() << ": " << error.what();
  if (app.get_config_ptr()->count() != 0 && dynamic_cast<const CLI::ConfigError*>(&error) == nullptr)
    std::cerr << " (in the flags or in " << app.get_config_ptr()->as<std::string>() << ")";
  std::cerr << "\nRun with --help for more information.\n";
  return 1;
}

}  // namespace

Settings::Settings(const std::string& program, const std::string& version, const char* about, const char* footer)
    : app_(std::make_unique<CLI::App>(about, program)) {
  app_->footer(footer);
  app_->set_version_flag("--version", program + " " + version)->configurable(false);
}

Settings::~Settings() = default;

void Settings::add(const char* name, std::string& value, const char* what) {
  app_->add_option(name, value, what)->capture_default_str();
}

void Settings::add(const char* name, std::uint16_t& value, const char* what) {
  app_->add_option(name, value, what)->capture_default_str();
}

void Settings::add(const char* name, unsigned& value, const char* what, IntegerRange range) {
  app_->add_option(name, value, what)->check(CLI::Range(range.least, range.most))->capture_default_str();
}

void Settings::add(const char* name, std::size_t& value, const char* what, IntegerRange range) {
  app_->add_option(name, value, what)->check(CLI::Range(range.least, range.most))->capture_default_str();
}

void Settings::add(const char* name, std::size_t& value, const char* what, SizeRange range) {
  app_->add_option(name, value, what)->check(CLI::Range(range.least, range.most))->capture_default_str();
}

void Settings::add(const char* name, std::vector<std::string>& values, const char* what) {
  app_->add_option(name, values, what);
}

void Settings::add(const char* name, bool& value, const char* what) { app_->add_flag(name, value, what); }

void Settings::add_for_command_line(const char* name, bool& value, const char* what) {
  app_->add_flag(name, value, what)->configurable(false);
}

bool Settings::read(int argc, const char* const* argv, int& exit_code) {
  app_->set_config("--config", "", "TOML file with the long names of these options as keys; a flag wins over it");
  app_->config_formatter(std::make_shared<TomlFile>(*app_));
  app_->allow_config_extras(CLI::config_extras_mode::error);
  app_->add_flag("--print-config")
      ->description("Print such a file, with what each key means and the values in force, and end")
      ->configurable(false);
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = tell(*app_, error);
    return false;
  }
  if (app_->count("--print-config") == 0) return true;
  std::cout << settings_text(*app_);
  exit_code = 0;
  return false;
}

}  // namespace wardlink::daemon
