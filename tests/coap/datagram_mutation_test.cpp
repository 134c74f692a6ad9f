// Every message of docs/wire.md, cut off at every byte and with every byte changed to every other value, given to a
// connection in the middle of its work; and every option of the registry with every wrong length.

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "coap/option.hpp"
#include "hex.hpp"
#include "lockstep.hpp"
#include "places.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::get;
using testing::Lockstep;
using testing::message;
using testing::token;

/// The bytes of every example, in order.
std::vector<Bytes> corpus() {
  std::ifstream page(places::source("docs/wire.md"));
  std::vector<Bytes> messages;
  bool example = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) {
      example = line == "```wire";
      if (example) messages.emplace_back();
      continue;
    }
    // A line of an example is bytes where it begins with a pair of hex digits and a space or nothing.
    const bool is_bytes = example && line.size() >= 2 && std::isxdigit(static_cast<unsigned char>(line[0])) != 0 &&
                          std::isxdigit(static_cast<unsigned char>(line[1])) != 0 &&
                          (line.size() == 2 || line[2] == ' ');
    if (!is_bytes) continue;
    const auto bytes = test::hex(line.substr(0, line.find('#')));
    messages.back().insert(messages.back().end(), bytes.begin(), bytes.end());
  }
  return messages;
}

/// A connection that asks, observes, is observed, and has an alarm in flight.
class InTheMiddle : public Lockstep {
 public:
  InTheMiddle() {
    observation = connection.observe({code::get, "/alarms", {}, {}, {}}, AckPolicy::held, now);
    const auto registration = sent();
    auto first = message(Type::ack, code::content, registration.id, registration.token, "x");
    first.options.add_uint(OptionNumber::observe, 1);
    receive(first);
    receive(get(Type::con, 1, token("tokA"), "/alarms", 0));
    connection.request({code::get, "/time", {}, {}, {}}, now);
    event<event::NotificationReceived>();
    const auto asked = event<event::RequestReceived>();
    connection.respond_observed_separately(asked.exchange, {}, Slot::alarm, now);
    drain();
    names = {registration.token, last_token_};
    ids = {last_request_, last_notification_};
  }

  /// What it does with one datagram must be little, whatever the datagram is.
  void endure(ByteView datagram) {
    connection.handle_datagram(datagram, now);
    const auto [messages, events] = drain();
    EXPECT_LE(messages, 2u) << test::to_hex(datagram);
    EXPECT_LE(events, 2u) << test::to_hex(datagram);
  }

  bool works() {
    drain();
    receive(message(Type::con, code::empty, 0x4242));
    const auto answer = connection.poll_datagram();
    return answer && *answer == encode(message(Type::rst, code::empty, 0x4242));
  }

  std::pair<std::size_t, std::size_t> drain() {
    std::size_t messages = 0;
    std::size_t events = 0;
    for (;;) {
      if (const auto datagram = connection.poll_datagram()) {
        ++messages;
        const auto decoded = decode(*datagram);
        EXPECT_TRUE(decoded) << "what it says itself is CoAP";
        if (decoded && decoded->type == Type::con) {
          (decoded->code.is_request() ? last_request_ : last_notification_) = decoded->id;
          if (decoded->code.is_request()) last_token_ = decoded->token;
        }
      } else if (auto next = connection.poll_event()) {
        ++events;
        // An exchange that is never answered would be the application's fault.
        if (const auto* asked = std::get_if<event::RequestReceived>(&*next)) {
          connection.respond(asked->exchange, {}, now);
        }
      } else {
        return {messages, events};
      }
    }
  }

  ObservationId observation{};
  std::vector<Token> names;        // of its observation, of its request
  std::vector<std::uint16_t> ids;  // of its request, of its notification; both in flight

 private:
  std::uint16_t last_request_ = 0, last_notification_ = 0;
  Token last_token_;
};

/// The examples under a token or message id that the connection waits for.
std::vector<Bytes> corpus_for(const InTheMiddle& peer) {
  std::vector<Bytes> all;
  for (const auto& example : corpus()) {
    auto known = *decode(example);
    const bool response = known.type == Type::ack || known.type == Type::rst;
    if (known.token.size() > 0) known.token = peer.names[known.type == Type::ack ? 1 : 0];
    if (response) known.id = peer.ids[known.token.size() > 0 ? 0 : 1];
    all.push_back(encode(known));
  }
  return all;
}

TEST(Mutations, TheCorpusIsAllOfTheWirePage) { EXPECT_GE(corpus().size(), 15u); }

TEST(Mutations, EveryTruncationIsEndured) {  // COAP-01
  auto all = corpus();
  for (const auto& known : corpus_for(InTheMiddle{})) all.push_back(known);
  for (const auto& whole : all) {
    ASSERT_TRUE(decode(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      InTheMiddle peer;
      peer.endure(ByteView(whole).first(size));
      ASSERT_TRUE(peer.works());
    }
  }
}

TEST(Mutations, EveryChangedByteIsEndured) {  // COAP-01
  for (const auto& right : corpus_for(InTheMiddle{})) {
    const auto type = decode(right)->type;
    // Under ids of their own, else all but the first would be duplicates; an ACK or RST keeps the id that is waited
    // for.
    const bool own_id = type == Type::con || type == Type::non;
    for (std::size_t place = 0; place < right.size(); ++place) {
      std::optional<InTheMiddle> peer;
      for (int value = 0; value < 256; ++value) {
        if (value % 64 == 0) peer.emplace();  // what was endured may have ended what it met
        auto mutant = right;
        if (own_id) mutant[3] = static_cast<std::uint8_t>(value);
        mutant[place] = static_cast<std::uint8_t>(value);
        peer->endure(mutant);
        ASSERT_TRUE(value % 64 != 63 || peer->works());
      }
    }
  }
}

TEST(Mutations, OptionsOfAWrongLengthAreRefusedOrAsGoodAsAbsent) {  // COAP-03, RFC 7252 §5.4.3
  int tried = 0;
  for (std::uint32_t number = 0; number <= 300; ++number) {
    const auto* rule = find_option(static_cast<OptionNumber>(number));
    if (rule == nullptr) continue;
    std::vector<std::size_t> wrong{rule->max_length + 1u};
    if (rule->min_length > 0) wrong.push_back(rule->min_length - 1u);
    for (const auto length : wrong) {
      ++tried;
      Lockstep peer;
      auto request = get(Type::con, 5, token("ab"), "/x");
      request.options.add(rule->number, Bytes(length, 0));
      peer.receive(request);
      if (is_critical(rule->number)) {
        EXPECT_EQ(peer.sent().code, code::bad_option) << rule->name << " of " << length;
        EXPECT_TRUE(peer.no_event());
      } else {
        const auto received = peer.event<event::RequestReceived>();
        EXPECT_EQ(received.path, "/x") << rule->name << " of " << length;
        EXPECT_FALSE(received.observe || received.content_format);
      }
    }
  }
  EXPECT_GE(tried, 25);
}

}  // namespace
}  // namespace coap
