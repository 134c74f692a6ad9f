#include "daemon/ready_file.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace wardlink::daemon {

void write_ready_file(const std::string& path, const std::vector<std::pair<std::string, long>>& numbers) {
  const auto unfinished = path + ".new";
  {
    std::ofstream file(unfinished, std::ios::trunc);
    const char* before = "{";
    for (const auto& [name, number] : numbers) {
      file << before << '"' << name << "\":" << number;
      before = ",";
    }
    file << "}\n";
    if (!file.flush()) throw std::runtime_error("The ready file " + path + " cannot be written.");
  }
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("The ready file " + path + " cannot be written.");
  }
}

void write_ready_file(const std::string& path, std::uint16_t port, std::uint16_t metrics_port) {
  write_ready_file(path, {{"port", port}, {"metrics_port", metrics_port}, {"pid", ::getpid()}});
}

void tell_supervisor(const Ports& ports) {
  const char* named = std::getenv(supervisor_variable);
  if (named == nullptr) return;
  const auto told = std::to_string(ports.port) + " " + std::to_string(ports.metrics_port) + "\n";
  // Nobody listens any more where the supervisor has died, and then this process ends anyway.
  [[maybe_unused]] const auto written = ::write(std::atoi(named), told.data(), told.size());
}

}  // namespace wardlink::daemon
