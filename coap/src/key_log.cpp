#include "coap/key_log.hpp"

#include <fstream>
#include <memory>

#include "locks/mutex.hpp"

namespace coap {

std::function<void(std::string_view line)> key_log_file(const std::string& path) {
  struct File {
    explicit File(const std::string& name) : stream(name, std::ios::app) {}
    locks::Mutex mutex;
    std::ofstream stream GUARDED_BY(mutex);
  };
  const auto file = std::make_shared<File>(path);
  return [file](std::string_view line) {
    const locks::Lock lock(file->mutex);
    file->stream << line << std::endl;
  };
}

}  // namespace coap
