// The C API over real DTLS on loopback: every error code, what it does with NULL, and who owns what.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <new>
#include <sstream>
#include <thread>

#include "loopback_gateway.hpp"
#include "places.hpp"
#include "wardlink/device.hpp"
#include "wardlink/wardlink.h"

extern "C" const char* wardlink_c_round_trip(const wardlink_options* options);  // c_api_client.c

// The next allocation of this thread fails.
static thread_local bool memory_is_out = false;
static void* allocate(std::size_t size) {
  if (std::exchange(memory_is_out, false)) throw std::bad_alloc();
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
// Not inlined: else gcc takes it for the wrong way to give back what `new` made.
[[gnu::noinline]] static void give_back(void* memory) { std::free(memory); }
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size > 0 ? size : 1); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { give_back(memory); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete[](void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give_back(memory); }

// The process has no more files to open, but the sanitizers still have theirs.
static std::atomic<bool> sockets_are_out = false;
extern "C" int socket(int domain, int type, int protocol) noexcept {
  if (!sockets_are_out) return static_cast<int>(syscall(SYS_socket, domain, type, protocol));
  errno = EMFILE;
  return -1;
}

namespace wardlink {
namespace {

using ::testing::ElementsAre;
using testing::eventually;
using ::testing::HasSubstr;
using testing::LoopbackGateway;
using ::testing::Pair;
using namespace std::chrono_literals;

const std::string kUrn = "urn:dev:os:32473-00000000000000cc";
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint64_t kDrain = 60'000;

/// Options that work, with the texts that they point to.
struct Options : wardlink_options {
  explicit Options(std::uint16_t to, const std::string& urn = kUrn) : wardlink_options{}, badge(testing::badge(urn)) {
    EXPECT_EQ(wardlink_options_init(this, sizeof(wardlink_options)), WARDLINK_OK);
    server = "127.0.0.1";
    server_name = "localhost";
    certificate_pem = badge.certificate_pem.c_str();
    private_key_pem = badge.private_key_pem.c_str();
    trusted_ca_pem = badge.trusted_ca_pem.c_str();
    limit_count = 0;
    port = to;
  }
  coap::Credentials badge;
};

struct Destroy {
  void operator()(wardlink_device* device) const { wardlink_device_destroy(device); }
};
using Device = std::unique_ptr<wardlink_device, Destroy>;

Device make(const wardlink_options& options) {
  wardlink_device* device = nullptr;
  EXPECT_EQ(wardlink_device_create(&options, &device), WARDLINK_OK) << wardlink_error_detail();
  return Device(device);
}

Device started(const wardlink_options& options) {
  auto device = make(options);
  EXPECT_EQ(wardlink_device_start(device.get()), WARDLINK_OK) << wardlink_error_detail();
  return device;
}

wardlink_error refused(const wardlink_options& options) {
  auto* device = reinterpret_cast<wardlink_device*>(1);
  const auto error = wardlink_device_create(&options, &device);
  EXPECT_EQ(device, nullptr);
  return error;
}

wardlink_error report(const Device& device, std::vector<wardlink_reading> readings) {
  return wardlink_device_report(device.get(), readings.data(), readings.size(), WARDLINK_NOW);
}

wardlink_alarm alarm_of(const char* code) {
  wardlink_alarm alarm;
  EXPECT_EQ(wardlink_alarm_init(&alarm, sizeof alarm), WARDLINK_OK);
  alarm.code = code;
  return alarm;
}

wardlink_error raise(const Device& device, const wardlink_alarm& alarm) {
  return wardlink_device_raise(device.get(), &alarm, nullptr);
}

wardlink_status status_of(const Device& device) {
  wardlink_status status;
  EXPECT_EQ(wardlink_device_status(device.get(), &status, sizeof status), WARDLINK_OK);
  return status;
}

TEST(CApi, CompiledAsCItDeliversASetAndAnAlarm) {
  LoopbackGateway gateway;
  const Options options(gateway.port());
  EXPECT_STREQ(wardlink_c_round_trip(&options), "");
  const auto alarms = gateway.arrived().at(kUrn).alarms;
  EXPECT_THAT(alarms, ElementsAre(Pair(1, "raised lead-off"), Pair(2, "ended lead-off")));
  EXPECT_TRUE(eventually([&] { return gateway.arrived().at(kUrn).sets.size() == 1; }));
  EXPECT_THAT(gateway.arrived().at(kUrn).sets.at(1), ElementsAre(Pair("hr", 72), Pair("spo2", 97.5), Pair("tk", 7)));
}

TEST(CApi, EveryCodeHasASentenceOfItsOwn) {
  std::set<std::string> sentences;
  for (int code = WARDLINK_OK; code <= WARDLINK_UNDELIVERED; ++code) {
    const std::string sentence = wardlink_error_text(static_cast<wardlink_error>(code));
    EXPECT_THAT(sentence, ::testing::EndsWith("."));
    EXPECT_TRUE(sentences.insert(sentence).second) << sentence;
  }
  EXPECT_TRUE(sentences.insert(wardlink_error_text(static_cast<wardlink_error>(WARDLINK_UNDELIVERED + 1))).second)
      << "a code without a sentence";
}

TEST(CApi, TheHeaderListsTheCatalogue) {
  std::ostringstream header;
  header << std::ifstream(places::source("device-sdk/include/wardlink/wardlink.h")).rdbuf();
  auto text = header.str();
  text.erase(std::unique(text.begin(), text.end(), [](char a, char b) { return a == ' ' && b == ' '; }), text.end());
  for (const auto& sign : signs::catalogue()) {
    EXPECT_THAT(text, HasSubstr(' ' + std::string(sign.wire) + ' ' + std::string(sign.ucum) + ' '));
  }
  for (const auto& waveform : signs::waveforms()) EXPECT_THAT(text, HasSubstr('"' + std::string(waveform.wire) + '"'));
}

TEST(CApi, TheDefaultsAreTheSdksOwn) {
  wardlink_options options;
  ASSERT_EQ(wardlink_options_init(&options, sizeof options), WARDLINK_OK);
  EXPECT_STREQ(options.server, "localhost");
  EXPECT_EQ(options.port, 5684);
  EXPECT_EQ(options.heartbeat_seconds, 30u);
  EXPECT_EQ(options.shortest_ms, 10'000u);
  const auto limits = AlarmSettings::news2_extremes();
  ASSERT_EQ(options.limit_count, limits.size());
  for (std::size_t i = 0; i < limits.size(); ++i) {
    EXPECT_EQ(signs::find(options.limits[i].sign)->id, limits[i].sign);
    EXPECT_EQ(options.limits[i].side == WARDLINK_AT_LEAST, limits[i].side == AlarmLimit::Side::high);
    EXPECT_EQ(options.limits[i].threshold, limits[i].threshold);
    EXPECT_EQ(options.limits[i].priority, WARDLINK_HIGH);
  }
}

TEST(CApi, RefusesNull) {
  const auto device = started(Options(1));
  const wardlink_reading reading{"hr", 72};
  const auto alarm = alarm_of("fall");
  const double sample = 0;
  wardlink_status status;
  wardlink_device* made = nullptr;
  const Options options(1);
  for (const auto error : {
           wardlink_options_init(nullptr, sizeof(wardlink_options)),
           wardlink_alarm_init(nullptr, sizeof(wardlink_alarm)),
           wardlink_device_create(nullptr, &made),
           wardlink_device_create(&options, nullptr),
           wardlink_device_start(nullptr),
           wardlink_device_stop(nullptr, 0),
           wardlink_device_conclude(nullptr),
           wardlink_device_report(nullptr, &reading, 1, WARDLINK_NOW),
           wardlink_device_report(device.get(), nullptr, 1, WARDLINK_NOW),
           wardlink_device_waveform(nullptr, "ecg", &sample, 1, WARDLINK_NOW),
           wardlink_device_waveform(device.get(), nullptr, &sample, 1, WARDLINK_NOW),
           wardlink_device_waveform(device.get(), "ecg", nullptr, 1, WARDLINK_NOW),
           wardlink_device_raise(nullptr, &alarm, nullptr),
           wardlink_device_raise(device.get(), nullptr, nullptr),
           wardlink_device_end(nullptr, 1, WARDLINK_NOW),
           wardlink_device_status(nullptr, &status, sizeof status),
           wardlink_device_status(device.get(), nullptr, sizeof status),
           report(device, {{nullptr, 72}}),
           raise(device, alarm_of(nullptr)),
       }) {
    EXPECT_EQ(error, WARDLINK_INVALID_ARGUMENT);
  }
  EXPECT_EQ(wardlink_device_name(nullptr), nullptr);
  EXPECT_EQ(wardlink_device_boot(nullptr), 0u);
  wardlink_device_destroy(nullptr);
  EXPECT_EQ(status_of(device).sets_generated, 0u);
}

TEST(CApi, RefusesWhatTheCatalogueAndTheEnumsDoNotHave) {
  const auto device = started(Options(1));
  const auto changed = [](auto change) {
    auto alarm = alarm_of("fall");
    change(alarm);
    return alarm;
  };
  for (const auto error : {
           report(device, {}),
           report(device, {{"pulse", 72}}),
           report(device, {{"hr", kNaN}}),
           report(device, {{"hr", kInfinity}}),
           report(device, {{"hr", 72}, {"heart-rate", 72}}),
           report(device, std::vector<wardlink_reading>(17, {"hr", 72})),
           raise(device, alarm_of("Lead Off")),
           raise(device, changed([](auto& it) { it.kind = static_cast<wardlink_alarm_kind>(3); })),
           raise(device, changed([](auto& it) { it.priority = static_cast<wardlink_priority>(0); })),
           raise(device, changed([](auto& it) { it.sign = "pulse"; })),
           raise(device, changed([](auto& it) { it.value = kInfinity; })),
           raise(device, changed([](auto& it) { it.size = 0; })),
       }) {
    EXPECT_EQ(error, WARDLINK_INVALID_ARGUMENT);
    EXPECT_STRNE(wardlink_error_detail(), "");
  }
}

TEST(CApi, PrioritiesAndKindsAreTheSdksOwn) {
  const auto path = std::filesystem::temp_directory_path() / ("c_api_enums_" + std::to_string(getpid()) + ".jsonl");
  Options options(1);
  options.journal_path = path.c_str();
  const auto device = started(options);
  for (const auto priority : {WARDLINK_LOW, WARDLINK_MEDIUM, WARDLINK_HIGH}) {
    for (const auto kind : {WARDLINK_PHYSIOLOGICAL, WARDLINK_TECHNICAL}) {
      auto alarm = alarm_of("fall");
      alarm.priority = priority;
      alarm.kind = kind;
      EXPECT_EQ(raise(device, alarm), WARDLINK_OK) << wardlink_error_detail();
    }
  }
  std::ifstream journal(path);
  const std::string text{std::istreambuf_iterator<char>(journal), {}};
  std::filesystem::remove(path);
  for (const char* kind : {"physiological", "technical"}) {
    for (const char* priority : {"1", "2", "3"}) {
      EXPECT_THAT(text, HasSubstr("\"kind\":\"" + std::string(kind) + "\",\"priority\":" + priority));
    }
  }
}

TEST(CApi, SaysWhatIsWrongWithTheOptions) {
  const auto detail = [](auto change) -> std::string {
    Options options(1);
    change(options);
    const auto error = refused(options);
    return error == WARDLINK_INVALID_OPTIONS ? wardlink_error_detail() : "code " + std::to_string(error);
  };
  const wardlink_limit no_sign{"pulse", WARDLINK_AT_LEAST, 1, WARDLINK_HIGH};
  const wardlink_limit no_side{"hr", static_cast<wardlink_side>(0), 1, WARDLINK_HIGH};
  const wardlink_waveform no_rate{"ecg", 1, 0, 1, 0};
  EXPECT_THAT(detail([](Options& o) { o.server = nullptr; }), HasSubstr("server"));
  EXPECT_THAT(detail([](Options& o) { o.certificate_pem = nullptr; }), HasSubstr("certificate"));
  EXPECT_THAT(detail([](Options& o) { o.certificate_pem = ""; }), HasSubstr("certificate"));
  EXPECT_THAT(detail([](Options& o) { o.private_key_pem = "x"; }), HasSubstr("key"));
  EXPECT_THAT(detail([](Options& o) { o.trusted_ca_pem = nullptr; }), HasSubstr("authority"));
  EXPECT_THAT(detail([](Options& o) { o.hysteresis = kNaN; }), HasSubstr("hysteresis"));
  EXPECT_THAT(detail([](Options& o) { o.heartbeat_seconds = 0; }), HasSubstr("heartbeat"));
  EXPECT_THAT(detail([](Options& o) { o.alarm_capacity = 1; }), HasSubstr("alarm_capacity"));
  EXPECT_THAT(detail([](Options& o) { o.set_capacity = 0; }), HasSubstr("set_capacity"));
  EXPECT_THAT(detail([](Options& o) { o.limits = nullptr, o.limit_count = 1; }), HasSubstr("limits"));
  EXPECT_THAT(detail([&](Options& o) { o.limits = &no_sign, o.limit_count = 1; }), HasSubstr("sign"));
  EXPECT_THAT(detail([&](Options& o) { o.limits = &no_side, o.limit_count = 1; }), HasSubstr("side"));
  EXPECT_THAT(detail([](Options& o) { o.waveform_count = 1; }), HasSubstr("waveforms"));
  EXPECT_THAT(detail([&](Options& o) { o.waveforms = &no_rate, o.waveform_count = 1; }), HasSubstr("rate"));
  EXPECT_EQ(detail([](Options& o) { o.size = 0; }), "code 1") << "not initialised";
}

TEST(CApi, TakesAStructOfALaterVersionThatAsksForNothingNew) {
  struct Later {
    wardlink_options now;
    std::uint64_t news;
  } later;
  ASSERT_EQ(wardlink_options_init(&later.now, sizeof later), WARDLINK_OK);
  EXPECT_EQ(later.now.size, sizeof later);
  EXPECT_EQ(later.news, 0u);
  const Options good(1);
  later.now = good;
  later.now.size = sizeof later;
  EXPECT_TRUE(make(later.now));
  later.news = 1;
  EXPECT_EQ(refused(later.now), WARDLINK_INVALID_ARGUMENT);
  EXPECT_THAT(wardlink_error_detail(), HasSubstr("does not know"));
}

TEST(CApi, FillsAStatusOfAnyVersion) {
  const auto device = started(Options(1));
  ASSERT_EQ(report(device, {{"hr", 72}}), WARDLINK_OK);
  struct Later {
    wardlink_status now;
    std::uint64_t news = 7;
  } later;
  ASSERT_EQ(wardlink_device_status(device.get(), &later.now, sizeof later), WARDLINK_OK);
  EXPECT_EQ(later.now.sets_generated, 1u);
  EXPECT_EQ(later.news, 0u);
  wardlink_status earlier{};
  earlier.sets_sent = 7;
  ASSERT_EQ(wardlink_device_status(device.get(), &earlier, offsetof(wardlink_status, sets_sent)), WARDLINK_OK);
  EXPECT_EQ(earlier.sets_generated, 1u);
  EXPECT_EQ(earlier.sets_sent, 7u) << "written beyond the caller's struct";
  EXPECT_EQ(wardlink_device_status(device.get(), &earlier, 1), WARDLINK_INVALID_ARGUMENT);
}

TEST(CApi, TakesNothingUnlessItRuns) {
  const auto device = make(Options(1));
  const auto expect_stopped = [&] {
    const double sample = 0;
    EXPECT_EQ(report(device, {{"hr", 72}}), WARDLINK_STOPPED);
    EXPECT_EQ(raise(device, alarm_of("fall")), WARDLINK_STOPPED);
    EXPECT_EQ(wardlink_device_end(device.get(), 1, WARDLINK_NOW), WARDLINK_STOPPED);
    EXPECT_EQ(wardlink_device_waveform(device.get(), "ecg", &sample, 1, WARDLINK_NOW), WARDLINK_INVALID_ARGUMENT)
        << "it has none";
    EXPECT_STREQ(wardlink_error_detail(), wardlink_error_text(WARDLINK_INVALID_ARGUMENT));
  };
  expect_stopped();
  ASSERT_EQ(wardlink_device_start(device.get()), WARDLINK_OK);
  ASSERT_EQ(report(device, {{"hr", 72}}), WARDLINK_OK);
  EXPECT_EQ(wardlink_device_stop(device.get(), 1), WARDLINK_UNDELIVERED) << "nobody is there";
  EXPECT_EQ(status_of(device).sets_waiting, 1u);
  expect_stopped();
  EXPECT_EQ(wardlink_device_start(device.get()), WARDLINK_OK);
  expect_stopped();
}

TEST(CApi, RefusesWhatIsMeasuredAheadOfTheClockAndCountsWhatItRefuses) {  // TIME-3
  std::uint64_t clock = 90'000;
  Options options(1);
  const wardlink_waveform ecg{"ecg", 125, 1, 0.001, 0};
  options.waveforms = &ecg;
  options.waveform_count = 1;
  options.tick = [](void* context) { return *static_cast<std::uint64_t*>(context); };
  options.tick_context = &clock;
  const auto device = started(options);
  const wardlink_reading reading{"hr", 72};
  const auto set_at = [&](std::uint64_t tick) { return wardlink_device_report(device.get(), &reading, 1, tick); };
  EXPECT_EQ(set_at(91'000), WARDLINK_OK);
  EXPECT_EQ(set_at(91'001), WARDLINK_AHEAD);
  EXPECT_THAT(wardlink_error_detail(), HasSubstr("ahead of the device's clock"));
  EXPECT_EQ(set_at(1ull << 53), WARDLINK_INVALID_ARGUMENT);
  const double sample = 0;
  EXPECT_EQ(wardlink_device_waveform(device.get(), "ecg", &sample, 1, 91'001), WARDLINK_AHEAD);
  auto alarm = alarm_of("fall");
  alarm.tick_ms = 91'001;
  EXPECT_EQ(raise(device, alarm), WARDLINK_AHEAD);
  EXPECT_EQ(wardlink_device_end(device.get(), 1, 91'001), WARDLINK_AHEAD);
  EXPECT_EQ(report(device, {{"pulse", 72}}), WARDLINK_INVALID_ARGUMENT);
  EXPECT_EQ(report(device, std::vector<wardlink_reading>(17, {"hr", 72})), WARDLINK_INVALID_ARGUMENT);
  const auto status = status_of(device);
  EXPECT_EQ(status.sets_generated, 1u);
  EXPECT_EQ(status.sets_refused, 4u);
  EXPECT_EQ(status.samples_refused, 1u);
  EXPECT_EQ(status.alarms_refused, 2u);
}

TEST(CApi, BeginsANewStartWhereTheClockGoesBack) {  // TIME-2
  std::uint64_t clock = 90'000;
  Options options(1);
  options.tick = [](void* context) { return *static_cast<std::uint64_t*>(context); };
  options.tick_context = &clock;
  const auto device = make(options);
  const auto boot = wardlink_device_boot(device.get());
  ASSERT_EQ(wardlink_device_start(device.get()), WARDLINK_OK);
  const auto alarm = alarm_of("fall");
  wardlink_alarm_id id = 0;
  ASSERT_EQ(wardlink_device_raise(device.get(), &alarm, &id), WARDLINK_OK);
  ASSERT_EQ(wardlink_device_stop(device.get(), 0), WARDLINK_UNDELIVERED);  // no thread reads the clock any more
  clock = 0;
  EXPECT_EQ(wardlink_device_end(device.get(), id, WARDLINK_NOW), WARDLINK_STOPPED);
  EXPECT_EQ(status_of(device).clock_restarts, 1u);
  EXPECT_EQ(status_of(device).alarms_owed, 1u);
  EXPECT_NE(wardlink_device_boot(device.get()), boot);
}

TEST(CApi, OwesOnlySoManyAlarmsAndEndsOnlyOpenOnes) {
  Options options(1);
  options.alarm_capacity = 2;
  const auto device = started(options);
  const auto alarm = alarm_of("fall");
  wardlink_alarm_id id = 0;
  ASSERT_EQ(wardlink_device_raise(device.get(), &alarm, &id), WARDLINK_OK);
  EXPECT_NE(id, 0u);
  EXPECT_EQ(raise(device, alarm), WARDLINK_FULL);
  EXPECT_EQ(wardlink_device_end(device.get(), id + 1, WARDLINK_NOW), WARDLINK_UNKNOWN_ALARM);
  EXPECT_EQ(wardlink_device_end(device.get(), id, WARDLINK_NOW), WARDLINK_OK);
  EXPECT_EQ(wardlink_device_end(device.get(), id, WARDLINK_NOW), WARDLINK_UNKNOWN_ALARM);
  EXPECT_EQ(status_of(device).alarms_owed, 2u);
}

TEST(CApi, SaysThatMemoryIsOut) {
  const Options options(1);
  wardlink_device* none = nullptr;
  memory_is_out = true;
  EXPECT_EQ(wardlink_device_create(&options, &none), WARDLINK_NO_MEMORY);
  EXPECT_EQ(none, nullptr);
  const auto device = started(options);
  const wardlink_reading reading{"hr", 72};
  memory_is_out = true;
  EXPECT_EQ(wardlink_device_report(device.get(), &reading, 1, WARDLINK_NOW), WARDLINK_NO_MEMORY);
  EXPECT_FALSE(std::exchange(memory_is_out, false));
  EXPECT_EQ(wardlink_device_report(device.get(), &reading, 1, WARDLINK_NOW), WARDLINK_OK);
}

TEST(CApi, SaysThatThereIsNoSocket) {
  const auto device = make(Options(1));
  sockets_are_out = true;
  EXPECT_EQ(wardlink_device_start(device.get()), WARDLINK_SYSTEM);
  EXPECT_THAT(wardlink_error_detail(), HasSubstr("UDP"));
  sockets_are_out = false;
  EXPECT_EQ(wardlink_device_conclude(device.get()), WARDLINK_OK) << "there is nothing to conclude";
  EXPECT_EQ(wardlink_device_start(device.get()), WARDLINK_OK) << "the next try finds one";
}

TEST(CApi, LeavesErrnoAlone) {
  constexpr int kOurs = 77;
  Options options(1);
  options.journal_path = "/nonexistent/journal";
  errno = kOurs;
  EXPECT_EQ(refused(options), WARDLINK_JOURNAL);
  EXPECT_EQ(errno, kOurs);
  options.journal_path = nullptr;
  auto device = started(options);
  EXPECT_EQ(report(device, {{"hr", 72}}), WARDLINK_OK);
  EXPECT_EQ(wardlink_device_stop(device.get(), 0), WARDLINK_UNDELIVERED);
  device.reset();
  EXPECT_EQ(errno, kOurs);
}

TEST(CApi, SaysThatTheJournalCannotBeOpened) {
  Options options(1);
  options.journal_path = "/nowhere/bed.jsonl";
  EXPECT_EQ(refused(options), WARDLINK_JOURNAL);
  EXPECT_THAT(wardlink_error_detail(), HasSubstr("/nowhere/bed.jsonl"));
}

TEST(CApi, SaysOfEachCallThatItsAlarmIsNotOnTheDisk) {  // DUR-2
  const wardlink_limit limit{"hr", WARDLINK_AT_LEAST, 100, WARDLINK_MEDIUM};
  Options options(1);
  options.journal_path = "/dev/full";
  options.limits = &limit;
  options.limit_count = 1;
  options.shortest_ms = 0;
  const auto device = started(options);
  wardlink_alarm_id id = 0;
  const auto alarm = alarm_of("fall");
  EXPECT_EQ(wardlink_device_raise(device.get(), &alarm, &id), WARDLINK_UNWRITTEN);
  EXPECT_THAT(wardlink_error_detail(), HasSubstr("journal"));
  EXPECT_NE(id, 0u) << "it is raised all the same";
  EXPECT_EQ(report(device, {{"hr", 99}}), WARDLINK_OK) << "a set alone promises nothing";
  EXPECT_EQ(report(device, {{"hr", 100}}), WARDLINK_UNWRITTEN);
  EXPECT_EQ(wardlink_device_end(device.get(), id, WARDLINK_NOW), WARDLINK_UNWRITTEN);
  EXPECT_EQ(wardlink_device_conclude(device.get()), WARDLINK_UNWRITTEN);
  EXPECT_EQ(status_of(device).alarms_owed, 4u);
  EXPECT_EQ(status_of(device).alarms_unwritten, 4u);
}

TEST(CApi, CountsWhatTheJournalKeepsForANewerVersion) {  // DUR-2
  const auto path = std::filesystem::temp_directory_path() / ("c_api_kept_" + std::to_string(getpid()) + ".jsonl");
  std::ofstream(path) << R"({"type":"alarm","boot":9,"seq":1,"tk":1,"event":"raised","code":"lactate-high",)"
                      << R"("kind":"physiological","priority":3,"sign":"lactate","crc":"19cfae98"})"
                      << "\n";
  Options options(1);
  options.journal_path = path.c_str();
  const auto device = started(options);
  std::filesystem::remove(path);
  EXPECT_EQ(status_of(device).journal_kept_lines, 1u);
  EXPECT_EQ(status_of(device).alarms_inherited, 0u);
  EXPECT_EQ(status_of(device).journal_damaged_lines, 0u);
}

TEST(CApi, DeliversWhatAnEarlierStartLeftInTheJournal) {
  LoopbackGateway gateway;
  const auto path = std::filesystem::temp_directory_path() / ("c_api_" + std::to_string(getpid()) + ".jsonl");
  const auto with_journal = [&](std::uint16_t port) {
    Options options(port);
    options.journal_path = path.c_str();
    return started(options);
  };
  std::uint64_t boot = 0;
  {
    const auto device = with_journal(1);  // nobody is there
    boot = wardlink_device_boot(device.get());
    EXPECT_EQ(raise(device, alarm_of("fall")), WARDLINK_OK);
    EXPECT_GT(std::filesystem::file_size(path), 0u);
  }  // destroyed, not stopped
  const auto device = with_journal(gateway.port());
  std::filesystem::remove(path);
  EXPECT_NE(wardlink_device_boot(device.get()), boot);
  EXPECT_EQ(status_of(device).alarms_inherited, 1u);
  EXPECT_EQ(wardlink_device_stop(device.get(), kDrain), WARDLINK_OK) << status_of(device).last_problem;
  EXPECT_THAT(gateway.arrived().at(kUrn).alarms, ElementsAre(Pair(1, "raised fall")));
  EXPECT_EQ(status_of(device).alarms_acknowledged, 1u);
  EXPECT_EQ(status_of(device).clock_exchanges, 1u);  // TIME-4
  EXPECT_GE(status_of(device).clock_uncertainty_ms, 1u);
  EXPECT_GT(status_of(device).clock_exchange_tick_ms, 0u);
}

TEST(CApi, RaisesWhereAValueCrossesALimit) {
  const wardlink_limit limit{"hr", WARDLINK_AT_LEAST, 100, WARDLINK_MEDIUM};
  Options options(1);
  options.limits = &limit;
  options.limit_count = 1;
  options.shortest_ms = 0;
  const auto device = started(options);
  EXPECT_EQ(report(device, {{"hr", 99}}), WARDLINK_OK);
  EXPECT_EQ(status_of(device).alarms_generated, 0u);
  EXPECT_EQ(report(device, {{"heart-rate", 100}}), WARDLINK_OK);
  EXPECT_EQ(status_of(device).alarms_generated, 1u);
  EXPECT_EQ(wardlink_device_conclude(device.get()), WARDLINK_OK);
  EXPECT_EQ(status_of(device).alarms_generated, 2u) << "and its end";
}

TEST(CApi, CutsSamplesIntoRuns) {
  const wardlink_waveform ecg{"ecg", 125, 1, 0.001, 0};
  Options options(1);
  options.waveforms = &ecg;
  options.waveform_count = 1;
  const auto device = started(options);
  const std::vector<double> samples(125, 0.1);
  const auto waveform = [&](const char* name, const std::vector<double>& values) {
    return wardlink_device_waveform(device.get(), name, values.data(), values.size(), WARDLINK_NOW);
  };
  EXPECT_EQ(waveform("ecg", samples), WARDLINK_OK);
  EXPECT_EQ(waveform("ecg", {kNaN}), WARDLINK_OK) << "not measured";
  EXPECT_EQ(waveform("ecg", {kInfinity}), WARDLINK_INVALID_ARGUMENT);
  EXPECT_EQ(waveform("ppg", samples), WARDLINK_INVALID_ARGUMENT);
  EXPECT_EQ(wardlink_device_conclude(device.get()), WARDLINK_OK);
  EXPECT_EQ(status_of(device).runs_waiting, 1u);
}

TEST(CApi, ManyThreadsMayCallAtOnceAndEachHasItsOwnDetail) {
  constexpr int kThreads = 4, kEach = 100;
  LoopbackGateway gateway;
  const auto device = started(Options(gateway.port()));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      EXPECT_STREQ(wardlink_error_detail(), "");
      EXPECT_EQ(report(device, {{"pulse", 72}}), WARDLINK_INVALID_ARGUMENT);
      for (int i = 0; i < kEach; ++i) EXPECT_EQ(report(device, {{"hr", 60.0 + i % 40}}), WARDLINK_OK);
      EXPECT_STRNE(wardlink_error_detail(), "");
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wardlink_device_stop(device.get(), kDrain), WARDLINK_OK);
  EXPECT_EQ(status_of(device).sets_sent, std::uint64_t{kThreads * kEach});
  EXPECT_TRUE(eventually([&] { return gateway.arrived().at(kUrn).sets.size() == kThreads * kEach; }));
}

TEST(CApi, SaysWhyItIsNotConnected) {
  LoopbackGateway gateway;
  Options options(gateway.port());
  options.server_name = "ingest.example";
  const auto device = started(options);
  EXPECT_TRUE(eventually([&] {
    return std::string(status_of(device).last_problem).find("names another server") != std::string::npos;
  })) << status_of(device).last_problem;
  EXPECT_FALSE(status_of(device).connected);
}

TEST(CApi, CutsALongSentence) {
  const std::string name(1000, 'x');
  const wardlink_waveform unknown{name.c_str(), 1, 1, 1, 0};
  Options options(1);
  options.waveforms = &unknown;
  options.waveform_count = 1;
  EXPECT_EQ(refused(options), WARDLINK_INVALID_OPTIONS);
  EXPECT_EQ(std::string(wardlink_error_detail()).size(), 511u);
}

}  // namespace
}  // namespace wardlink
