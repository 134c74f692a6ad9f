#pragma once
// What a process and its children cost, from /proc.

#include <sys/types.h>

#include <string>
#include <vector>

namespace wardlink::testing {

struct Part {
  std::string name;
  pid_t pid;
  double seconds_before = 0;

  std::vector<pid_t> pids() const;
  /// Of processor time since the start, of children that have ended too.
  double seconds() const;
  /// Memory; what several processes map is divided among them.
  long kib() const;
};

}  // namespace wardlink::testing
