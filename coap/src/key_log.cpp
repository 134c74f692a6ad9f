#include "coap/key_log.hpp"

#include <fstream>
#include <memory>
#include <mutex>

namespace coap {

std::function<void(std::string_view line)> key_log_file(const std::string& path) {
  struct File {
    std::mutex mutex;
    std::ofstream stream;
  };
  const auto file = std::make_shared<File>();
  file->stream.open(path, std::ios::app);
  return [file](std::string_view line) {
    const std::lock_guard lock(file->mutex);
    file->stream << line << std::endl;
  };
}

}  // namespace coap
