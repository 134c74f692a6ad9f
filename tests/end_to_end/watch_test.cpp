// A program that watches is killed fifty times while wearables report through one storage process, others write through
// another, and a writer hangs: it has every record once, in order. I6

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <iostream>
#include <map>
#include <mutex>
#include <pqxx/pqxx>
#include <random>
#include <set>
#include <sstream>
#include <stop_token>
#include <thread>

#include "places.hpp"
#include "stack.hpp"
#include "wardlink/v1/ingest.grpc.pb.h"

namespace wardlink::testing {
namespace {

constexpr int kills = 50;

/// What all the lives of the watching program have printed.
class Received {
 public:
  /// Takes the whole lines in; a line that was cut short by the kill was not received.
  void take(const std::string& output) {
    std::istringstream lines(output.substr(0, output.rfind('\n') + 1));
    for (std::string line; std::getline(lines, line);) {
      v1::WatchResponse response;
      if (!line.starts_with("{")) continue;
      if (!google::protobuf::util::JsonStringToMessage(line, &response).ok()) ADD_FAILURE() << line;
      take(response);
    }
  }

  std::string cursor;
  std::set<std::string> keys;
  std::size_t records = 0, duplicates = 0, out_of_order = 0, late = 0;

 private:
  void take(const v1::WatchResponse& response) {
    cursor = response.cursor();
    if (response.has_measurement_set()) {
      const auto& set = response.measurement_set();
      take(set.device(), set.boot(), set.stream(), set.sequence(), response.late());
    } else if (response.has_alarm_event()) {
      const auto& event = response.alarm_event();
      take(event.alarm().device(), event.alarm().boot(), event.stream(), event.sequence(), response.late());
    }
  }

  void take(const std::string& device, std::uint64_t boot, int stream, std::uint64_t sequence, bool is_late) {
    ++records;
    const auto of_stream = device + " " + std::to_string(boot) + " " + std::to_string(stream);
    if (!keys.insert(of_stream + " " + std::to_string(sequence)).second) ++duplicates;
    auto& high = highest_[of_stream];
    if (is_late) ++late;
    if (is_late != (sequence <= high)) ++out_of_order;
    high = std::max(high, sequence);
  }

  std::map<std::string, std::uint64_t> highest_;
};

/// Writes through the second storage process, as ingest would: each batch sets of its devices and now and then an
/// alarm.
class DirectWriter {
 public:
  DirectWriter(std::uint16_t port, const coap::Credentials& credentials, int number, const std::atomic<bool>& stop)
      : thread_([=, &stop] { run(port, credentials, number, stop); }) {}
  ~DirectWriter() { thread_.join(); }

 private:
  static void run(std::uint16_t port, const coap::Credentials& credentials, int number, const std::atomic<bool>& stop) {
    const auto stub = v1::IngestService::NewStub(open_channel(port, credentials));
    grpc::ClientContext context;
    const auto stream = stub->Ingest(&context);
    v1::IngestRequest attach;
    attach.mutable_attach()->set_session(1);
    attach.mutable_attach()->set_device("urn:dev:os:32473-direct" + std::to_string(number));
    attach.mutable_attach()->set_boot(1);
    attach.mutable_attach()->set_stamp(1);
    v1::IngestRequest stamp;
    stamp.mutable_stamp_request()->set_number(1);
    v1::IngestResponse response;
    for (const auto& request : {stamp, attach}) {
      stream->Write(request);
      stream->Read(&response);
    }
    std::uint64_t sequence = 0;
    for (std::uint64_t batch = 1; !stop; ++batch) {
      v1::IngestRequest request;
      for (int i = 0; i < 3; ++i) add_set(request, ++sequence);
      if (batch % 10 == 0) add_alarm(request, batch / 10);
      EXPECT_TRUE(stream->Write(request) && stream->Read(&response));
      std::this_thread::sleep_for(std::chrono::milliseconds{30});  // the rate of the load
    }
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }

  static v1::Record& add(v1::IngestRequest& request, v1::Stream stream, std::uint64_t sequence) {
    request.mutable_append()->set_stamp(1);
    auto& record = *request.mutable_append()->add_records();
    record.set_session(1);
    record.set_stream(stream);
    record.set_sequence(sequence);
    record.set_tick_ms(1'700'000'000'000 + sequence * 1000);
    return record;
  }

  static void add_set(v1::IngestRequest& request, std::uint64_t sequence) {
    auto& signs = *add(request, v1::STREAM_VITALS, sequence).mutable_signs();
    signs.add_sign(1);
    signs.add_value(70);
    signs.add_quality(0);
  }

  static void add_alarm(v1::IngestRequest& request, std::uint64_t sequence) {
    auto& alarm = *add(request, v1::STREAM_ALARMS, sequence).mutable_alarm();
    alarm.set_event(v1::AlarmFact::RAISED);
    alarm.set_kind(v1::ALARM_KIND_TECHNICAL);
    alarm.set_priority(v1::ALARM_PRIORITY_LOW);
    alarm.set_code("lead-off");
  }

  std::thread thread_;
};

/// A transaction that has written, and then says nothing for two seconds; again and again.
void hang(const std::stop_token& stop, const std::string& database) {
  pqxx::connection connection(database);
  std::mutex mutex;
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    pqxx::work work(connection);
    work.exec("INSERT INTO ward (ward_id) VALUES ('hung')");
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, std::chrono::seconds{2}, [] { return false; });
  }
}

std::set<std::string> stored_keys(const std::string& database) {
  pqxx::connection connection(database);
  pqxx::work work(connection);
  std::set<std::string> keys;
  for (const auto row : work.exec("SELECT concat_ws(' ', 'devices/' || d.urn, r.boot_id, r.stream, r.sequence) FROM ("
                                  "  SELECT device_id, boot_id, stream, sequence FROM measurement_set UNION ALL"
                                  "  SELECT device_id, boot_id, stream, sequence FROM alarm_event) r"
                                  " JOIN device d USING (device_id)")) {
    keys.insert(row[0].as<std::string>());
  }
  return keys;
}

class Watch : public ::testing::Test {
 protected:
  /// One life of the program; it goes on from the last cursor.
  Process watch(std::uint16_t port, const std::string& log) {
    std::vector<std::string> command{places::program("wardlink"),
                                     "--server",
                                     "localhost:" + std::to_string(port),
                                     "--cert",
                                     stack.pki() + "/clients/admin.pem",
                                     "--key",
                                     stack.pki() + "/clients/admin.key",
                                     "--ca",
                                     stack.pki() + "/service-ca.pem",
                                     "vitals",
                                     "watch",
                                     "--json"};
    if (!received.cursor.empty()) {
      command.push_back("--cursor");
      command.push_back(received.cursor);
    }
    return Process(std::move(command), log);
  }

  Stack stack;
  Received received;
};

TEST_F(Watch, KilledFiftyTimesItMissesNothingAndGetsNothingTwice) {
  std::uint16_t second_port = 0;
  auto second = stack.another_storage("storage-2", second_port);
  stack.make_pki("devices", {"8"});

  // Who watches from before the first record on must see them all.
  {
    const auto log = stack.path("watch-first.log");
    auto first = watch(stack.storage_port(), log);
    ASSERT_TRUE(eventually([&] { return read_file(log).find("presentStateComplete\":true") != std::string::npos; }))
        << read_file(log);
    ASSERT_TRUE(eventually([&] { return read_file(log).ends_with("\n"); }));
    first.signal(SIGKILL);
    first.wait();
    received.take(read_file(log));
  }
  ASSERT_FALSE(received.cursor.empty());

  std::atomic<bool> stop = false;
  auto ward = stack.ward({"--devices", "8"});
  std::jthread hung(hang, stack.database());
  std::vector<std::unique_ptr<DirectWriter>> writers;
  for (int i = 0; i < 4; ++i) {
    writers.push_back(
        std::make_unique<DirectWriter>(stack.storage_ingest_port(), stack.credentials("ingest-client"), i, stop));
  }

  std::mt19937 random(20);
  std::size_t lives_with_records = 0;
  for (int life = 0; life < kills; ++life) {
    const auto log = stack.path("watch-" + std::to_string(life) + ".log");
    auto program = watch(life % 2 == 0 ? stack.storage_port() : second_port, log);
    const auto patience = std::uniform_int_distribution<std::size_t>(0, 60'000)(random);
    ASSERT_TRUE(eventually([&] {
      // Who has heard nothing yet does not try again by itself.
      const bool heard = read_file(log).find("{") != std::string::npos;
      if (!heard && !program.running()) program = watch(life % 2 == 0 ? stack.storage_port() : second_port, log);
      return read_file(log).size() >= patience;
    })) << life
        << ": " << read_file(log);
    program.signal(SIGKILL);
    program.wait();
    const auto before = received.records;
    received.take(read_file(log));
    if (received.records > before) ++lives_with_records;
  }

  stop = true;
  writers.clear();
  hung.request_stop();
  hung.join();
  ward.signal(SIGTERM);
  EXPECT_LE(ward.wait(), 1) << ward.log();  // 1: its last alarm was not acknowledged within seconds

  const auto log = stack.path("watch-last.log");
  std::set<std::string> stored;
  auto last = watch(second_port, log);
  const auto so_far = received;
  const bool complete = eventually([&] {
    stored = stored_keys(stack.database());  // what the ward let go of is still on its way through ingest
    received = so_far;
    received.take(read_file(log));
    return received.keys == stored && stack.metric("wardlink_ingest_sink_waiting{stream=\"vitals\"}") == 0 &&
           stack.metric("wardlink_ingest_sink_waiting{stream=\"alarms\"}") == 0;
  });
  last.signal(SIGINT);
  EXPECT_EQ(last.wait(), 0) << "Ctrl-C is a clean end";
  EXPECT_NE(read_file(log).find("go on with --cursor "), std::string::npos);

  std::size_t skipped = 0;
  for (const auto& key : stored) skipped += received.keys.contains(key) ? 0 : 1;
  std::cout << "kills " << kills << " (" << lives_with_records << " lives had records), stored " << stored.size()
            << ", received " << received.records << ", duplicates " << received.duplicates << ", skipped " << skipped
            << ", out of order " << received.out_of_order << ", late " << received.late << "\n";
  EXPECT_TRUE(complete);
  EXPECT_EQ(received.records, stored.size());
  EXPECT_EQ(received.duplicates, 0u);
  EXPECT_EQ(skipped, 0u);
  EXPECT_EQ(received.out_of_order, 0u);
  EXPECT_GT(lives_with_records, std::size_t{kills} / 4);
  EXPECT_NE(stack.sql("SELECT count(DISTINCT device_id) FROM measurement_set"), "0");
}

}  // namespace
}  // namespace wardlink::testing
