#include "daemon/ready_file.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace wardlink::daemon {

void write_ready_file(const std::string& path, std::uint16_t port, std::uint16_t metrics_port) {
  const auto unfinished = path + ".new";
  {
    std::ofstream file(unfinished, std::ios::trunc);
    file << "{\"port\":" << port << ",\"metrics_port\":" << metrics_port << ",\"pid\":" << ::getpid() << "}\n";
    if (!file.flush()) throw std::runtime_error("The ready file " + path + " cannot be written.");
  }
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("The ready file " + path + " cannot be written.");
  }
}

}  // namespace wardlink::daemon
