#include "processes.hpp"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "process.hpp"

namespace wardlink::testing {
namespace {

std::string proc(pid_t pid, const std::string& what) { return read_file("/proc/" + std::to_string(pid) + "/" + what); }

std::vector<pid_t> children(pid_t pid) {
  std::istringstream words(proc(pid, "task/" + std::to_string(pid) + "/children"));
  std::vector<pid_t> all;
  for (pid_t child = 0; words >> child;) all.push_back(child);
  return all;
}

/// Seconds of processor time, of children that have ended too (proc(5), stat).
double processor_seconds(pid_t pid) {
  const auto text = proc(pid, "stat");
  std::istringstream words(text.substr(text.rfind(')') + 2));
  std::string word;
  double ticks = 0;
  for (int field = 3; words >> word; ++field) {
    if (field >= 14 && field <= 17) ticks += std::strtod(word.c_str(), nullptr);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// Proportional share of memory, KiB: what several processes map is divided among them.
long memory_kib(pid_t pid) {
  std::istringstream lines(proc(pid, "smaps_rollup"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Pss:")) return std::strtol(line.c_str() + 4, nullptr, 10);
  }
  return 0;
}

}  // namespace

std::vector<pid_t> Part::pids() const {
  auto all = children(pid);
  all.push_back(pid);
  return all;
}

double Part::seconds() const {
  double sum = 0;
  for (const auto one : pids()) sum += processor_seconds(one);
  return sum;
}

long Part::kib() const {
  long sum = 0;
  for (const auto one : pids()) sum += memory_kib(one);
  return sum;
}

}  // namespace wardlink::testing
