/* What C makes of the header: a device of these options with a clock of its own, from its first call to its last. Gives
 * what went wrong, "" when nothing did. */
#include "wardlink/wardlink.h"

const char* wardlink_c_round_trip(const wardlink_options* given);

static uint64_t seven(void* context) { return *(const uint64_t*)context; }

static wardlink_error report_and_warn(wardlink_device* device) {
  const wardlink_reading readings[] = {{"hr", 72}, {"oxygen-saturation", 97.5}};
  wardlink_alarm alarm;
  wardlink_alarm_id id;
  wardlink_error error = wardlink_alarm_init(&alarm, sizeof alarm);
  alarm.code = "lead-off";
  alarm.kind = WARDLINK_TECHNICAL;
  if (error == WARDLINK_OK) error = wardlink_device_start(device);
  if (error == WARDLINK_OK) error = wardlink_device_report(device, readings, 2, WARDLINK_NOW);
  if (error == WARDLINK_OK) error = wardlink_device_raise(device, &alarm, &id);
  if (error == WARDLINK_OK) error = wardlink_device_end(device, id, WARDLINK_NOW);
  if (error == WARDLINK_OK) error = wardlink_device_stop(device, 60000);
  return error;
}

const char* wardlink_c_round_trip(const wardlink_options* given) {
  uint64_t tick = 7;
  wardlink_options options = *given;
  wardlink_device* device;
  options.tick = seven;
  options.tick_context = &tick;
  wardlink_error error = wardlink_device_create(&options, &device);
  if (error == WARDLINK_OK) error = report_and_warn(device);
  wardlink_device_destroy(device);
  return error == WARDLINK_OK ? "" : wardlink_error_detail();
}
