#include "foreign_client.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <stdexcept>

#include "../../coap/src/dtls_record.hpp"

namespace coap::testing {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
std::unique_ptr<BIO, FreeBio> reader(const std::string& text) {
  return std::unique_ptr<BIO, FreeBio>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

void show(SSL_CTX* context, const ForeignClient::Options& options) {
  X509* leaf = PEM_read_bio_X509(reader(options.pair->certificate_pem).get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(reader(options.pair->private_key_pem).get(), nullptr, nullptr, nullptr);
  must(SSL_CTX_use_certificate(context, leaf) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1, "certificate");
  X509_free(leaf);
  EVP_PKEY_free(key);
  for (const std::string& pem : options.chain)
    must(SSL_CTX_add0_chain_cert(context, PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr)) == 1,
         "chain");
}

}  // namespace

ForeignClient::ForeignClient(const Options& options) : context_(SSL_CTX_new(DTLS_client_method())) {
  SSL_CTX* context = context_.get();
  must(SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) == 1, "ciphers");
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, DTLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, options.newest_version);
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
  if (!options.extended_master_secret) SSL_CTX_set_options(context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
  if (options.pair) show(context, options);
  ssl_.reset(SSL_new(context));
  in_ = BIO_new(BIO_s_mem());
  out_ = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(in_, -1);
  SSL_set_bio(ssl_.get(), in_, out_);
  SSL_set_mtu(ssl_.get(), 1200);
  SSL_set_connect_state(ssl_.get());
  if (options.session != nullptr) must(SSL_set_session(ssl_.get(), options.session) == 1, "session");
  advance();
}

std::vector<Bytes> ForeignClient::take() {
  Bytes all(static_cast<std::size_t>(BIO_pending(out_)));
  if (!all.empty()) BIO_read(out_, all.data(), static_cast<int>(all.size()));
  std::vector<Bytes> records;
  ByteView rest = all;
  while (const auto record = dtls::next_record(rest)) records.emplace_back(record->bytes.begin(), record->bytes.end());
  return records;
}

void ForeignClient::give(ByteView datagram) {
  while (const auto record = dtls::next_record(datagram)) {
    BIO_write(in_, record->bytes.data(), static_cast<int>(record->bytes.size()));
    advance();
  }
}

void ForeignClient::advance() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    open_ = true;
    std::array<char, 16'384> buffer;
    while ((result = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()))) > 0)
      read.emplace_back(buffer.data(), static_cast<std::size_t>(result));
  }
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_SSL && failure_.empty()) {
    const char* words = ERR_reason_error_string(ERR_peek_last_error());
    failure_ = words == nullptr ? "?" : words;
  }
  ERR_clear_error();
}

void ForeignClient::write(const std::string& text) {
  must(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0, "write");
}

void ForeignClient::renegotiate() {
  must(SSL_renegotiate(ssl_.get()) == 1, "renegotiate");
  advance();
}

}  // namespace coap::testing
