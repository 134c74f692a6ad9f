// A live ward while the database's calendar is set, while PostgreSQL is away, while ingest stands still, and while the
// devices sleep with clocks that do not count it, each with handovers of the devices about it: each record is dated as
// well as is said, and shown as its wearer's, or as nobody's. TIME-2, TIME-4, I1, LIFE-2
//
// WARDLINK_CLOCK_DEVICES: how many there are (default 100).
// WARDLINK_OUTAGE_SECONDS: how long PostgreSQL is away (default 300); the other faults last a fifth of it.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "alarm_books.hpp"
#include "places.hpp"
#include "set_calendar.hpp"
#include "shown_books.hpp"
#include "udp_relay.hpp"
#include "wardlink/clock.hpp"

namespace wardlink::testing {
namespace {

using namespace std::chrono_literals;

int told(const char* name, int otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}

int outage_seconds() { return told("WARDLINK_OUTAGE_SECONDS", 300); }
int fault_seconds() { return std::max(3, outage_seconds() / 5); }

/// A fault's own length, not a wait for something.
void last(std::chrono::milliseconds length) { poll(nullptr, 0, static_cast<int>(length.count())); }

/// None of its threads runs when this returns.
void stop(const Process& process) {
  process.signal(SIGSTOP);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(process.pid()), &info, WSTOPPED);
}

class Clocks : public ::testing::Test {
 protected:
  const int devices_ = told("WARDLINK_CLOCK_DEVICES", 100);

  /// What follows is by its calendar.
  void begin(const std::vector<std::string>& postgres_environment = {}) {
    stack.emplace(postgres_environment);
    stack->make_pki("devices", {std::to_string(devices_)});
    std::filesystem::create_directory(books());
    const auto channel = stack->connect(stack->credentials("clients/admin"));
    registry = v1::DeviceService::NewStub(channel);
    patients = v1::PatientService::NewStub(channel);
    alarms = v1::AlarmService::NewStub(channel);
    truth.eras.push_back(read_calendar(*stack));
    for (auto& name : names) name = made(name);
    for (std::size_t i = 0; i < static_cast<std::size_t>(devices_); ++i) {
      char label[32];
      std::snprintf(label, sizeof label, "device-%04zu", i + 1);
      truth.devices.push_back({label, "devices/" + stack->urn(label), {}});
      create(i);
      assign(i, host_tick() - std::uint64_t{3 * 3'600'000});
      truth.devices[i].handovers.front().at = {};  // before all that is measured
    }
  }

  std::string books() const { return stack->path("books"); }

  void start_ward(std::uint16_t port, const std::string& uncounted = {}) {
    std::vector<std::string> command{
        places::program("alarm_ward"), std::to_string(port), stack->pki(), books(), std::to_string(devices_), "1"};
    if (!uncounted.empty()) command.push_back(uncounted);
    ward = Process(std::move(command), stack->path("alarm_ward.log"));
  }

  double sessions() const { return stack->metric("wardlink_ingest_sessions"); }

  /// Each device measures on, some five sets each.
  void measure_on() {
    const auto goal = count_journaled(books(), "set") + 5 * truth.devices.size();
    ASSERT_TRUE(eventually([&] { return count_journaled(books(), "set") >= goal; }));
  }

  /// From its present wearer to the other one: now, or, as people say afterwards, at that moment.
  void hand_over(std::size_t device, std::optional<std::uint64_t> moment = {}) {
    v1::ReleaseDeviceRequest request;
    request.set_device(truth.devices[device].name);
    if (moment) *request.mutable_held_until() = instant(*moment);
    const auto first = host_tick();
    asked([&](auto* context) {
      v1::Assignment ignored;
      return registry->ReleaseDevice(context, request, &ignored);
    });
    assign(device, moment, first);
  }

  void hand_all_over(std::optional<std::uint64_t> moment = {}) {
    for (std::size_t i = 0; i < truth.devices.size(); ++i) hand_over(i, moment);
  }

  void expect_books_agree() {
    ShownBooks ignored;
    expect_books_agree(ignored);
  }

  /// The ward measures no more, and owes nothing; then the books agree.
  void expect_books_agree(ShownBooks& shown) {
    ward.signal(SIGTERM);
    ASSERT_EQ(ward.wait(), 0) << ward.log();
    ASSERT_TRUE(eventually([&] { return stack->metric("wardlink_ingest_sink_waiting{stream=\"vitals\"}") == 0; }));
    shown = compare_shown(*stack, books(), truth);
    std::cout << shown << std::endl;
    EXPECT_TRUE(shown.wrong.empty());
    EXPECT_GT(shown.sets_shown, 0u);
    EXPECT_GT(shown.alarms, 0u);
  }

  std::size_t calendar_alarms() {
    v1::ListSystemAlarmsResponse response;
    asked([&](auto* context) { return alarms->ListSystemAlarms(context, {}, &response); });
    return static_cast<std::size_t>(
        std::ranges::count(response.system_alarms(), "calendar_stepped", &v1::SystemAlarm::code));
  }

  /// Again while storage says that the database is away.
  template <typename Ask>
  static void asked(Ask ask) {
    grpc::Status status;
    eventually([&] {
      grpc::ClientContext context;
      status = ask(&context);
      return status.error_code() != grpc::StatusCode::UNAVAILABLE;
    });
    if (!status.ok()) throw std::runtime_error("gRPC: " + status.error_message());
  }

  std::optional<Stack> stack;
  Truth truth;
  Process ward;

 private:
  std::string made(const std::string& name) {
    v1::CreatePatientRequest request;
    request.mutable_patient()->set_display_name(name);
    v1::Patient made;
    asked([&](auto* context) { return patients->CreatePatient(context, request, &made); });
    return made.name();
  }

  void create(std::size_t device) {
    v1::CreateDeviceRequest request;
    request.mutable_device()->set_name(truth.devices[device].name);
    asked([&](auto* context) {
      v1::Device ignored;
      return registry->CreateDevice(context, request, &ignored);
    });
  }

  /// On the other patient; every other device begins with the other one. `first`: when the handover began.
  void assign(std::size_t device, std::optional<std::uint64_t> moment, std::uint64_t first = 0) {
    auto& handovers = truth.devices[device].handovers;
    v1::AssignDeviceRequest request;
    request.set_device(truth.devices[device].name);
    request.set_patient(names[(device + handovers.size()) % 2]);
    if (moment) *request.mutable_held_from() = instant(*moment);
    asked([&](auto* context) {
      v1::Assignment ignored;
      return registry->AssignDevice(context, request, &ignored);
    });
    handovers.push_back({moment ? Asked{*moment, *moment} : Asked{first, host_tick() + 1}, request.patient()});
  }

  google::protobuf::Timestamp instant(std::uint64_t moment) const {
    const auto us = static_cast<std::int64_t>(moment) * 1000 + truth.eras.back().ahead.count();
    google::protobuf::Timestamp at;
    at.set_seconds(us / 1'000'000);
    at.set_nanos(static_cast<std::int32_t>(us % 1'000'000 * 1000));
    return at;
  }

  std::unique_ptr<v1::DeviceService::Stub> registry;
  std::unique_ptr<v1::PatientService::Stub> patients;
  std::unique_ptr<v1::AlarmService::Stub> alarms;
  std::array<std::string, 2> names{"Ada", "Ben"};
};

/// By little, and by so much that an hour is shown twice: whose that is people are asked to say.
TEST_F(Clocks, TheCalendarIsSetAheadAndBack) {
  if (SetCalendar::library().empty()) GTEST_SKIP() << "libfaketime is not here: the calendar cannot be set";
  const SetCalendar calendar;
  begin(calendar.environment());
  const auto set = [&](std::chrono::milliseconds ahead) {
    const auto before = host_tick();
    calendar.set(ahead);
    truth.eras.push_back(read_calendar(*stack, {before, host_tick() + 1}));
  };
  const std::chrono::milliseconds until_handover{std::max(3000, fault_seconds() * 1000 / 6)};
  start_ward(stack->ingest_port());
  ASSERT_TRUE(eventually([&] { return sessions() == devices_; }));
  measure_on();
  set(1h);
  last(until_handover);
  hand_all_over();
  measure_on();
  set(1h - 1500ms);
  last(until_handover);
  hand_all_over();
  measure_on();
  ShownBooks shown;
  expect_books_agree(shown);
  EXPECT_LT(shown.uncertain, (shown.sets + shown.alarms) / 4) << "only what lies about the steps";
  EXPECT_EQ(calendar_alarms(), 2u);

  start_ward(stack->ingest_port());
  measure_on();
  set(-1h);
  last(until_handover);
  hand_all_over();
  measure_on();
  expect_books_agree();
  EXPECT_EQ(calendar_alarms(), 3u);
}

/// What people did meanwhile they say afterwards, and what they do as it comes back.
TEST_F(Clocks, PostgresIsAwayWhileDevicesRegister) {
  begin();
  stack->stop_postgres();
  start_ward(stack->ingest_port());
  last(outage_seconds() * 500ms);
  const auto handed_over = host_tick();
  last(outage_seconds() * 500ms);
  EXPECT_EQ(sessions(), devices_);
  stack->start_postgres();
  hand_all_over(handed_over);
  hand_all_over();
  measure_on();
  ShownBooks shown;
  expect_books_agree(shown);
  EXPECT_EQ(shown.uncertain, 0u);
  EXPECT_EQ(calendar_alarms(), 0u);
}

/// On a slow network, so that of the devices that start some are in the midst of their handshake, some ask for the
/// time, some register, some measure already.
TEST_F(Clocks, IngestStandsStillWhileDevicesAskForTheTime) {
  begin();
  UdpRelay relay(stack->ingest_port(), {.loss = 0, .duplication = 0, .reordering = 1, .delay = 500ms, .seed = 1});
  relay.keep();
  start_ward(relay.port());
  const auto is_application_data = [](const coap::Bytes& datagram) { return !datagram.empty() && datagram[0] == 23; };
  while (std::ranges::count_if(relay.captured(), is_application_data) < devices_ / 2) poll(nullptr, 0, 1);
  stop(stack->ingest);
  const auto stopped = host_tick();
  relay.set_weather({});
  last(fault_seconds() * 500ms);
  hand_all_over();
  last(fault_seconds() * 500ms);
  const auto going_on = host_tick();
  stack->ingest.signal(SIGCONT);
  ASSERT_TRUE(eventually([&] { return sessions() == devices_; }));
  measure_on();
  hand_all_over();
  measure_on();
  expect_books_agree();
  std::cout << "clocks that are known by a try of meanwhile: "
            << stack->sql("SELECT count(*) FROM clock_exchange WHERE tick_ms BETWEEN " + std::to_string(stopped) +
                          " AND " + std::to_string(going_on))
            << " (devices that hear nothing for 14 s begin anew)" << std::endl;
  EXPECT_EQ(calendar_alarms(), 0u);
}

/// Half of the devices are handed over while they sleep, the others as they wake.
TEST_F(Clocks, DevicesSleepAndDoNotCountIt) {
  begin();
  const auto file = stack->path("uncounted");
  write_file(file, std::string(sizeof(std::uint64_t), '\0'));
  start_ward(stack->ingest_port(), file);
  ASSERT_TRUE(eventually([&] { return sessions() == devices_; }));
  measure_on();
  stop(ward);
  const auto from = host_tick();
  last(fault_seconds() * 500ms);
  for (std::size_t i = 0; i < truth.devices.size(); i += 2) hand_over(i);
  last(fault_seconds() * 500ms);
  const std::uint64_t slept = host_tick() - from;
  std::fstream(file, std::ios::binary | std::ios::in | std::ios::out)
      .write(reinterpret_cast<const char*>(&slept), sizeof slept);
  truth.stood_from = from;
  truth.stood_ms = slept;
  ward.signal(SIGCONT);
  for (std::size_t i = 1; i < truth.devices.size(); i += 2) hand_over(i);
  ASSERT_TRUE(eventually([&] {
    return stack->sql("SELECT count(*) FROM (SELECT FROM clock_exchange GROUP BY device_id HAVING count(*) > 1) x") ==
           std::to_string(devices_);
  }));
  measure_on();
  expect_books_agree();
  EXPECT_EQ(calendar_alarms(), 0u);
}

}  // namespace
}  // namespace wardlink::testing
