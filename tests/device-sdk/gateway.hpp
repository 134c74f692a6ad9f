#pragma once
// A device core and a gateway that talk in virtual time: datagrams take a while, may be lost, and nothing sleeps. The
// gateway is a coap::Connection in ingest's role; a test decides what it answers and when it commits.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../coap/memory_channel.hpp"
#include "coap/link_format.hpp"
#include "coap/senml.hpp"
#include "device_core.hpp"
#include "recorder.hpp"

namespace wardlink::testing {

using coap::Duration;
using coap::Instant;
using namespace std::chrono_literals;

inline const std::string kName = "urn:dev:os:32473-0123456789abcdef";
inline constexpr std::uint64_t kBoot = 4711;
inline constexpr std::int64_t kBuiltOn = 1'764'000'000;

/// A notification as the gateway saw it.
struct Seen {
  std::string resource;
  bool confirmable;
  Instant at;
  coap::DeliveryId delivery;
  coap::senml::Pack pack;

  double value(std::string_view name) const {
    for (const auto& record : pack) {
      if (record.name == name) return std::get<double>(record.value);
    }
    ADD_FAILURE() << "no record named " << name;
    return -1;
  }
  std::vector<std::uint64_t> sequences() const {
    std::vector<std::uint64_t> all;
    for (const auto& record : pack) {
      if (record.name == "q") all.push_back(static_cast<std::uint64_t>(std::get<double>(record.value)));
    }
    return all;
  }
};

class World {
 public:
  explicit World(AlarmSettings alarms = {}, std::shared_ptr<Journal> journal = nullptr, std::size_t capacity = 4096,
                 std::vector<WaveformOptions> waveforms = {}, std::size_t run_capacity = 64, bool judges_dates = false)
      : recorder({kBoot, std::move(alarms), capacity, 1024, [this] { return milliseconds(now) + clock_offset; },
                  journal, std::move(waveforms), run_capacity, nullptr, [this] { return ++last_boot; }}),
        core({kName, std::chrono::seconds{30}, {}, judges_dates, kBuiltOn}, seams(), recorder) {
    recorder.open();
  }

  // -- what the gateway does; a test may change it at any time
  bool reachable = true;  // false: what is sent to it is lost, and it says nothing
  bool opens = true;      // false: the handshake never completes
  bool observes = true;   // asks for all resources after registration
  bool commits = true;    // acknowledges alarms at once
  bool names_answer = true;
  bool asks_clock = false;  // in each notification of /alarms
  coap::Result<std::vector<coap::Address>, std::string> addresses = std::vector{server()};
  coap::Response rd_answer = created();
  Duration one_way = 10ms;
  /// How long it takes to answer each of the next GET /time; empty: never. Afterwards it answers at once.
  std::deque<std::optional<Duration>> time_answers;
  coap::Response update_answer{coap::code::changed, std::nullopt, {}, {}};  // of POST /rd/7
  bool answers_updates = true;

  std::int64_t not_before = 0, not_after = 0;  // of its certificate; seconds since 1970
  std::optional<std::int64_t> calendar = 0;    // that it tells; empty: something that is no time

  // -- what was seen
  std::vector<coap::event::RequestReceived> requests;
  std::vector<Seen> seen;
  std::vector<Instant> attempts;  // connections begun
  std::vector<coap::event::ResponseReceived> responses;

  Instant now{};
  std::uint64_t clock_offset = 0;  // ms, of the device's clock
  std::uint64_t last_boot = kBoot;
  std::optional<coap::Connection> gateway;
  std::map<coap::ObservationId, std::string> observations;
  Recorder recorder;
  DeviceCore core;

  static coap::Response created() {
    coap::Response response{coap::code::created, std::nullopt, {}, {}};
    response.options.add(coap::OptionNumber::location_path, std::string_view("rd"));
    response.options.add(coap::OptionNumber::location_path, std::string_view("7"));
    return response;
  }

  static std::uint64_t milliseconds(Instant at) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
  }

  void start() {
    core.start(now);
    pass(1s);
  }

  void report(std::string_view sign, double value) {
    ASSERT_EQ(recorder.report({{{signs::find(sign)->id, value}}, {}}), Refusal::none);
    core.nudge(now);
    exchange();
  }

  /// So many samples of 0.
  void sample(std::string_view waveform, std::size_t count) {
    ASSERT_EQ(recorder.waveform(waveform, std::vector<double>(count), {}), Refusal::none);
    core.nudge(now);
    exchange();
  }

  AlarmId raise(std::string code, AlarmPriority priority = AlarmPriority::high) {
    Alarm alarm;
    alarm.code = std::move(code);
    alarm.priority = priority;
    const auto id = recorder.raise(alarm);
    EXPECT_TRUE(id);
    core.nudge(now);
    exchange();
    return id.value_or(AlarmId{});
  }

  void observe(const std::string& path) {
    coap::Request request;
    request.path = path;
    const auto policy = path == "/alarms" ? coap::AckPolicy::held : coap::AckPolicy::at_once;
    observations[gateway->observe(std::move(request), policy, now)] = path;
    exchange();
  }

  /// The same observation once more, under its token (RFC 7641 §3.3.1).
  void refresh(const std::string& path) {
    for (const auto& [id, observed] : observations)
      if (observed == path) gateway->refresh(id, now);
    exchange();
  }

  void ask(coap::Code method, const std::string& path) {
    coap::Request request;
    request.method = method;
    request.path = path;
    gateway->request(std::move(request), now);
    pass(1s);
  }

  /// The code that a GET is answered with whose sender understands that format only.
  std::optional<coap::Code> accepts(std::string_view path, std::uint32_t format) {
    coap::Message get;
    get.code = coap::code::get;
    get.id = ++foreign_id_;
    coap::add_uri(get.options, path, {});
    get.options.add_uint(coap::OptionNumber::accept, format);
    core.handle_datagram(server(), coap::encode(get), now);
    const auto answer = core.poll_datagram();
    const auto message = coap::decode(answer ? answer->bytes : coap::Bytes{});
    return message ? std::optional(message->code) : std::nullopt;
  }

  void acknowledge(const Seen& notification) {
    gateway->acknowledge(notification.delivery, now);
    exchange();
  }

  /// The process behind the address dies and comes back without its sessions.
  void restart_gateway() {
    gateway.reset();
    observations.clear();
  }

  std::vector<Seen> of(std::string_view resource) const {
    std::vector<Seen> some;
    for (const auto& one : seen) {
      if (one.resource == resource) some.push_back(one);
    }
    return some;
  }

  static coap::Address server() { return {{}, 5684}; }

  /// Lets time pass; everybody is woken at each of his deadlines.
  void pass(Duration duration) {
    const auto until = now + duration;
    exchange();
    for (auto due = next(); due && *due <= until; due = next()) {
      now = std::max(now, *due);
      while (!flying_.empty() && flying_.front().at <= now) {
        auto one = std::move(flying_.front());
        flying_.pop_front();
        land(one);
      }
      if (const auto late = waiting_.begin(); late != waiting_.end() && late->first <= now) {
        if (gateway) gateway->respond(late->second, time_answer(), now);
        waiting_.erase(late);
      }
      if (const auto at = core.next_deadline(); at && *at <= now) core.handle_timeout(now);
      if (gateway) {
        if (const auto at = gateway->next_deadline(); at && *at <= now) gateway->handle_timeout(now);
      }
      exchange();
    }
    now = until;
  }

 private:
  struct Flying {
    Instant at;
    bool to_device;
    coap::Bytes bytes;
  };

  DeviceCore::Seams seams() {
    return {
        [this] { asks_for_addresses_ = true; }, [this](Instant) { return connect(); }, coap::testing::seeded(7),
        [this] { return std::chrono::system_clock::time_point{std::chrono::microseconds{now.time_since_epoch()}}; }};
  }

  std::unique_ptr<coap::SecureChannel> connect() {
    attempts.push_back(now);
    flying_.clear();  // of the older session
    waiting_.clear();
    if (opens && reachable) {
      observations.clear();
      gateway.emplace(std::make_unique<coap::testing::MemoryChannel>(coap::PeerIdentity{kName, 0}),
                      coap::Connection::Config{}, coap::testing::seeded(attempts.size() + 100), now);
    }
    return std::make_unique<coap::testing::MemoryChannel>(coap::PeerIdentity{"", not_after, not_before},
                                                          opens && reachable);
  }

  std::optional<Instant> next() const {
    auto next = core.next_deadline();
    const auto earlier = [&](std::optional<Instant> other) {
      if (other && (!next || *other < *next)) next = other;
    };
    if (gateway) earlier(gateway->next_deadline());
    if (!flying_.empty()) earlier(flying_.front().at);
    if (!waiting_.empty()) earlier(waiting_.begin()->first);
    return next;
  }

  void land(const Flying& one) {
    if (one.to_device) {
      core.handle_datagram(server(), one.bytes, now);
    } else if (gateway && reachable) {
      gateway->handle_datagram(one.bytes, now);
    }
  }

  void exchange() {
    for (bool more = true; more;) {
      more = names_answer && std::exchange(asks_for_addresses_, false);
      if (more) core.handle_addresses(addresses, now);
      while (auto datagram = core.poll_datagram()) {
        flying_.push_back({now + one_way, false, std::move(datagram->bytes)});
        more = true;
      }
      while (gateway) {
        auto datagram = gateway->poll_datagram();
        if (!datagram) break;
        if (reachable) flying_.push_back({now + one_way, true, std::move(*datagram)});
        more = true;
      }
      while (gateway) {
        const auto event = gateway->poll_event();
        if (!event) break;
        handle(*event);
        more = true;
      }
    }
  }

  void handle(const coap::Event& event) {
    if (const auto* request = std::get_if<coap::event::RequestReceived>(&event)) answer(*request);
    if (const auto* response = std::get_if<coap::event::ResponseReceived>(&event)) responses.push_back(*response);
    if (const auto* got = std::get_if<coap::event::NotificationReceived>(&event)) {
      auto pack = coap::senml::decode_cbor(got->payload);
      ASSERT_TRUE(pack);
      seen.push_back({observations.at(got->observation), got->confirmable, now, got->delivery, std::move(*pack)});
      if (commits && got->confirmable) gateway->acknowledge(got->delivery, now);
    }
  }

  void answer(const coap::event::RequestReceived& request) {
    requests.push_back(request);
    if (request.path == "/time") return tell_time(request.exchange);
    const bool registers = request.path == "/rd";
    if (!registers && !answers_updates) return;
    gateway->respond(request.exchange, registers ? rd_answer : update_answer, now);
    if (registers && rd_answer.code.is_success() && observes) {
      const std::string advertised(request.payload.begin(), request.payload.end());
      const auto links = coap::decode_links(advertised);
      ASSERT_TRUE(links);
      for (const auto& link : *links) {
        coap::Request get;
        get.path = link.target;
        if (asks_clock && link.target == "/alarms") get.queries = {"tk"};
        const auto policy = link.target == "/alarms" ? coap::AckPolicy::held : coap::AckPolicy::at_once;
        observations[gateway->observe(std::move(get), policy, now)] = link.target;
      }
    }
  }

  coap::Response time_answer() const {
    coap::senml::Record time;
    time.name = "time";
    time.value = static_cast<double>(calendar.value_or(0));
    return {coap::code::content,
            112,
            coap::senml::encode_cbor(calendar ? coap::senml::Pack{time} : coap::senml::Pack{}),
            {}};
  }

  void tell_time(coap::ExchangeId exchange) {
    const std::optional<Duration> after = time_answers.empty() ? Duration{0} : time_answers.front();
    if (!time_answers.empty()) time_answers.pop_front();
    if (after == Duration{0}) return gateway->respond(exchange, time_answer(), now);
    if (after) waiting_.emplace(now + *after, exchange);
  }

  bool asks_for_addresses_ = false;
  std::multimap<Instant, coap::ExchangeId> waiting_;  // GET /time, and when it is answered
  std::deque<Flying> flying_;
  std::uint16_t foreign_id_ = 0x8000;
};

}  // namespace wardlink::testing
