#include "dtls_certificate.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <string_view>

#include "names/urn.hpp"

namespace coap::dtls {
namespace {

constexpr std::string_view device_prefix = "urn:dev:";  // RFC 9039
constexpr int largest_certificate = 4096;               // bytes of DER

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

Bio reader(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

/// The URIs of the subject's alternative names, in order.
std::vector<std::string> san_uris(X509* leaf) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<std::size_t>(ASN1_STRING_length(uri)));
  }
  return uris;
}

/// notAfter; 0 where it cannot be read, which is long past.
std::int64_t end_of(const X509* certificate) {
  std::tm time{};
  return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1 ? timegm(&time) : 0;
}

/// notBefore; never where it cannot be read.
std::int64_t begin_of(const X509* certificate) {
  std::tm time{};
  return ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &time) == 1 ? timegm(&time)
                                                                       : std::numeric_limits<std::int64_t>::max();
}

bool has_usage(X509* leaf, std::uint32_t usage) {
  return (X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) != 0 && (X509_get_extended_key_usage(leaf) & usage) != 0;
}

bool is_server_only(X509* leaf) { return has_usage(leaf, XKU_SSL_SERVER) && !has_usage(leaf, XKU_SSL_CLIENT); }

Refusal wrong_usage(X509* leaf, PeerRole role) {
  if (role == PeerRole::server)
    return {CloseReason::no_client_auth, "extended key usage serverAuth is missing", X509_V_ERR_INVALID_PURPOSE};
  if (is_server_only(leaf))
    return {CloseReason::server_certificate, "a server's certificate, not a device's", X509_V_ERR_INVALID_PURPOSE};
  return {CloseReason::no_client_auth, "extended key usage clientAuth is missing", X509_V_ERR_INVALID_PURPOSE};
}

CloseReason reason_of(int verify_error) {
  switch (verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return CloseReason::certificate_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return CloseReason::certificate_not_yet_valid;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_PURPOSE:  // of an authority: the leaf's own is told apart before
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
      return CloseReason::unknown_authority;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return CloseReason::self_signed;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
      return CloseReason::weak_key;
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return CloseReason::weak_digest;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return CloseReason::chain_too_long;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return CloseReason::wrong_server_name;
    default:
      return CloseReason::protocol;
  }
}

}  // namespace

Refusal refusal_of(int verify_error, int depth, X509* leaf, PeerRole role) {
  if (verify_error == X509_V_ERR_INVALID_PURPOSE && depth == 0) return wrong_usage(leaf, role);
  Refusal refusal{reason_of(verify_error), X509_verify_cert_error_string(verify_error), verify_error};
  // A server's certificate comes from another authority than devices trust, so the chain fails first; the operator is
  // better served by what it is.
  if (refusal.reason == CloseReason::unknown_authority && role == PeerRole::device && is_server_only(leaf)) {
    refusal.reason = CloseReason::server_certificate;
    refusal.detail = "a server's certificate, not a device's (" + refusal.detail + ")";
  }
  return refusal;
}

Refusal judge_size(X509* certificate) {
  if (certificate == nullptr || i2d_X509(certificate, nullptr) <= largest_certificate) return {};
  return {CloseReason::certificate_too_large, "a certificate of more than 4,096 bytes",
          X509_V_ERR_APPLICATION_VERIFICATION};
}

Refusal judge_leaf(X509* leaf, PeerRole role) {
  if (!has_usage(leaf, role == PeerRole::device ? XKU_SSL_CLIENT : XKU_SSL_SERVER)) return wrong_usage(leaf, role);
  if (X509_check_ca(leaf) != 0)
    return {CloseReason::authority_certificate, "an authority's certificate, not a device's",
            X509_V_ERR_INVALID_PURPOSE};
  if ((X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
    return {CloseReason::no_digital_signature, "key usage digitalSignature is missing", X509_V_ERR_INVALID_PURPOSE};
  if (!is_p256(X509_get0_pubkey(leaf)))
    return {CloseReason::weak_key, "the key is not on P-256", X509_V_ERR_EE_KEY_TOO_SMALL};
  if (role == PeerRole::server) return {};
  if (!names::name_among(san_uris(leaf), device_prefix)) {
    return {CloseReason::bad_identity, "the SAN URI is not one urn:dev:... of at most 63 visible ASCII characters",
            X509_V_ERR_APPLICATION_VERIFICATION};
  }
  return {};
}

PeerIdentity identity_of(X509* leaf) {
  return {names::name_among(san_uris(leaf), device_prefix).value_or(""), end_of(leaf)};
}

std::int64_t earliest_end(const STACK_OF(X509) * chain, std::int64_t end) {
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) end = std::min(end, end_of(sk_X509_value(chain, i)));
  return end;
}

std::int64_t latest_begin(const STACK_OF(X509) * chain) {
  std::int64_t begin = 0;
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i)
    begin = std::max(begin, begin_of(sk_X509_value(chain, i)));
  return begin;
}

bool is_p256(EVP_PKEY* key) {
  std::array<char, 32> group{};
  std::size_t size = 0;
  return key != nullptr && EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1 &&
         std::string_view(group.data(), size) == SN_X9_62_prime256v1;
}

std::vector<Certificate> read_certificates(const std::string& pem) {
  std::vector<Certificate> certificates;
  const Bio bio = reader(pem);
  while (bio) {
    Certificate next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    certificates.push_back(std::move(next));
  }
  // At the end of the text the reader says "no start line"; anything else is a certificate that cannot be read.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) certificates.clear();
  return certificates;
}

PrivateKey read_private_key(const std::string& pem) {
  const Bio bio = reader(pem);
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  PrivateKey key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  ERR_clear_error();
  return key;
}

}  // namespace coap::dtls
