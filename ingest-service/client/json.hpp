#pragma once
// Responses as protobuf's JSON. Fields that hold their default (a value of 0, false, an empty list) are printed too, so
// that a script need not know the defaults.

#include <google/protobuf/message.h>

#include <ostream>
#include <string>

namespace wardlink::command_line {

void print_json(std::ostream& out, const google::protobuf::Message& message);
/// On one line, with its end, written through at once: for whoever reads a stream.
void print_json_line(std::ostream& out, const google::protobuf::Message& message);

/// A list response that takes several pages, as one object with one list, printed as it comes: {"alarms":[…]}.
class JsonList {
 public:
  /// `field`: the JSON name of the response's list.
  JsonList(std::ostream& out, const std::string& field);
  void add(const google::protobuf::Message& element);
  /// Once, at the end.
  void close();

 private:
  std::ostream& out_;
  bool first_ = true;
};

}  // namespace wardlink::command_line
