/* A whole wearable in C: wardlink-minimal-c certificate.pem key.pem ca.pem [port [seconds]] */
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

#include "wardlink/wardlink.h"

/* The text of a PEM file, to be freed; NULL when it cannot be read. */
static char* read_text(const char* path) {
  enum { largest = 1 << 16 };
  FILE* file = fopen(path, "r");
  char* text = file != NULL ? calloc(largest, 1) : NULL;
  if (text != NULL) text[fread(text, 1, largest - 1, file)] = '\0';
  if (file != NULL) fclose(file);
  return text;
}

static int complain(void) {
  fprintf(stderr, "%s\n", wardlink_error_detail());
  return 1;
}

/* A reading a second, then what is left of them for at most 30 s. */
static int run(wardlink_device* device, int seconds) {
  if (wardlink_device_start(device) != WARDLINK_OK) return complain();
  for (int second = 0; second < seconds; ++second) {
    const wardlink_reading readings[] = {{"hr", 70.0 + second % 5}, {"spo2", 97.5}};
    if (wardlink_device_report(device, readings, 2, WARDLINK_NOW) != WARDLINK_OK) return complain();
    thrd_sleep(&(struct timespec){.tv_sec = 1}, NULL);
  }
  return wardlink_device_stop(device, 30000) == WARDLINK_OK ? 0 : complain();
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "Give the device's certificate, its key and the service's authority.\n");
    return 1;
  }
  char *certificate = read_text(argv[1]), *key = read_text(argv[2]), *authority = read_text(argv[3]);
  wardlink_options options;
  wardlink_options_init(&options, sizeof options);
  options.certificate_pem = certificate;
  options.private_key_pem = key;
  options.trusted_ca_pem = authority;
  if (argc > 4) options.port = (uint16_t)atoi(argv[4]);

  wardlink_device* device;
  int code = wardlink_device_create(&options, &device) == WARDLINK_OK ? 0 : complain();
  free(certificate); /* create copied them */
  free(key);
  free(authority);
  if (code == 0) code = run(device, argc > 5 ? atoi(argv[5]) : 60);
  wardlink_device_destroy(device);
  return code;
}
