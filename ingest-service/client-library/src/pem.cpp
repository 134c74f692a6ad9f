#include "wardlink/client/pem.hpp"

#include <fstream>
#include <sstream>

#include "wardlink/client/error.hpp"

namespace wardlink::client {

std::string Pem::read(const std::string& what) const {
  std::string pem = text_;
  if (!path_.empty()) {
    std::ifstream file(path_, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    pem = content.str();
    if (!file || pem.empty()) {
      throw Error(Cause::unreadable, grpc::StatusCode::FAILED_PRECONDITION, {},
                  "The " + what + " " + path_ + " cannot be read.");
    }
  }
  if (pem.find("-----BEGIN ") == std::string::npos) {
    throw Error(Cause::not_pem, grpc::StatusCode::FAILED_PRECONDITION, {},
                "The " + what + (path_.empty() ? "" : " " + path_) + " is not PEM.");
  }
  return pem;
}

}  // namespace wardlink::client
