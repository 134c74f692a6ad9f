// What all sessions of one end share: certificates parsed once, what is offered and what is demanded.

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "coap/dtls.hpp"
#include "dtls_certificate.hpp"
#include "dtls_channel.hpp"

namespace coap {
namespace {

using dtls::Certificate;
using dtls::PrivateKey;

constexpr int intermediates_at_most = 2;  // leaf at depth 0, root at depth 3 at most
constexpr long largest_certificate_list = 8192;
constexpr long largest_send = 2048;  // a write buffer of 2 KiB a session in place of 16

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

/// HelloCookie has judged the cookie before OpenSSL sees it.
int accept_cookie(SSL*, const unsigned char*, unsigned) { return 1; }

/// Of challenges that nobody is sent (Channel::catch_up).
int any_cookie(SSL*, unsigned char* cookie, unsigned* size) {
  *cookie = 0;
  *size = 1;
  return 1;
}

/// RSA is offered to clients only so that a device with such a key is refused for its key, not for silence.
constexpr const char* server_signatures = "ECDSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA256:rsa_pss_pss_sha256:RSA+SHA256";
constexpr const char* client_signatures = "ECDSA+SHA256:ECDSA+SHA384";

#ifdef WARDLINK_KEY_LOG
using KeyLog = std::function<void(std::string_view)>;

void free_key_log(void*, void* log, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<KeyLog*>(log); }

/// Kept by the SSL_CTX, which its sessions keep.
bool log_keys(SSL_CTX* context, const KeyLog& log) {
  static const int place = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_key_log);
  if (!log) return true;
  auto kept = std::make_unique<KeyLog>(log);
  if (SSL_CTX_set_ex_data(context, place, kept.get()) != 1) return false;
  static_cast<void>(kept.release());
  SSL_CTX_set_keylog_callback(context, [](const SSL* ssl, const char* line) {
    (*static_cast<const KeyLog*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), place)))(line);
  });
  return true;
}
#else
bool log_keys(SSL_CTX*, const std::function<void(std::string_view)>&) { return true; }
#endif

bool configure(SSL_CTX* context, bool is_server, const DtlsOptions& options) {
  std::string suites = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM";
  if (options.allow_ccm_8) suites += ":ECDHE-ECDSA-AES128-CCM8";
  static constexpr unsigned char session_context[] = "wardlink";

  SSL_CTX_set_security_level(context, 2);  // 112 bits: refuses SHA-1 and short keys anywhere in a chain
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, dtls::verify_callback);
  SSL_CTX_set_verify_depth(context, intermediates_at_most);
  SSL_CTX_set_max_cert_list(context, largest_certificate_list);
  if (is_server) {
    SSL_CTX_set_cookie_verify_cb(context, accept_cookie);
    SSL_CTX_set_cookie_generate_cb(context, any_cookie);
    SSL_CTX_set_client_hello_cb(context, dtls::client_hello_callback, nullptr);
  }
  return log_keys(context, options.key_log) && SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, suites.c_str()) == 1 && SSL_CTX_set1_groups_list(context, "P-256") == 1 &&
         SSL_CTX_set1_sigalgs_list(context, is_server ? server_signatures : client_signatures) == 1 &&
         SSL_CTX_set_max_send_fragment(context, largest_send) == 1 &&
         SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1) == 1;
}

/// One sentence where it cannot be done; empty when all is well.
std::string use_own(SSL_CTX* context, const Credentials& credentials) {
  const auto chain = dtls::read_certificates(credentials.certificate_pem);
  if (chain.empty()) return "The certificate is not a PEM text with a certificate in it: check the file.";
  const PrivateKey key = dtls::read_private_key(credentials.private_key_pem);
  if (!key) return "The private key is not an unencrypted PEM text: check the file.";
  if (!dtls::is_p256(key.get())) return "The private key is not on P-256: make a new key and certificate.";
  if (X509_check_private_key(chain.front().get(), key.get()) != 1)
    return "The private key does not belong to the certificate: check that both files are of the same pair.";
  bool used =
      SSL_CTX_use_certificate(context, chain.front().get()) == 1 && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  for (std::size_t i = 1; used && i < chain.size(); ++i) used = SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1;
  return used ? "" : "The certificate or its key cannot be used: is it signed with SHA-256 and on P-256?";
}

std::string trust(SSL_CTX* context, const Credentials& credentials) {
  const auto authorities = dtls::read_certificates(credentials.trusted_ca_pem);
  if (authorities.empty())
    return "The trusted authorities are not a PEM text with a certificate in it: check the file.";
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const Certificate& authority : authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) return "A trusted authority's certificate cannot be used.";
  }
  return "";
}

std::string expect_name(SSL_CTX* context, const std::string& server_name) {
  X509_VERIFY_PARAM* wanted = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!server_name.empty() && (X509_VERIFY_PARAM_set1_ip_asc(wanted, server_name.c_str()) == 1 ||
                               X509_VERIFY_PARAM_set1_host(wanted, server_name.data(), server_name.size()) == 1)) {
    return "";
  }
  return "The server's name '" + server_name + "' is neither a DNS name nor an IP address.";
}

bool is_ip(SSL_CTX* context) {
  char* text = X509_VERIFY_PARAM_get1_ip_asc(SSL_CTX_get0_param(context));
  OPENSSL_free(text);
  return text != nullptr;
}

}  // namespace

struct DtlsContext::Impl {
  Context context;
  DtlsOptions options;
  std::string name_indication;  // client: SNI (RFC 6066 §3: a DNS name only)

  static Result<std::unique_ptr<Impl>, std::string> make(const SSL_METHOD* method, const Credentials& credentials,
                                                         const DtlsOptions& options, const std::string* server_name) {
    auto impl = std::make_unique<Impl>();
    impl->options = options;
    impl->context.reset(SSL_CTX_new(method));
    SSL_CTX* context = impl->context.get();
    std::string fault;
    if (context == nullptr || !configure(context, server_name == nullptr, options))
      fault = "OpenSSL does not offer what is needed (DTLS 1.2, ECDHE-ECDSA, AES-128-GCM and AES-128-CCM, P-256).";
    if (fault.empty()) fault = use_own(context, credentials);
    if (fault.empty()) fault = trust(context, credentials);
    if (fault.empty() && server_name != nullptr) fault = expect_name(context, *server_name);
    if (fault.empty() && !options.check_dates &&
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_NO_CHECK_TIME) != 1)
      fault = "OpenSSL cannot leave the dates of certificates unjudged.";
    ERR_clear_error();
    if (!fault.empty()) return fault;
    if (server_name != nullptr && !is_ip(context)) impl->name_indication = *server_name;
    return impl;
  }
};

DtlsContext::DtlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DtlsContext::~DtlsContext() = default;

Result<std::shared_ptr<DtlsContext>, std::string> DtlsContext::server(const Credentials& credentials,
                                                                      const DtlsOptions& options) {
  auto impl = Impl::make(DTLS_server_method(), credentials, options, nullptr);
  if (!impl) return impl.error();
  return std::shared_ptr<DtlsContext>(new DtlsContext(std::move(*impl)));
}

Result<std::shared_ptr<DtlsContext>, std::string> DtlsContext::client(const Credentials& credentials,
                                                                      std::string server_name,
                                                                      const DtlsOptions& options) {
  auto impl = Impl::make(DTLS_client_method(), credentials, options, &server_name);
  if (!impl) return impl.error();
  return std::shared_ptr<DtlsContext>(new DtlsContext(std::move(*impl)));
}

std::unique_ptr<SecureChannel> DtlsContext::connect(Instant now) const {
  std::unique_ptr<SSL, dtls::FreeSsl> ssl(SSL_new(impl_->context.get()));
  if (ssl && !impl_->name_indication.empty() &&
      SSL_set_tlsext_host_name(ssl.get(), impl_->name_indication.c_str()) != 1) {
    ssl.reset();
  }
  auto channel = std::make_unique<dtls::Channel>(std::move(ssl), impl_->options);
  channel->start_client(now);
  return channel;
}

std::unique_ptr<SecureChannel> DtlsContext::accept(ByteView client_hello, Instant now) const {
  std::unique_ptr<SSL, dtls::FreeSsl> ssl(SSL_new(impl_->context.get()));
  auto channel = std::make_unique<dtls::Channel>(std::move(ssl), impl_->options);
  channel->start_server(client_hello, now);
  return channel;
}

}  // namespace coap
