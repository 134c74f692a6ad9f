#include "daemon/pem_files.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace wardlink::daemon {
namespace {

constexpr const char* kBegin = "-----BEGIN ";

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> reader(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

[[noreturn]] void refuse(const PemFile& file, const std::string& why) {
  throw std::runtime_error(file.path + " (" + file.option + ") " + why + ".");
}

/// A key behind a password is of no use to a daemon: nobody is there to ask.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

std::string read_pem(const PemFile& file) {
  if (file.path.empty()) throw std::runtime_error(file.option + " is missing: it names a PEM file. See --help.");
  errno = 0;
  std::ifstream stream(file.path, std::ios::binary);
  std::stringstream text;
  if (stream) text << stream.rdbuf();
  if (errno != 0)
    throw std::runtime_error("Cannot read " + file.path + " (" + file.option + "): " + std::strerror(errno) + ".");
  if (text.str().find(kBegin) == std::string::npos) refuse(file, "is not a PEM file: it holds no \"-----BEGIN\" line");
  return text.str();
}

std::string read_authorities(const PemFile& file) {
  auto text = read_pem(file);
  const auto source = reader(text);
  std::size_t begun = 0, whole = 0;
  for (auto at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at + 1)) ++begun;
  while (Owned<X509>(PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr))) ++whole;
  ERR_clear_error();
  if (whole == 0 || whole != begun)
    refuse(file, "must hold whole certificates and nothing else: one is broken, cut off or something other");
  return text;
}

void expect_pair(const PemFile& certificate, const std::string& certificate_pem, const PemFile& key,
                 const std::string& key_pem) {
  const Owned<X509> shown(PEM_read_bio_X509(reader(certificate_pem).get(), nullptr, no_password, nullptr));
  const Owned<EVP_PKEY> secret(PEM_read_bio_PrivateKey(reader(key_pem).get(), nullptr, no_password, nullptr));
  const bool fit = shown && secret && X509_check_private_key(shown.get(), secret.get()) == 1;
  ERR_clear_error();
  if (!shown) refuse(certificate, "holds no certificate that can be read");
  if (!secret) refuse(key, "holds no private key that can be read without a password");
  if (!fit) refuse(key, "is not the private key of the certificate " + certificate.path);
}

}  // namespace wardlink::daemon
