#pragma once
// A device and ingest's end of its session in virtual time: two connections over channels in memory, with a network
// between them that takes no time and loses nothing unless it is told to. The test speaks for the device.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coap/connection.hpp"
#include "coap/memory_channel.hpp"
#include "coap/senml.hpp"
#include "coap/virtual_network.hpp"
#include "ingest/memory_sink.hpp"
#include "ingest/session/device_session.hpp"

namespace wardlink::ingest::testing {

inline const std::string urn = "urn:dev:os:32473-7f3a9c51d2e804b6";
inline constexpr WallTime morning{std::chrono::seconds{1'764'000'000}};

template <class Sink = MemorySink>
class Conversation {
 public:
  using Observers = std::map<std::string, coap::ObserverId>;

  explicit Conversation(coap::Random chance = coap::testing::seeded(3))
      : sink([this](std::vector<SinkEvent> events) { on_sink(events); }),
        shared{sink,
               stats,
               [this] { return morning + (now - coap::Instant{}); },
               [this] { return Ticket{++tickets_}; },
               [this] { return ++boots_; },
               std::move(chance),
               {}},
        ingest(channel(urn), {}, coap::testing::seeded(1), now),
        device(channel(""), device_config(), coap::testing::seeded(2), now),
        session(SinkSession{7}, shared, "192.0.2.1:40000") {
    settle();
  }

  // -- the device's words
  coap::event::ResponseReceived ask(coap::Request request) {
    const auto id = device.request(std::move(request), now);
    settle();
    for (const auto& event : device_events)
      if (const auto* response = std::get_if<coap::event::ResponseReceived>(&event);
          response && response->request == id)
        return *response;
    ADD_FAILURE() << "no response";
    return {};
  }
  coap::event::ResponseReceived ask_time(std::uint64_t tick) {
    coap::Request request;
    request.path = "/time";
    request.queries = {"tk=" + std::to_string(tick)};
    return ask(request);
  }
  static coap::Request registration(const std::string& endpoint = urn) {
    coap::Request request;
    request.method = coap::code::post;
    request.path = "/rd";
    request.queries = {"ep=" + endpoint, "lt=3600", "boot=42"};
    request.content_format = coap::content_format::link;
    const std::string links = "</vitals>;obs,</alarms>;obs,</dreams>;obs";
    request.payload.assign(links.begin(), links.end());
    return request;
  }
  /// Asks the time, registers, and is observed.
  void introduce() {
    ask_time(1000);
    ask(registration());
    session.own(ingest, now);
    settle();
  }
  coap::DeliveryId notify(const std::string& path, const std::string& json, coap::Reliability reliability,
                          std::optional<std::uint32_t> max_age = {}) {
    const auto slot = path == "/alarms" ? coap::Slot::alarm : coap::Slot::ordinary;
    auto response = json_response(json);
    if (max_age) response.options.add_uint(coap::OptionNumber::max_age, *max_age);
    const auto delivery = device.notify(observers.at(path), std::move(response), reliability, slot, now);
    settle();
    return delivery;
  }
  coap::DeliveryId raise(std::uint64_t sequence) {
    return notify("/alarms", alarm_json(sequence), coap::Reliability::con);
  }
  static std::string alarm_json(std::uint64_t sequence) {
    return R"([{"n":"owed","v":1},{"n":"q","v":)" + std::to_string(sequence) +
           R"(},{"n":"tk","v":900},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},{"n":"prio","v":3},)"
           R"({"n":"code","vs":"hr-high"},{"n":"hr","v":140}])";
  }

  // -- what the device heard
  bool acknowledged(coap::DeliveryId delivery) const {
    return std::any_of(device_events.begin(), device_events.end(), [&](const coap::Event& event) {
      const auto* ack = std::get_if<coap::event::NotificationAcknowledged>(&event);
      return ack != nullptr && ack->delivery == delivery;
    });
  }
  std::size_t registrations(const std::string& path) const {
    const auto at = registered.find(path);
    return at == registered.end() ? 0 : at->second;
  }
  bool closed() const { return ingest_closed.has_value(); }
  /// What ingest has asked of that resource, without repetitions.
  struct Asked {
    coap::Instant at;
    coap::Message message;
  };
  std::vector<Asked> asked(const std::string& path) const {
    std::vector<Asked> some;
    for (const auto& [id, one] : asked_)
      if (coap::uri_path(one.message.options) == path) some.push_back(one);
    std::ranges::sort(some, {}, &Asked::at);
    return some;
  }

  // -- time
  void advance(coap::Duration duration) {
    const auto end = now + duration;
    for (;;) {
      auto next = end;
      for (const auto& deadline :
           {ingest.next_deadline(), device.next_deadline(), session.next_deadline(), network.next()})
        if (deadline && *deadline < next) next = std::max(*deadline, now);
      now = next;
      if (now >= end) break;
      run_timers();
    }
    run_timers();
  }

  static coap::testing::VirtualNetwork network_with(std::vector<coap::testing::Fault> faults) {
    coap::testing::VirtualNetwork made(std::move(faults));
    made.one_way = {};
    return made;
  }

  coap::Instant now{std::chrono::seconds{100}};
  coap::testing::VirtualNetwork network = network_with({});
  SessionStats stats;
  Sink sink;
  DeviceSession::Shared shared;
  coap::Connection ingest;
  coap::Connection device;
  DeviceSession session;
  std::vector<coap::Event> device_events;
  Observers observers;
  std::map<std::string, std::size_t> registered;
  std::optional<coap::CloseReason> ingest_closed;
  bool answers_observations = true;

  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      while (const auto datagram = ingest.poll_datagram()) {
        busy = true;
        remember(*datagram);
        network.send(coap::testing::Side::ingest, *datagram, now);
      }
      while (const auto datagram = device.poll_datagram()) {
        busy = true;
        network.send(coap::testing::Side::wearable, *datagram, now);
      }
      while (network.next() && *network.next() <= now) {
        busy = true;
        const auto [to, datagram] = network.take();
        (to == coap::testing::Side::ingest ? ingest : device).handle_datagram(datagram, now);
      }
      while (const auto event = ingest.poll_event()) {
        busy = true;
        if (const auto* end = std::get_if<coap::event::Closed>(&*event)) ingest_closed = end->reason;
        session.handle(*event, &ingest, now);
      }
      while (const auto event = device.poll_event()) busy = true, on_device(*event);
    }
  }

 private:
  void remember(const coap::Bytes& datagram) {
    const auto message = coap::decode(datagram);
    if (message && message->code == coap::code::get) asked_.try_emplace(message->id, Asked{now, *message});
  }
  static std::unique_ptr<coap::SecureChannel> channel(const std::string& peer) {
    return std::make_unique<coap::testing::MemoryChannel>(coap::PeerIdentity{peer, 0});
  }
  static coap::Connection::Config device_config() {
    coap::Connection::Config config;
    config.detect_silence = true;
    return config;
  }
  static coap::Response json_response(const std::string& json) {
    coap::Response response;
    response.content_format = coap::content_format::senml_json;
    response.payload.assign(json.begin(), json.end());
    return response;
  }
  void run_timers() {
    ingest.handle_timeout(now);
    device.handle_timeout(now);
    session.handle_timeout(ingest, now);
    settle();
  }
  void on_sink(const std::vector<SinkEvent>& events) {
    for (const auto& event : events)
      if (const auto* answer = std::get_if<RecordAnswered>(&event))
        session.handle_result(answer->ticket, answer->result, ingest, now);
      else
        session.handle_storage_back(ingest, now);
  }
  void on_device(const coap::Event& event) {
    device_events.push_back(event);
    const auto* request = std::get_if<coap::event::RequestReceived>(&event);
    if (request == nullptr || request->observe != 0) return;
    ++registered[request->path];
    if (!answers_observations) {
      coap::Response refusal;
      refusal.code = coap::code::service_unavailable;
      return device.respond(request->exchange, refusal, now);
    }
    if (request->path == "/alarms")
      observers[request->path] =
          device.respond_observed_separately(request->exchange, json_response(first_alarms), coap::Slot::alarm, now)
              .first;
    else
      observers[request->path] = device.respond_observed(request->exchange, json_response("[]"), now);
  }

 public:
  std::string first_alarms = R"([{"n":"owed","v":0}])";

 private:
  std::map<std::uint16_t, Asked> asked_;  // by message id
  std::uint64_t tickets_ = 0;
  std::uint64_t boots_ = 900;
};

}  // namespace wardlink::ingest::testing
