/* A wearable of other people's making: libcoap instead of our SDK. It opens the session, asks for the time, registers
 * as docs/wire.md says, and is then the server of its vitals on that same session.
 *
 *   libcoap_device PORT CERTIFICATE KEY AUTHORITY URN
 *
 * Says on standard output what happens, a word a line: time, registered, observed (once), withdrawn. SIGUSR1 takes the
 * resource back, which ends its observation; SIGTERM ends the session. */
#include <arpa/inet.h>
#include <coap3/coap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t withdraw = 0, finish = 0;
static unsigned sequence = 0;
static int observed = 0, stage = 0; /* 0: nothing answered, 1: the time, 2: the registration, -1: refused */

static void on_signal(int number) {
  if (number == SIGUSR1)
    withdraw = 1;
  else
    finish = 1;
}

static void say(const char* word) {
  puts(word);
  fflush(stdout);
}

static unsigned long long tick_ms(void) {
  static struct timespec start;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (start.tv_sec == 0) start = now;
  return (unsigned long long)((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
}

/* The set of this moment, in JSON. */
static void get_vitals(coap_resource_t* resource, coap_session_t* session, const coap_pdu_t* request,
                       const coap_string_t* query, coap_pdu_t* response) {
  char text[128];
  unsigned char format[2];
  coap_opt_iterator_t options;
  (void)resource;
  (void)session;
  (void)query;
  if (request != NULL && coap_check_option(request, COAP_OPTION_OBSERVE, &options) != NULL && !observed) {
    observed = 1;
    say("observed");
  }
  ++sequence;
  const int length =
      snprintf(text, sizeof text, "[{\"n\":\"q\",\"v\":%u},{\"n\":\"tk\",\"v\":%llu},{\"n\":\"heart-rate\",\"v\":%u}]",
               sequence, tick_ms(), 60 + sequence % 40);
  coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
  coap_add_option(response, COAP_OPTION_CONTENT_FORMAT, coap_encode_var_safe(format, sizeof format, 110), format);
  coap_add_data(response, (size_t)length, (const uint8_t*)text);
}

static coap_response_t on_response(coap_session_t* session, const coap_pdu_t* sent, const coap_pdu_t* received,
                                   const coap_mid_t id) {
  const coap_pdu_code_t code = coap_pdu_get_code(received);
  (void)session;
  (void)sent;
  (void)id;
  if (stage == 0 && code == COAP_RESPONSE_CODE_CONTENT) {
    stage = 1;
    say("time");
  } else if (stage == 1 && code == COAP_RESPONSE_CODE_CREATED) {
    stage = 2;
    say("registered");
  } else {
    stage = -1;
    printf("refused %d.%02d\n", code >> 5, code & 31);
    fflush(stdout);
  }
  return COAP_RESPONSE_OK;
}

static coap_pdu_t* request(coap_session_t* session, coap_pdu_code_t method, const char* path) {
  static unsigned char token = 0;
  coap_pdu_t* pdu = coap_new_pdu(COAP_MESSAGE_CON, method, session);
  ++token;
  coap_add_token(pdu, 1, &token);
  coap_add_option(pdu, COAP_OPTION_URI_PATH, strlen(path), (const uint8_t*)path);
  return pdu;
}

static void add_query(coap_pdu_t* pdu, const char* query) {
  coap_add_option(pdu, COAP_OPTION_URI_QUERY, strlen(query), (const uint8_t*)query);
}

static void ask_time(coap_session_t* session) {
  char query[64];
  coap_pdu_t* pdu = request(session, COAP_REQUEST_CODE_GET, "time");
  snprintf(query, sizeof query, "tk=%llu", tick_ms());
  add_query(pdu, query);
  coap_send(session, pdu);
}

static void register_as(coap_session_t* session, const char* urn) {
  static const char links[] = "</vitals>;obs;rt=\"wardlink.vitals\";ct=110";
  char query[128];
  unsigned char format[2];
  coap_pdu_t* pdu = request(session, COAP_REQUEST_CODE_POST, "rd");
  coap_add_option(pdu, COAP_OPTION_CONTENT_FORMAT, coap_encode_var_safe(format, sizeof format, 40), format);
  snprintf(query, sizeof query, "ep=%s", urn);
  add_query(pdu, query);
  add_query(pdu, "lt=300");
  snprintf(query, sizeof query, "boot=%u", 1 + (unsigned)getpid());
  add_query(pdu, query);
  coap_add_data(pdu, sizeof links - 1, (const uint8_t*)links);
  coap_send(session, pdu);
}

static coap_session_t* connect_to(coap_context_t* context, int port, char** files) {
  coap_address_t server;
  coap_dtls_pki_t identity;
  coap_context_set_pki_root_cas(context, files[2], NULL);
  coap_address_init(&server);
  server.size = sizeof server.addr.sin;
  server.addr.sin.sin_family = AF_INET;
  server.addr.sin.sin_port = htons((uint16_t)port);
  inet_pton(AF_INET, "127.0.0.1", &server.addr.sin.sin_addr);
  memset(&identity, 0, sizeof identity);
  identity.version = COAP_DTLS_PKI_SETUP_VERSION;
  identity.verify_peer_cert = 1;
  identity.cert_chain_validation = 1;
  identity.cert_chain_verify_depth = 2;
  identity.client_sni = (char*)"localhost";
  identity.pki_key.key_type = COAP_PKI_KEY_PEM;
  identity.pki_key.key.pem.public_cert = files[0];
  identity.pki_key.key.pem.private_key = files[1];
  return coap_new_client_session_pki(context, NULL, &server, COAP_PROTO_DTLS, &identity);
}

int main(int count, char** arguments) {
  if (count != 6) {
    fprintf(stderr, "libcoap_device PORT CERTIFICATE KEY AUTHORITY URN\n");
    return 2;
  }
  signal(SIGUSR1, on_signal);
  signal(SIGTERM, on_signal);
  coap_startup();
  coap_context_t* context = coap_new_context(NULL);
  coap_resource_t* vitals = coap_resource_init(coap_make_str_const("vitals"), COAP_RESOURCE_FLAGS_NOTIFY_NON);
  coap_register_handler(vitals, COAP_REQUEST_GET, get_vitals);
  coap_resource_set_get_observable(vitals, 1);
  coap_add_resource(context, vitals);
  coap_register_response_handler(context, on_response);
  coap_session_t* session = connect_to(context, atoi(arguments[1]), arguments + 2);
  if (session == NULL) return 1;
  ask_time(session);
  int asked = 0;
  while (!finish && stage >= 0) {
    coap_io_process(context, 200);
    if (stage == 1 && !asked) {
      asked = 1;
      register_as(session, arguments[5]);
    }
    if (vitals != NULL && observed) coap_resource_notify_observers(vitals, NULL);
    if (vitals != NULL && withdraw) {
      coap_delete_resource(context, vitals); /* tells its observers so: 4.04 */
      vitals = NULL;
      say("withdrawn");
    }
  }
  coap_session_release(session); /* close_notify */
  coap_free_context(context);
  coap_cleanup();
  return stage < 0 ? 1 : 0;
}
