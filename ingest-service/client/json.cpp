#include "client/json.hpp"

#include <google/protobuf/util/json_util.h>

#include "client/exit_code.hpp"

namespace wardlink::command_line {
namespace {

std::string to_json(const google::protobuf::Message& message, bool indent) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = indent;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    throw Failure{exit_refused, "The server's response cannot be written as JSON: it is of another version."};
  }
  return text;
}

}  // namespace

void print_json(std::ostream& out, const google::protobuf::Message& message) { out << to_json(message, true); }

void print_json_line(std::ostream& out, const google::protobuf::Message& message) {
  out << to_json(message, false) << '\n' << std::flush;
}

JsonList::JsonList(std::ostream& out, const std::string& field) : out_(out) { out_ << "{\"" << field << "\":["; }

void JsonList::add(const google::protobuf::Message& element) {
  out_ << (first_ ? "\n" : ",\n") << to_json(element, false);
  first_ = false;
}

void JsonList::close() { out_ << (first_ ? "]}\n" : "\n]}\n"); }

}  // namespace wardlink::command_line
