// The C header over Device: nothing is decided here. Exceptions end here, as an error and its sentence.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

#include "c_options.hpp"
#include "coap/dtls.hpp"
#include "wardlink/device.hpp"

struct wardlink_device {
  wardlink::Device device;
};

namespace {

using wardlink::Refusal;
namespace c_api = wardlink::c_api;

// Larger than any struct will be: beyond it `size` was never set.
constexpr std::size_t kLargestStruct = 4096;
constexpr std::uint64_t kLongestDrain = 24ull * 60 * 60 * 1000;  // ms

thread_local char last_detail[512] = "";

wardlink_error fail(wardlink_error error, const char* sentence) {
  std::snprintf(last_detail, sizeof last_detail, "%s", sentence);
  return error;
}
wardlink_error fail(wardlink_error error) { return fail(error, wardlink_error_text(error)); }

/// Whatever this thread's errno was when a call began, it is when the call ends.
class KeepErrno {
 public:
  KeepErrno() = default;
  ~KeepErrno() { errno = before_; }
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;

 private:
  const int before_ = errno;
};

/// What may throw. `invalid` is what std::invalid_argument means here.
template <class Call>
wardlink_error guarded(wardlink_error invalid, Call call) noexcept {
  const KeepErrno kept;
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return fail(WARDLINK_NO_MEMORY);
  } catch (const std::invalid_argument& problem) {
    return fail(invalid, problem.what());
  } catch (const std::exception& problem) {
    return fail(WARDLINK_SYSTEM, problem.what());
  } catch (...) {
    return fail(WARDLINK_SYSTEM);
  }
}
template <class Call>
wardlink_error guarded(Call call) noexcept {
  return guarded(WARDLINK_INVALID_ARGUMENT, std::move(call));
}

wardlink_error null() { return fail(WARDLINK_INVALID_ARGUMENT, "An argument is NULL."); }

wardlink_error error_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return WARDLINK_OK;
    case Refusal::stopped:
      return fail(WARDLINK_STOPPED);
    case Refusal::invalid:
      return fail(WARDLINK_INVALID_ARGUMENT);
    case Refusal::full:
      return fail(WARDLINK_FULL);
    case Refusal::unknown_alarm:
      return fail(WARDLINK_UNKNOWN_ALARM);
    case Refusal::unwritten:
      return fail(WARDLINK_UNWRITTEN);
    case Refusal::ahead:
      return fail(WARDLINK_AHEAD);
  }
  return fail(WARDLINK_SYSTEM);
}

/// Fills what the caller's version of the struct has; what ours does not have is 0.
template <class Struct>
wardlink_error hand_out(Struct* to, std::size_t size, Struct ours) {
  if (to == nullptr) return null();
  if (size < sizeof ours.size || size > kLargestStruct) {
    return fail(WARDLINK_INVALID_ARGUMENT, "A struct's size is not that of the struct.");
  }
  ours.size = size;
  std::memset(static_cast<void*>(to), 0, size);
  std::memcpy(static_cast<void*>(to), &ours, std::min(size, sizeof ours));
  return WARDLINK_OK;
}

/// Whether we can do what the struct asks for: what a later version has and we do not must be 0. When a struct grows,
/// its first version's size stays the least, and what the caller's version lacks keeps its default.
template <class Struct>
void check_size(const Struct& given) {
  if (given.size < sizeof(Struct) || given.size > kLargestStruct) {
    throw std::invalid_argument("A struct was not initialised by its function.");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(&given);
  if (std::any_of(bytes + sizeof(Struct), bytes + given.size, [](unsigned char byte) { return byte != 0; })) {
    throw std::invalid_argument("A struct asks for what this version of the library does not know.");
  }
}

wardlink_error create(const wardlink_options& given, wardlink_device** device) {
  auto options = c_api::to_device_options(given);
  if (given.journal_path != nullptr) {
    const auto identity = coap::certificate_identity(options.credentials.certificate_pem);
    try {
      // Without a name there is no device: it says so below.
      if (identity) options.journal = wardlink::open_file_journal(given.journal_path, identity->uri);
    } catch (const std::runtime_error& problem) {
      return fail(WARDLINK_JOURNAL, problem.what());
    }
  }
  *device = new wardlink_device{wardlink::Device(std::move(options))};
  return WARDLINK_OK;
}

wardlink_status status_of(const wardlink::DeviceStatus& now) {
  wardlink_status status{};
  status.connected = now.connected;
  std::snprintf(status.last_problem, sizeof status.last_problem, "%s", now.last_problem.c_str());
  status.sets_generated = now.sets_generated;
  status.sets_sent = now.sets_sent;
  status.sets_dropped = now.sets_dropped;
  status.sets_waiting = now.sets_waiting;
  status.runs_generated = now.runs_generated;
  status.runs_sent = now.runs_sent;
  status.runs_dropped = now.runs_dropped;
  status.runs_waiting = now.runs_waiting;
  status.alarms_generated = now.alarms_generated;
  status.alarms_inherited = now.alarms_inherited;
  status.alarms_acknowledged = now.alarms_acknowledged;
  status.alarms_owed = now.alarms_owed;
  status.alarms_dropped = now.alarms_dropped;
  status.non_notifications = now.non_notifications;
  status.con_notifications = now.con_notifications;
  status.handshakes = now.handshakes;
  status.retransmissions = now.retransmissions;
  status.journal_failures = now.journal_failures;
  status.journal_damaged_lines = now.journal_damaged_lines;
  status.journal_kept_lines = now.journal_kept_lines;
  status.alarms_unwritten = now.alarms_unwritten;
  status.sets_refused = now.sets_refused;
  status.samples_refused = now.samples_refused;
  status.alarms_refused = now.alarms_refused;
  status.clock_restarts = now.clock_restarts;
  status.clock_exchanges = now.clock_exchanges;
  status.clock_uncertainty_ms = now.clock_uncertainty_ms;
  status.clock_exchange_tick_ms = now.clock_exchange_tick_ms;
  return status;
}

}  // namespace

const char* wardlink_error_text(wardlink_error error) {
  switch (error) {
    case WARDLINK_OK:
      return "Nothing is wrong.";
    case WARDLINK_INVALID_ARGUMENT:
      return "An argument is missing, unknown to the catalogue, given twice or not a usable number.";
    case WARDLINK_INVALID_OPTIONS:
      return "The credentials or options cannot be used.";
    case WARDLINK_JOURNAL:
      return "The journal cannot be opened, mended or made durable.";
    case WARDLINK_SYSTEM:
      return "The operating system does not give what is needed.";
    case WARDLINK_NO_MEMORY:
      return "There is not enough memory.";
    case WARDLINK_STOPPED:
      return "The device was not started, or it was stopped.";
    case WARDLINK_FULL:
      return "As many alarms are owed as the device may keep.";
    case WARDLINK_UNKNOWN_ALARM:
      return "No alarm of that number is open.";
    case WARDLINK_UNDELIVERED:
      return "The device stopped before everything was delivered.";
    case WARDLINK_UNWRITTEN:
      return "The alarm is raised, but the journal could not write it yet.";
    case WARDLINK_AHEAD:
      return "It was measured more than a second ahead of the device's clock.";
  }
  return "This is not an error code of wardlink.";
}

const char* wardlink_error_detail(void) { return last_detail; }

const char* wardlink_version(void) { return WARDLINK_VERSION; }

wardlink_error wardlink_options_init(wardlink_options* options, size_t size) {
  return guarded([&] { return hand_out(options, size, c_api::default_options()); });
}

wardlink_error wardlink_device_create(const wardlink_options* options, wardlink_device** device) {
  if (device == nullptr) return null();
  *device = nullptr;
  if (options == nullptr) return null();
  const auto checked = guarded([&] {
    check_size(*options);
    return WARDLINK_OK;
  });
  if (checked != WARDLINK_OK) return checked;
  return guarded(WARDLINK_INVALID_OPTIONS, [&] { return create(*options, device); });
}

void wardlink_device_destroy(wardlink_device* device) {
  const KeepErrno kept;
  delete device;
}

wardlink_error wardlink_device_start(wardlink_device* device) {
  if (device == nullptr) return null();
  return guarded([&] {
    device->device.start();
    return WARDLINK_OK;
  });
}

wardlink_error wardlink_device_stop(wardlink_device* device, uint64_t drain_ms) {
  if (device == nullptr) return null();
  return guarded([&] {
    const std::chrono::milliseconds drain{std::min(drain_ms, kLongestDrain)};
    return device->device.stop(drain) ? WARDLINK_OK : fail(WARDLINK_UNDELIVERED);
  });
}

wardlink_error wardlink_device_report(wardlink_device* device, const wardlink_reading* readings, size_t count,
                                      uint64_t tick_ms) {
  if (device == nullptr || readings == nullptr) return null();
  return guarded([&] {
    wardlink::MeasurementSet set{{}, c_api::tick_of(tick_ms)};
    // One too many is refused, and counted, like any number of them; so is a sign that is not there.
    for (std::size_t i = 0; i < std::min(count, wardlink::kMostReadings + 1); ++i)
      set.readings.push_back({c_api::sign_or_none(readings[i].sign), readings[i].value});
    return error_of(device->device.report(set));
  });
}

wardlink_error wardlink_device_waveform(wardlink_device* device, const char* name, const double* samples, size_t count,
                                        uint64_t tick_ms) {
  if (device == nullptr || name == nullptr || samples == nullptr) return null();
  return guarded([&] { return error_of(device->device.waveform(name, {samples, count}, c_api::tick_of(tick_ms))); });
}

wardlink_error wardlink_alarm_init(wardlink_alarm* alarm, size_t size) {
  return hand_out(alarm, size, c_api::default_alarm());
}

wardlink_error wardlink_device_raise(wardlink_device* device, const wardlink_alarm* alarm, wardlink_alarm_id* id) {
  if (device == nullptr || alarm == nullptr) return null();
  return guarded([&] {
    check_size(*alarm);
    auto why = Refusal::none;
    const auto raised = device->device.raise(c_api::to_alarm(*alarm), &why);
    if (raised && id != nullptr) *id = static_cast<wardlink_alarm_id>(*raised);
    return error_of(why);
  });
}

wardlink_error wardlink_device_end(wardlink_device* device, wardlink_alarm_id id, uint64_t tick_ms) {
  if (device == nullptr) return null();
  return guarded([&] { return error_of(device->device.end(wardlink::AlarmId{id}, c_api::tick_of(tick_ms))); });
}

wardlink_error wardlink_device_conclude(wardlink_device* device) {
  if (device == nullptr) return null();
  return guarded([&] {
    const auto refusal = device->device.conclude();
    return refusal == Refusal::stopped ? WARDLINK_OK : error_of(refusal);
  });
}

wardlink_error wardlink_device_status(const wardlink_device* device, wardlink_status* status, size_t size) {
  if (device == nullptr) return null();
  return guarded([&] { return hand_out(status, size, status_of(device->device.status())); });
}

const char* wardlink_device_name(const wardlink_device* device) {
  return device == nullptr ? nullptr : device->device.name().c_str();
}

uint64_t wardlink_device_boot(const wardlink_device* device) { return device == nullptr ? 0 : device->device.boot(); }
