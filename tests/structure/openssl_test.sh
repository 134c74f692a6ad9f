#!/bin/bash
# DTLS-10: what OpenSSL returns is looked at, its error queue is empty before each call that is judged by it, and chance
# comes from RAND_bytes alone.
# usage: openssl_test.sh ROOT
set -euo pipefail
cd "$1"
failed=0
fail() {
  echo "$1"
  echo "$2"
  failed=1
}

sources=(coap/src/dtls_*.cpp coap/src/hello_cookie.cpp coap/src/certificate_identity.cpp)

# A call that is a statement of its own drops what it returns. These return nothing, or nothing that can fail.
harmless='SSL_CTX_set_(security_level|options|mode|session_cache_mode|verify|verify_depth|max_cert_list|cookie_verify_cb|keylog_callback)'
harmless+='|SSL_CTX_set_(cookie_generate_cb|client_hello_cb)|SSL_set_options'
harmless+='|X509_VERIFY_PARAM_set_hostflags|X509_STORE_CTX_set_error|SSL_set_bio|DTLS_set_timer_cb|SSL_set_(accept|connect)_state'
harmless+='|BIO_set_(data|init|retry_read)|BIO_clear_retry_flags|BIO_meth_free|OPENSSL_(free|cleanse)|ERR_clear_error'
harmless+='|[A-Za-z0-9_]+_free(_all)?'
harmless+='|SSL_shutdown' # its answer tells of the peer's close_notify, which is not waited for
statement='(SSL|X509|EVP|BIO|RAND|HMAC|ASN1|PEM|ERR|DTLS|DTLSv1|OPENSSL|CRYPTO|EC|d2i|i2d)_?[A-Za-z0-9_]*'
if found=$(grep -nE "^ +$statement\(" "${sources[@]}" | grep -vE "^[^:]+:[0-9]+: +($harmless)\(" |
  grep -vE '^[^:]+:[0-9]+: +[A-Za-z0-9_]+\(.*(&&|\|\||==|!=|<|>)|^[^:]+:[0-9]+:  {4,}.*[^;]$'); then
  fail "what OpenSSL returns is dropped:" "$found"
fi

# SSL_get_error() reads the queue: what another left in it would be taken for this call's.
for source in "${sources[@]}"; do
  found=$(awk '/ERR_clear_error\(\)/ { clear = NR }
    /(SSL_do_handshake|SSL_read_ex|SSL_write_ex|SSL_shutdown|DTLSv1_listen|DTLSv1_handle_timeout)\(/ && !/^ *\/\// {
      if (!clear || NR - clear > 6) print FILENAME ":" NR ": " $0
    }' "$source")
  [[ -z $found ]] || fail "the error queue is not cleared just before:" "$found"
done

# Where keys, tokens, cookies and names are made; not how long a client waits before it tries again.
if found=$(grep -rnE '\b(s?rand|drand48|RAND_pseudo_bytes)\(|\brandom\(\)|std::(random_device|mt19937|minstd|default_random)' \
  coap ingest-service device-sdk/src device-sdk/include | grep -v '^ingest-service/client-library/src/watch\.cpp:'); then
  fail "chance that is not RAND_bytes:" "$found"
fi
if found=$(grep -rn 'RAND_bytes(' coap ingest-service device-sdk | grep -vE '!= 1\)|== 1' ); then
  fail "the generator may fail unseen:" "$found"
fi
exit $failed
