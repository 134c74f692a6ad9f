#include "places.hpp"

namespace places {

std::string source(const std::string& path) { return std::string(WARDLINK_SOURCE_DIR "/") + path; }

std::string program(const std::string& name) { return std::string(WARDLINK_BIN_DIR "/") + name; }

}  // namespace places
