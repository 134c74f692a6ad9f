// SIGTERM in the middle of the work: each daemon hands over what it has, ends with 0 in bounded time, and nothing whose
// ACK left is missing when it is back. I1, I2

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "alarm_books.hpp"
#include "places.hpp"
#include "stack.hpp"
#include "udp_relay.hpp"

namespace wardlink::testing {
namespace {

class DrainTest : public ::testing::Test {
 protected:
  DrainTest() {
    stack_.make_pki("devices", {"6"});
    std::filesystem::create_directories(journals_);
    ward_ = Process({places::program("alarm_ward"), std::to_string(relay_.port()), stack_.pki(), journals_, "6", "7"},
                    stack_.path("ward.log"));
  }

  /// ClientHellos that passed since the relay began to keep.
  std::ptrdiff_t hellos() const {
    return std::ranges::count_if(relay_.captured(), [](const coap::Bytes& datagram) {
      return datagram.size() > 13 && datagram[0] == 22 && datagram[13] == 1;  // in clear (RFC 6347 §4.1, §4.2.2)
    });
  }
  bool all_are_in() {
    return eventually([&] { return stack_.metric("wardlink_ingest_sessions") == 6; });
  }
  /// The devices have heard of so many more ACKs.
  bool more_acknowledged(std::size_t more) {
    const auto before = count_journaled(journals_, "ack");
    return eventually([&] { return count_journaled(journals_, "ack") >= before + more; });
  }

  /// The end that a service manager waits for before it kills: exit code 0.
  static void expect_ends(Process& daemon) {
    daemon.signal(SIGTERM);
    expect_has_ended(daemon);
  }
  static void expect_has_ended(Process& daemon) {
    const bool ended = eventually([&] { return !daemon.running(); }, std::chrono::seconds{240});
    ASSERT_TRUE(ended) << daemon.log();
    EXPECT_EQ(daemon.wait(), 0) << daemon.log();
  }

  /// The sum of a counter's samples in the summary that ingest prints at its end.
  static double told(const std::string& log, const std::string& counter) {
    double sum = 0;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(counter)) sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
    return sum;
  }

  void expect_books_agree() {
    ward_.signal(SIGTERM);
    ASSERT_EQ(ward_.wait(), 0) << ward_.log();
    const auto books = compare_books(stack_, journals_);
    EXPECT_GE(books.journaled, 60u);
    EXPECT_EQ(books.journaled, books.rows) << books;
    EXPECT_EQ(books.missing, 0u) << books;
    EXPECT_EQ(books.doubled, 0u) << books;
    EXPECT_EQ(books.early, 0u) << books;
  }

  Stack stack_;
  UdpRelay relay_{stack_.ingest_port()};
  const std::string journals_ = stack_.path("journals");
  Process ward_;
};

TEST_F(DrainTest, Ingest) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(all_are_in());
    ASSERT_TRUE(more_acknowledged(30));
    expect_ends(stack_.ingest);
    const auto log = stack_.ingest.log();
    EXPECT_EQ(log.find("ended before storage had taken everything"), std::string::npos) << log;
    EXPECT_EQ(log.find("shed"), std::string::npos) << log;
    stack_.start_ingest();
  }
  ASSERT_TRUE(more_acknowledged(30));
  expect_books_agree();
  // What the services counted is what stands in the database.
  EXPECT_TRUE(eventually([&] { return stack_.metric("wardlink_ingest_sink_waiting{stream=\"vitals\"}") == 0; }));
  const auto rows = std::stod(stack_.sql("SELECT count(*) FROM alarm_event WHERE stream = 2"));
  EXPECT_EQ(stack_.metric("wardlink_storage_records_total{stream=\"alarms\",result=\"committed\"}"), rows);
  EXPECT_EQ(stack_.metric("wardlink_storage_commit_seconds_count"), stack_.metric("wardlink_storage_batches_total"));
  EXPECT_GT(stack_.metric("wardlink_storage_commit_seconds_bucket{le=\"300\"}"), 0);
  EXPECT_TRUE(eventually([&] { return stack_.metric("wardlink_storage_ingest_streams") == 4; }));  // two shards
  EXPECT_EQ(stack_.metric("wardlink_storage_calls_refused_total{reason=\"grants\"}"), 0);
  EXPECT_GT(stack_.metric("wardlink_ingest_alarm_ack_seconds_count"), 0);
  EXPECT_GT(stack_.metric("wardlink_ingest_alarm_ack_seconds_sum"), 0);
}

// Storage takes its time, so ingest stays for that long, and its devices want to come back meanwhile. They must not get
// into what is about to go: nobody would tell them of its end.
TEST_F(DrainTest, IngestBeforeAFrozenStorage) {
  ASSERT_TRUE(all_are_in());
  ASSERT_TRUE(more_acknowledged(30));
  stack_.storage.signal(SIGSTOP);
  relay_.keep();
  stack_.ingest.signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return hellos() >= 12; })) << "twice as many as there are: let in, each sends two";
  stack_.storage.signal(SIGCONT);
  expect_has_ended(stack_.ingest);
  const auto log = stack_.ingest.log();
  EXPECT_EQ(log.find("ended before storage had taken everything"), std::string::npos) << log;
  EXPECT_GE(told(log, "wardlink_ingest_handshakes_total"), 6);
  EXPECT_EQ(told(log, "wardlink_ingest_handshakes_total"), told(log, "wardlink_ingest_sessions_closed_total"))
      << "who is let in after the others were closed is not closed: " << log;
  stack_.start_ingest();
  ASSERT_TRUE(more_acknowledged(30));
  expect_books_agree();
}

// Readings are lost then, and their number told; alarms are owed by their devices.
TEST_F(DrainTest, IngestThatStorageHasNoTimeFor) {
  expect_ends(stack_.ingest);
  stack_.start_ingest(1);
  ASSERT_TRUE(all_are_in());
  ASSERT_TRUE(more_acknowledged(30));
  stack_.storage.signal(SIGSTOP);
  EXPECT_TRUE(eventually([&] { return stack_.metric("wardlink_ingest_held_acks") > 0; }));
  expect_ends(stack_.ingest);
  const auto log = stack_.ingest.log();
  EXPECT_NE(log.find("ended before storage had taken everything"), std::string::npos) << log;
  stack_.storage.signal(SIGCONT);
  stack_.start_ingest();
  ASSERT_TRUE(more_acknowledged(30));
  expect_books_agree();
}

TEST_F(DrainTest, Storage) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(more_acknowledged(30));
    expect_ends(stack_.storage);
    stack_.start_storage();
  }
  ASSERT_TRUE(more_acknowledged(30));
  expect_books_agree();
}

}  // namespace
}  // namespace wardlink::testing
