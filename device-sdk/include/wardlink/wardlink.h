#ifndef WARDLINK_WARDLINK_H
#define WARDLINK_WARDLINK_H
/* The device SDK for C (C11), and for whatever calls C. It does what device.hpp beside it does, which says more.
 *
 *   wardlink_options options;
 *   wardlink_options_init(&options, sizeof options);
 *   options.certificate_pem = …, options.private_key_pem = …, options.trusted_ca_pem = …;
 *   wardlink_device *device;
 *   if (wardlink_device_create(&options, &device) != WARDLINK_OK) puts(wardlink_error_detail());
 *   wardlink_device_start(device);
 *   wardlink_device_report(device, (wardlink_reading[]){{"hr", 72}}, 1, WARDLINK_NOW);
 *   wardlink_device_stop(device, 5000);
 *   wardlink_device_destroy(device);
 *
 * Ownership: what is passed in is copied before the call returns and stays the caller's. The caller owns the device,
 * and nothing else that it is given; strings that come back say below how long they live. All strings are UTF-8 and end
 * with a zero byte. Threads: every call from any thread, also several at once on one device; only
 * wardlink_device_destroy() must be the last. None but create, start, stop and destroy blocks, save for the disk of the
 * journal. Durability: report, raise, end and conclude return WARDLINK_OK when each alarm record that they made is on
 * the disk of the journal (fdatasync; calls that wait at the same time share it), or WARDLINK_UNWRITTEN. Without a
 * journal nothing outlives the process. Errors: no call throws, ends the process or sets errno. What is refused was not
 * taken, but for WARDLINK_UNWRITTEN; where memory ran out it may have been. Times: milliseconds. Values: in the
 * catalogue's unit (UCUM):
 *
 *   hr          /min    heart rate               map        mm[Hg]  mean blood pressure
 *   spo2        %       oxygen saturation        pr         /min    pulse rate
 *   rr          /min    respiratory rate         skin-temp  Cel     skin temperature
 *   temp        Cel     body temperature         etco2      mm[Hg]  end-tidal CO2
 *   sbp         mm[Hg]  systolic blood pressure  pi         %       perfusion index
 *   dbp         mm[Hg]  diastolic blood pressure
 *
 * Structs that begin with `size` may grow at their end in a later version: initialise them with their function, which
 * sets size and the defaults. The others stay as they are. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are permanent. */
typedef enum wardlink_error {
  WARDLINK_OK = 0,
  WARDLINK_INVALID_ARGUMENT = 1, /* NULL; no or an unknown sign, one twice, NaN, infinity; a malformed code; … */
  WARDLINK_INVALID_OPTIONS = 2,  /* create: the credentials or options cannot be used */
  WARDLINK_JOURNAL = 3,          /* create: the journal cannot be opened, mended or made durable */
  WARDLINK_SYSTEM = 4, /* the operating system gives no thread, no UDP socket or no clock that counts its sleep */
  WARDLINK_NO_MEMORY = 5,
  WARDLINK_STOPPED = 6, /* not started, or stopped */
  WARDLINK_FULL = 7,    /* alarms: alarm_capacity records are owed, or are kept free for the ends of open alarms */
  WARDLINK_UNKNOWN_ALARM = 8, /* no such open alarm */
  WARDLINK_UNDELIVERED = 9,   /* stop: something was left */
  /* All was taken and is sent, but an alarm of this call is not in the journal (a full disk, say): until it is, it is
   * lost with the process. It is written as soon as there is room. Do not repeat the call. */
  WARDLINK_UNWRITTEN = 10,
  WARDLINK_AHEAD = 11 /* measured more than a second ahead of the device's clock */
} wardlink_error;

/* One sentence about the code. Static; never NULL, also for a number that is no code. */
const char* wardlink_error_text(wardlink_error error);
/* One sentence about what went wrong in this thread's last call that returned an error, which may say more than the
 * code does. Never NULL, cut off at 511 bytes; lives until this thread's next call. */
const char* wardlink_error_detail(void);
/* "0.1.0". Static. */
const char* wardlink_version(void);

typedef enum wardlink_alarm_kind { WARDLINK_PHYSIOLOGICAL = 1, WARDLINK_TECHNICAL = 2 } wardlink_alarm_kind;
typedef enum wardlink_priority { WARDLINK_LOW = 1, WARDLINK_MEDIUM = 2, WARDLINK_HIGH = 3 } wardlink_priority;
typedef enum wardlink_side { WARDLINK_AT_LEAST = 1, WARDLINK_AT_MOST = 2 } wardlink_side;

/* An alarm limit: the condition holds where the value is at least, or at most, the threshold. */
typedef struct wardlink_limit {
  const char* sign; /* wire name: "hr" */
  wardlink_side side;
  double threshold; /* finite */
  wardlink_priority priority;
} wardlink_limit;

/* A waveform that the device has. */
typedef struct wardlink_waveform {
  const char* name; /* "ecg" (mV), "ppg" and "resp" (no absolute scale) */
  /* The rate: so many samples in so many seconds, each 1 to 1,000,000. ECG 50 to 1,000 Hz, PPG 10 to 1,000, respiration
   * 5 to 500. */
  uint32_t samples, seconds;
  /* Samples travel as int16 of which one step is `scale` (not 0) and 0 is `offset`: 0.001 and 0 span ±32.767. */
  double scale, offset;
} wardlink_waveform;

typedef struct wardlink_options {
  size_t size;
  const char* server;          /* host name or address; default "localhost" */
  const char* server_name;     /* that the server's certificate must carry; NULL (default): `server` */
  const char* certificate_pem; /* PEM texts, not files. Needed. The certificate's first SAN URI is the device's name */
  const char* private_key_pem; /* of the certificate, P-256. Needed */
  const char* trusted_ca_pem;  /* the authorities that servers' certificates come from. Needed */
  const char* journal_path;    /* NULL (default): none. A file that is there goes on, and what it owes is delivered.
                                  Bounded: 64 KiB or twice what is owed */
  /* The clock of ticks, for which you vouch: monotonic ms below 2^53 that count the time in which the device sleeps.
   * Called from any thread, also several at once; it must not call the device. NULL (default): the host's, since it
   * started (CLOCK_BOOTTIME). Where it goes back
   * by more than a second (it wraps or restarts), a new start of the device begins: sequences and limits begin anew,
   * what waits unsent is dropped and counted, open alarms are unknown; alarms that are owed stay so. */
  uint64_t (*tick)(void* context);
  void* tick_context;
  const wardlink_limit* limits;       /* default: a static table, the outermost bands of NEWS2 */
  size_t limit_count;                 /* 0: no alarm is raised by a value */
  double hysteresis;                  /* 0 to 0.5 of the threshold; default 0.02 */
  uint64_t shortest_ms;               /* that a value must be beyond its limit; default 10,000 */
  const wardlink_waveform* waveforms; /* each once; default none */
  size_t waveform_count;
  size_t set_capacity;        /* sets kept unsent, from 1; beyond it the oldest is dropped. Default 4,096 */
  size_t alarm_capacity;      /* alarm records owed, from 2: an onset and its end; default 1,024 */
  size_t run_capacity;        /* runs of each waveform kept unsent; default 64 */
  uint32_t heartbeat_seconds; /* alarms are notified at least so often, 1 to 86,400; default 30 */
  uint16_t port;              /* UDP; default 5684 */
  /* You vouch for the host's calendar: the dates of the service's certificates are judged by it. false (default): by what
   * the service says of the time, but by no day before the build of this library, or before the last that the journal
   * knows at which one was good. */
  bool calendar_is_right;
} wardlink_options;

/* Sets all to its default. INVALID_ARGUMENT: NULL. */
wardlink_error wardlink_options_init(wardlink_options* options, size_t size);

/* A wearable. */
typedef struct wardlink_device wardlink_device;

/* INVALID_ARGUMENT (NULL, or a struct that was not initialised), INVALID_OPTIONS, JOURNAL, SYSTEM, NO_MEMORY. *device
 * is set to NULL then; else it is the caller's, to be destroyed. */
wardlink_error wardlink_device_create(const wardlink_options* options, wardlink_device** device);
/* Stops it with no time to drain, where that was not done. NULL does nothing. */
void wardlink_device_destroy(wardlink_device* device);

/* Connects in the background, and reconnects for as long as it runs. Once in a device's life: again does nothing.
 * INVALID_ARGUMENT, SYSTEM, NO_MEMORY. */
wardlink_error wardlink_device_start(wardlink_device* device);
/* Sends what waits for at most `drain_ms` (held at a day), then closes the session. Blocks. INVALID_ARGUMENT,
 * UNDELIVERED: it is stopped, but something was left (see the status). */
wardlink_error wardlink_device_stop(wardlink_device* device, uint64_t drain_ms);

/* For a tick: now, by the device's clock. Any other tick is that clock's, as far back as may be. More than 1,000 ms
 * ahead it is refused as AHEAD, from 2^53 on as an INVALID_ARGUMENT. */
#define WARDLINK_NOW UINT64_MAX

/* A vital sign by its wire name ("hr", or the long one, "heart-rate"). */
typedef struct wardlink_reading {
  const char* sign;
  double value; /* finite */
} wardlink_reading;

/* One measurement set: 1 to 16 signs sampled together, each once. Alarm limits are applied before it returns.
 * INVALID_ARGUMENT, STOPPED, NO_MEMORY, UNWRITTEN, AHEAD. */
wardlink_error wardlink_device_report(wardlink_device* device, const wardlink_reading* readings, size_t count,
                                      uint64_t tick_ms);
/* The next samples of one of the options' waveforms, oldest first, at its rate; NaN: not measured. `tick_ms`: of the
 * first. WARDLINK_NOW: they follow the last ones without a gap. INVALID_ARGUMENT (also infinity, or none), STOPPED,
 * NO_MEMORY, AHEAD. */
wardlink_error wardlink_device_waveform(wardlink_device* device, const char* name, const double* samples, size_t count,
                                        uint64_t tick_ms);

/* An alarm condition beyond the limits: lead off, fall, the wearer's button. */
typedef struct wardlink_alarm {
  size_t size;
  wardlink_alarm_kind kind;   /* default WARDLINK_PHYSIOLOGICAL */
  wardlink_priority priority; /* default WARDLINK_HIGH */
  const char* code;           /* "lead-off": lower case, digits and '-', 1 to 32 bytes. Needed */
  const char* sign;           /* that it is about; NULL (default): none */
  double value, limit;        /* of the sign at onset, and the limit in force; NaN (default): none */
  uint64_t tick_ms;           /* onset; default WARDLINK_NOW */
} wardlink_alarm;

/* INVALID_ARGUMENT: NULL. */
wardlink_error wardlink_alarm_init(wardlink_alarm* alarm, size_t size);

/* Names a raised alarm to this device; never 0. */
typedef uint64_t wardlink_alarm_id;

/* `id` may be NULL where the alarm never ends; it is set by OK and by UNWRITTEN. INVALID_ARGUMENT, STOPPED, FULL,
 * NO_MEMORY, UNWRITTEN, AHEAD. */
wardlink_error wardlink_device_raise(wardlink_device* device, const wardlink_alarm* alarm, wardlink_alarm_id* id);
/* INVALID_ARGUMENT, STOPPED, UNKNOWN_ALARM, NO_MEMORY, UNWRITTEN, AHEAD. */
wardlink_error wardlink_device_end(wardlink_device* device, wardlink_alarm_id id, uint64_t tick_ms);
/* The measuring ends: alarms raised by limits end with their last sample inside the band, runs of samples where they
 * are. Does nothing where it does not run. INVALID_ARGUMENT, NO_MEMORY, UNWRITTEN. */
wardlink_error wardlink_device_conclude(wardlink_device* device);

typedef struct wardlink_status {
  size_t size;
  bool connected;         /* a session stands and the service observes it */
  char last_problem[256]; /* why it does not, for people, cut off where it is longer; "" when connected */
  uint64_t sets_generated, sets_sent, sets_dropped, sets_waiting;
  uint64_t runs_generated, runs_sent, runs_dropped, runs_waiting; /* of all waveforms */
  /* Inherited: left owed in the journal by earlier starts. Generated + inherited = acknowledged + owed. */
  uint64_t alarms_generated, alarms_inherited, alarms_acknowledged, alarms_owed;
  uint64_t alarms_dropped; /* episodes of limits that began and ended while alarm_capacity was reached */
  uint64_t non_notifications, con_notifications;
  uint64_t handshakes, retransmissions;
  uint64_t journal_failures, journal_damaged_lines; /* not written; found damaged when it was opened */
  uint64_t journal_kept_lines; /* not understood when it was opened: kept for a version that does, not sent */
  uint64_t alarms_unwritten;   /* records that are owed, but not in the journal (yet) */
  /* Calls that took nothing: of report, of waveform, of raise and end. Not those with a NULL or a struct that cannot be
   * read. */
  uint64_t sets_refused, samples_refused, alarms_refused;
  uint64_t clock_restarts; /* the device's clock went back by more than a second: a new start of the device each */
  /* Exchanges of the device's clock that the service took; the last one dates it to ± so many ms, from that tick on. 0
   * and 0: none yet. */
  uint64_t clock_exchanges, clock_uncertainty_ms, clock_exchange_tick_ms;
} wardlink_status;

/* Fills in `size` bytes of *status. INVALID_ARGUMENT, NO_MEMORY. */
wardlink_error wardlink_device_status(const wardlink_device* device, wardlink_status* status, size_t size);
/* The URN of its certificate. Lives as long as the device. NULL of NULL. */
const char* wardlink_device_name(const wardlink_device* device);
/* Of the start that is: 1 to 2^53 − 1. Drawn by create, and each time when the clock goes back by more than a second. 0
 * of NULL. */
uint64_t wardlink_device_boot(const wardlink_device* device);

#ifdef __cplusplus
}
#endif

#endif
