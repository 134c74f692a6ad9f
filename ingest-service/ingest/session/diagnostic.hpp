#pragma once
// A diagnostic payload (RFC 7252 §5.5.2): words for whoever builds the device.

#include <string>

#include "coap/connection.hpp"

namespace wardlink::ingest {

inline coap::Response diagnostic(coap::Code code, const std::string& words) {
  coap::Response response;
  response.code = code;
  response.payload.assign(words.begin(), words.end());
  return response;
}

}  // namespace wardlink::ingest
