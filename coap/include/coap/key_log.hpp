#pragma once
// A file for DtlsOptions::key_log, as tshark and Wireshark read it. An executable of a debug build asks for one where
// SSLKEYLOGFILE says so; no other build links this.

#include <functional>
#include <string>
#include <string_view>

namespace coap {

/// Appends each line, from any thread. What cannot be written is lost.
std::function<void(std::string_view line)> key_log_file(const std::string& path);

}  // namespace coap
