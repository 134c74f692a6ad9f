#include "test_authority.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

namespace coap::testing {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* it) const {
    Free(it);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

Bio reader(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

Key make_key(const CertificateSpec& spec) {
  if (!spec.public_key_pem.empty())
    return Key(PEM_read_bio_PUBKEY(reader(spec.public_key_pem).get(), nullptr, nullptr, nullptr));
  if (spec.curve == "RSA") return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
  if (spec.curve == "RSA-1024") return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024}));
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", spec.curve.c_str()));
  if (key && spec.explicit_curve)
    EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT);
  return key;
}

void extend(X509* certificate, X509* issuer, const char* name, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<CONF, Freer<NCONF_free>> nothing(NCONF_new(nullptr));  // policies are not read without one
  X509V3_set_nconf(&context, nothing.get());
  std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>> extension(
      X509V3_EXT_nconf(nothing.get(), &context, name, value.c_str()));
  must(extension && X509_add_ext(certificate, extension.get(), -1) == 1, name);
}

/// What no notation of OpenSSL's can say: NULs, control characters.
void add_raw_uris(X509* certificate, const std::vector<std::string>& uris) {
  const std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>> names(GENERAL_NAMES_new());
  for (const std::string& uri : uris) {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    must(text != nullptr && ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size())) == 1, "uri");
    GENERAL_NAME* name = GENERAL_NAME_new();
    must(name != nullptr, "name");
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    must(sk_GENERAL_NAME_push(names.get(), name) > 0, "names");
  }
  must(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1, "san");
}

/// Signed by `issuer`, or by itself where that is null.
Pair make(const std::string& common_name, const CertificateSpec& spec, const Pair* issuer) {
  const Key key = make_key(spec);
  Certificate certificate(X509_new());
  must(key && certificate, "key");
  Certificate issuer_certificate;
  Key issuer_key;
  if (issuer != nullptr) {
    issuer_certificate.reset(PEM_read_bio_X509(reader(issuer->certificate_pem).get(), nullptr, nullptr, nullptr));
    issuer_key.reset(PEM_read_bio_PrivateKey(reader(issuer->private_key_pem).get(), nullptr, nullptr, nullptr));
    must(issuer_certificate && issuer_key, "issuer");
  }
  X509* signer = issuer == nullptr ? certificate.get() : issuer_certificate.get();

  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), spec.from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), spec.to_seconds);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  X509_set_pubkey(certificate.get(), key.get());
  extend(certificate.get(), signer, "basicConstraints", spec.basic_constraints);
  extend(certificate.get(), signer, "keyUsage", spec.key_usage);
  extend(certificate.get(), signer, "extendedKeyUsage", spec.extended_key_usage);
  if (spec.raw_uris.empty()) extend(certificate.get(), signer, "subjectAltName", spec.san);
  if (!spec.raw_uris.empty()) add_raw_uris(certificate.get(), spec.raw_uris);
  extend(certificate.get(), signer, "nsComment", spec.comment);
  for (const auto& [extension, value] : spec.extensions) extend(certificate.get(), signer, extension.c_str(), value);
  must(X509_sign(certificate.get(), issuer_key ? issuer_key.get() : key.get(),
                 EVP_get_digestbyname(spec.digest.c_str())) > 0,
       "sign");

  const Bio certificate_text(BIO_new(BIO_s_mem()));
  const Bio key_text(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_X509(certificate_text.get(), certificate.get()) == 1 &&
           (!spec.public_key_pem.empty() ||
            PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1),
       "write");
  return {text_of(certificate_text.get()), text_of(key_text.get())};
}

CertificateSpec authority_spec() {
  CertificateSpec spec;
  spec.san.clear();
  spec.extended_key_usage.clear();
  spec.basic_constraints = "critical,CA:TRUE";
  spec.key_usage = "critical,keyCertSign,cRLSign";
  return spec;
}

}  // namespace

std::string rsa_public_key(int modulus_bits, int exponent_bits) {
  using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;
  const auto odd = [](int bits) {
    Number number(BN_new());
    must(number && BN_rand(number.get(), bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD) == 1, "number");
    return number;
  };
  const Number modulus = odd(modulus_bits), exponent = odd(exponent_bits);
  const std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  must(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1,
       "parameters");
  const std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  must(EVP_PKEY_fromdata_init(context.get()) == 1 &&
           EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1,
       "public key");
  const Key key(made);
  const Bio text(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_PUBKEY(text.get(), key.get()) == 1, "write");
  return text_of(text.get());
}

std::vector<std::uint8_t> der_of(const std::string& certificate_pem) {
  const Certificate certificate(PEM_read_bio_X509(reader(certificate_pem).get(), nullptr, nullptr, nullptr));
  must(certificate != nullptr, "certificate");
  std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)));
  auto* to = der.data();
  i2d_X509(certificate.get(), &to);
  return der;
}

CertificateSpec CertificateSpec::server(std::string names) {
  CertificateSpec spec;
  spec.san = std::move(names);
  spec.extended_key_usage = "serverAuth";
  return spec;
}

TestAuthority::TestAuthority(const std::string& name) : own_(make(name, authority_spec(), nullptr)) {}

Pair TestAuthority::issue(const CertificateSpec& spec) const { return make("leaf", spec, &own_); }

TestAuthority TestAuthority::subordinate(const std::string& name, std::string comment, Extensions extensions,
                                         long to_seconds) const {
  CertificateSpec spec = authority_spec();
  spec.comment = std::move(comment);
  spec.extensions = std::move(extensions);
  spec.to_seconds = to_seconds;
  return TestAuthority(make(name, spec, &own_));
}

Pair TestAuthority::self_signed(const CertificateSpec& spec) { return make("itself", spec, nullptr); }

}  // namespace coap::testing
