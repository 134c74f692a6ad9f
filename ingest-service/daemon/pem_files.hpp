#pragma once
// The PEM files that a daemon's options name, read and looked at before anything relies on them: what is wrong with one
// is told in a sentence, at the start as at a reload.

#include <string>

namespace wardlink::daemon {

struct PemFile {
  std::string option;  // --cert
  std::string path;
};

/// The file's text. Throws std::runtime_error when it cannot be read or holds no certificate or key.
std::string read_pem(const PemFile& file);

/// Throws std::runtime_error when these texts, from these files, are not a certificate and its private key.
void expect_pair(const PemFile& certificate, const std::string& certificate_pem, const PemFile& key,
                 const std::string& key_pem);

/// The text of a file of trusted authorities. Throws std::runtime_error when it cannot be read, or unless it holds at
/// least one certificate, each of them whole, and nothing else: one that was half written would let nobody in.
std::string read_authorities(const PemFile& file);

}  // namespace wardlink::daemon
