// What each call of the API costs in a database of two years: the whole call over mutual TLS beside PostgreSQL's part
// of it (planning and execution of its own statements), and how long an alarm takes to a watcher beside a heavy
// history.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <thread>

#include "watch_talk.hpp"

namespace {

using namespace wardlink;
using namespace wardlink::storage;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int rounds = 50;
constexpr double budget_ms = 50;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double share(std::vector<double> times, double part) {
  std::ranges::sort(times);
  return times.at(std::min(times.size() - 1, static_cast<std::size_t>(part * static_cast<double>(times.size()))));
}

class Bench {
 public:
  Bench(int alarms, int days, int devices) : alarms_(alarms), days_(days), devices_(devices) {
    test::pki().add_client("viewer");
    service_.store.ensure_grants({{"urn:wardlink:client:viewer", "viewer", ""}});
    channel_ = service_.channel("clients/viewer");
    const auto start = Clock::now();
    fill();
    std::printf("%d alarms, %d daily partitions, %d devices: filled in %.0f s\n\n", alarms_, days_, devices_,
                ms_since(start) / 1000);
    std::printf("%-44s %9s %9s %9s %9s %7s\n", "call", "median ms", "p99 ms", "SQL ms", "elements", "KiB");
  }

  /// `call` makes the call with this page token; `deep`: pages ahead of the one that is measured.
  template <typename Api, typename Method, typename Request, typename Response, typename List>
  void measure(const std::string& name, Method method, Request request, Response response, List list, int deep = 0) {
    const auto stub = Api::NewStub(channel_);
    const auto once = [&] {
      grpc::ClientContext context;
      const auto status = (stub.get()->*method)(&context, request, &response);
      if (!status.ok()) std::printf("%s: %s\n", name.c_str(), status.error_message().c_str());
      failed_ = failed_ || !status.ok();
    };
    for (int i = 0; i < deep; ++i) {
      once();
      if (response.next_page_token().empty()) break;
      request.set_page_token(response.next_page_token());
    }
    once();
    sql_.ask("SELECT pg_stat_statements_reset()");
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) {
      const auto start = Clock::now();
      once();
      times.push_back(ms_since(start));
    }
    // Its own statements: neither the guard's nor the live tail's.
    const auto sql = std::stod(
        sql_.ask("SELECT coalesce(sum(total_plan_time + total_exec_time), 0) / " + std::to_string(rounds) +
                 " FROM pg_stat_statements WHERE query !~ '(audit|grants|live_|pg_snapshot|pg_stat|pg_current)'"));
    const auto median = share(times, 0.5);
    slow_ = slow_ || median > budget_ms;
    std::printf("%-44s %9.1f %9.1f %9.1f %9d %7zu%s\n", (name + (deep > 0 ? ", deep" : "")).c_str(), median,
                share(times, 0.99), sql, list(response), response.ByteSizeLong() / 1024,
                median > budget_ms ? "  SLOW" : "");
    std::fflush(stdout);
  }

  void calls() {
    using Vitals = v1::VitalsService;
    using Alarms = v1::AlarmService;
    const auto sets = [](const v1::ListReadingsResponse& page) { return page.measurement_sets_size(); };
    const auto alarms = [](const v1::ListAlarmsResponse& page) { return page.alarms_size(); };
    const auto patient = "patients/" + sql_.ask("SELECT patient_id FROM assignment ORDER BY device_id LIMIT 1");
    for (const int deep : {0, 20}) {
      for (const auto& parent : {urn(1), patient, urn(2)}) {
        v1::ListReadingsRequest history;
        history.set_parent(parent);
        measure<Vitals>("ListReadings " + parent.substr(0, 24), &Vitals::Stub::ListReadings, history,
                        v1::ListReadingsResponse(), sets, deep);
      }
      v1::ListReadingsRequest sparse;
      sparse.set_parent(urn(1));
      sparse.add_signs("etco2");
      measure<Vitals>("ListReadings of a sign that there is not", &Vitals::Stub::ListReadings, sparse,
                      v1::ListReadingsResponse(), sets, deep);
      v1::ListAlarmsRequest list;
      measure<Alarms>("ListAlarms", &Alarms::Stub::ListAlarms, list, v1::ListAlarmsResponse(), alarms, deep);
      for (const auto& parent : {urn(1), patient}) {
        list.set_parent(parent);
        measure<Alarms>("ListAlarms " + parent.substr(0, 24), &Alarms::Stub::ListAlarms, list, v1::ListAlarmsResponse(),
                        alarms, deep);
      }
      list.clear_parent();
      for (const int state : {1, 2, 3, 4}) {
        list.clear_states();
        list.add_states(static_cast<v1::AlarmState>(state));
        measure<Alarms>("ListAlarms of state " + std::to_string(state), &Alarms::Stub::ListAlarms, list,
                        v1::ListAlarmsResponse(), alarms, deep);
      }
      list.clear_states();
      list.set_open_only(true);
      measure<Alarms>("ListAlarms, open", &Alarms::Stub::ListAlarms, list, v1::ListAlarmsResponse(), alarms, deep);
      v1::GetLatestRequest latest;
      latest.set_page_size(500);
      measure<Vitals>(
          "GetLatest, 500", &Vitals::Stub::GetLatest, latest, v1::GetLatestResponse(),
          [](const v1::GetLatestResponse& page) { return page.vitals_size(); }, deep);
      measure<v1::PatientService>(
          "ListPatients", &v1::PatientService::Stub::ListPatients, v1::ListPatientsRequest(),
          v1::ListPatientsResponse(), [](const v1::ListPatientsResponse& page) { return page.patients_size(); },
          deep / 4);
      measure<v1::DeviceService>(
          "ListDevices", &v1::DeviceService::Stub::ListDevices, v1::ListDevicesRequest(), v1::ListDevicesResponse(),
          [](const v1::ListDevicesResponse& page) { return page.devices_size(); }, deep / 4);
      v1::AggregateReadingsRequest aggregate;
      aggregate.set_parent(urn(1));
      aggregate.set_page_size(1000);
      aggregate.mutable_bucket()->set_seconds(86'400);
      aggregate.mutable_start_time()->set_seconds(time(nullptr) - 86'400LL * days_);
      aggregate.mutable_end_time()->set_seconds(time(nullptr));
      measure<Vitals>(
          "AggregateReadings, days", &Vitals::Stub::AggregateReadings, aggregate, v1::AggregateReadingsResponse(),
          [](const v1::AggregateReadingsResponse& page) { return page.aggregates_size(); }, deep / 20);
    }
  }

  /// An alarm's way from append to a watcher, in milliseconds.
  void watch(const std::string& name) {
    test::WatchTalk talk(channel_, test::watch_request(), true);
    talk.present_state();
    const auto writer = service_.store.open_writer();
    const auto session = writer->attach({urn(3).substr(8), ++boot_, Instant{std::chrono::hours(480'000)}}).session;
    std::vector<double> times;
    for (std::uint64_t i = 1; i <= 2 * rounds; ++i) {
      const AlarmFact fact{AlarmEvent::raised, AlarmKind::physiological, AlarmPriority::high, "hr-high", 1, {}, {}, 0};
      const std::vector<Record> records = {{session, Stream::alarms, i, i, session->anchor, fact}};
      const auto start = Clock::now();
      writer->append(records);
      if (!talk.event()) {
        std::printf("the live stream ended: %s\n", talk.finish().error_message().c_str());
        failed_ = true;
        return;
      }
      times.push_back(ms_since(start));
    }
    std::printf("%-44s %9.1f %9.1f\n", name.c_str(), share(times, 0.5), share(times, 0.99));
  }

  void watch_beside_history() {
    std::atomic<bool> stop = false;
    std::atomic<int> pages = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) {
      readers.emplace_back([&] {
        const auto stub = v1::VitalsService::NewStub(channel_);
        v1::ListReadingsRequest request;
        request.set_parent(urn(1));
        while (!stop) {
          grpc::ClientContext context;
          v1::ListReadingsResponse response;
          const auto status = stub->ListReadings(&context, request, &response);
          failed_ = failed_ || !status.ok();
          request.set_page_token(response.next_page_token());
          ++pages;
        }
      });
    }
    watch("alarm to watcher beside two histories");
    stop = true;
    for (auto& reader : readers) reader.join();
    std::printf("(pages of history meanwhile: %d)\n", pages.load());
  }

  bool kept() const { return !failed_ && !slow_; }

 private:
  static std::string urn(int device) {
    char text[48];
    std::snprintf(text, sizeof text, "devices/urn:dev:os:32473-%06d", device);
    return text;
  }

  void fill() {
    const auto count = std::to_string(devices_), alarms = std::to_string(alarms_), days = std::to_string(days_);
    const auto pause = std::to_string(86'400.0 * (days_ - 10) / alarms_);
    for (const auto& statement :
         {"SELECT count(make_measurement_partition(current_date - n) AND make_waveform_partition(current_date - n))"
          " FROM generate_series(0, " +
              days + " - 8) n",
          "INSERT INTO ward SELECT 'w' || n FROM generate_series(1, 40) n" + std::string(),
          "INSERT INTO device (urn) SELECT 'urn:dev:os:32473-' || lpad(n::text, 6, '0') FROM generate_series(1, " +
              count + ") n",
          "INSERT INTO patient (display_name, ward_id) SELECT 'Patient ' || n, 'w' || 1 + n % 40 FROM"
          " generate_series(1, " +
              count + ") n",
          "INSERT INTO assignment SELECT d.device_id, p.patient_id, tstzrange(now() - interval '800 days', NULL),"
          " tstzrange(now(), NULL), 'bench' FROM (SELECT device_id, row_number() OVER (ORDER BY device_id) n FROM"
          " device) d JOIN (SELECT patient_id, row_number() OVER (ORDER BY patient_id) n FROM patient) p USING (n)"
          " WHERE n <= 0.9 * " +
              count,
          std::string("INSERT INTO device_boot SELECT device_id, 7, now() - interval '800 days' FROM device"),
          std::string("INSERT INTO stream_state (device_id, boot_id, stream, high_sequence, last_received_at)"
                      " SELECT device_id, 7, s, 10000000, now() FROM device, generate_series(1, 2) s"),
          std::string("INSERT INTO latest SELECT device_id, s, 70 + s, 0, now(), now(), 7, 1 FROM device,"
                      " generate_series(1, 5) s"),
          // Onsets, ninety-nine of a hundred ended, half of them acknowledged.
          "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, sign_id,"
          " tick_ms, measured_at, received_at, source) SELECT 1 + i % " +
              count +
              ", 7, 2, 2 * i, 1, 1, 1 + i % 3,"
              " 'hr-high', 1, i, now() - (" +
              alarms + " - i) * " + pause +
              " * interval '1 s', now(), 'device'"
              " FROM generate_series(1, " +
              alarms + ") i",
          "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, sign_id,"
          " onset_sequence, tick_ms, measured_at, received_at, source) SELECT 1 + i % " +
              count + ", 7, 2, 2 * i + 1, 2, 1, 1 + i % 3, 'hr-high', 1, 2 * i, i, now() - (" + alarms + " - i) * " +
              pause + " * interval '1 s', now(), 'device' FROM generate_series(1, " + alarms + ") i WHERE i % 100 <> 0",
          "INSERT INTO alarm_acknowledgement (device_id, boot_id, stream, sequence, acknowledged_by)"
          " SELECT 1 + i % " +
              count + ", 7, 2, 2 * i, 'bench' FROM generate_series(1, " + alarms + " / 2) i",
          // Device 1: a set every ten minutes for all the time. Device 2: one on the first day, one today.
          "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at,"
          " sign_ids, sign_values, qualities) SELECT 1, 7, 1, i, i, now() - i * interval '10 min', now(),"
          " '{1,2,3,4}', '{70,98,16,37.1}', '{0,0,0,0}' FROM generate_series(1, 144 * (" +
              days + " - 10)) i",
          "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at,"
          " sign_ids, sign_values, qualities) SELECT 2, 7, 1, i + 1, i, now() - i * (" +
              days + " - 10) * interval '1 day', now(), '{1}', '{70}', '{0}' FROM generate_series(0, 1) i",
          std::string("VACUUM ANALYZE")}) {
      sql_.ask(statement);
    }
  }

  const int alarms_, days_, devices_;
  test::Cluster cluster_{{"shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track_planning=on"}};
  test::Service service_{cluster_.connection()};
  test::Sql sql_ = [this] {
    test::Sql(cluster_.connection()).ask("CREATE EXTENSION pg_stat_statements");
    return test::Sql(cluster_.connection());
  }();
  std::shared_ptr<grpc::Channel> channel_;
  std::uint64_t boot_ = 100;
  std::atomic<bool> failed_ = false, slow_ = false;
};

}  // namespace

int main(int count, char** words) {
  const auto number = [&](int at, int otherwise) { return count > at ? std::atoi(words[at]) : otherwise; };
  const int alarms = number(1, 1'000'000), days = number(2, 750), devices = number(3, 9600);
  if (count > 4 || alarms < 1 || days < 1 || devices < 1) {
    std::fputs("api_bench [ALARMS [DAYS [DEVICES]]]: each at least 1.\n", stderr);
    return 2;
  }
  Bench bench(alarms, days, devices);
  bench.calls();
  std::printf("\n");
  bench.watch("alarm to watcher");
  bench.watch_beside_history();
  return bench.kept() ? 0 : 1;
}
