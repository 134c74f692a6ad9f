#pragma once
// A gateway on real DTLS over loopback, as small as the conversation allows: it registers, observes, keeps what arrives
// by device, and acknowledges alarms when told to commit. Its own thread and loop.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../coap/dtls_peers.hpp"
#include "coap/listener.hpp"
#include "coap/senml.hpp"
#include "coap/udp_driver.hpp"

namespace wardlink::testing {

/// What arrived from one device. Alarm records by their sequence; sets as sign name and value.
struct Arrived {
  std::map<std::uint64_t, std::map<std::string, double>> sets;  // sequence → "tk" and signs
  std::map<std::uint64_t, std::string> alarms;                  // sequence → event and code
  std::size_t repeated_sets = 0, non = 0, con = 0;
};

/// Until it holds, or the test's patience ends: what is waited for is another thread's doing.
template <class Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

class LoopbackGateway : private coap::Endpoint {
 public:
  /// `host`: the one address that it listens on. `ahead`: seconds that its calendar is ahead of this host's.
  explicit LoopbackGateway(const std::string& host = "127.0.0.1",
                           const coap::testing::CertificateSpec& certificate = coap::testing::CertificateSpec::server(),
                           long ahead = 0)
      : ahead_(ahead),
        listener_(coap::testing::server_context({}, certificate), coap::Bytes(32, 9), coap::Listener::Config{},
                  coap::secure_random()) {
    coap::UdpDriver::Config config;
    config.host = host;
    auto driver = coap::UdpDriver::open(loop_, config, *this);
    if (!driver) throw std::runtime_error(driver.error());
    driver_ = std::move(*driver);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~LoopbackGateway() override {
    loop_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return driver_->port(); }

  std::map<std::string, Arrived> arrived() const {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }

 private:
  void handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) override {
    listener_.handle_datagram(from, datagram, now);
    handle_events(now);
  }
  void handle_timeout(coap::Instant now) override {
    listener_.handle_timeout(now);
    handle_events(now);
  }
  std::optional<coap::Datagram> poll_datagram() override { return listener_.poll_datagram(); }
  std::optional<coap::Instant> next_deadline() const override { return listener_.next_deadline(); }

  void handle_events(coap::Instant now) {
    while (const auto event = listener_.poll_event()) {
      auto* connection = listener_.command(event->session);
      if (connection == nullptr) continue;
      if (const auto* request = std::get_if<coap::event::RequestReceived>(&event->event)) {
        answer(*connection, event->session, *request, now);
      }
      if (const auto* got = std::get_if<coap::event::NotificationReceived>(&event->event)) {
        keep(connection->peer().uri, paths_.at({event->session, got->observation}), *got);
        if (got->confirmable) connection->acknowledge(got->delivery, now);
      }
    }
  }

  void answer(coap::Connection& connection, coap::SessionId session, const coap::event::RequestReceived& request,
              coap::Instant now) {
    if (request.path == "/time") {
      coap::senml::Record time;
      time.name = "time";
      time.value = static_cast<double>(std::time(nullptr) + ahead_);
      return connection.respond(request.exchange, {coap::code::content, 112, coap::senml::encode_cbor({time}), {}},
                                now);
    }
    const bool registers = request.path == "/rd";
    connection.respond(request.exchange, {registers ? coap::code::created : coap::code::content, std::nullopt, {}, {}},
                       now);
    if (!registers) return;
    for (const std::string path : {"/vitals", "/alarms"}) {
      coap::Request get;
      get.path = path;
      const auto policy = path == "/alarms" ? coap::AckPolicy::held : coap::AckPolicy::at_once;
      paths_[{session, connection.observe(std::move(get), policy, now)}] = path;
    }
  }

  void keep(const std::string& device, const std::string& path, const coap::event::NotificationReceived& got) {
    const auto pack = coap::senml::decode_cbor(got.payload);
    if (!pack) throw std::logic_error("a payload that is not SenML");
    const std::lock_guard lock(mutex_);
    auto& from = arrived_[device];
    ++(got.confirmable ? from.con : from.non);
    std::uint64_t sequence = 0;
    for (const auto& record : *pack) {
      const auto* number = std::get_if<double>(&record.value);
      const auto* text = std::get_if<std::string>(&record.value);
      if (record.name == "q") {
        sequence = static_cast<std::uint64_t>(*number);
        if (path == "/vitals" && !from.sets.try_emplace(sequence).second) ++from.repeated_sets;
        if (path == "/alarms") from.alarms[sequence].clear();
      } else if (path == "/vitals") {
        from.sets[sequence][record.name] = *number;
      } else if (text != nullptr && (record.name == "ev" || record.name == "code")) {
        from.alarms[sequence] += (record.name == "code" ? " " : "") + *text;
      }
    }
  }

  const long ahead_;
  coap::Listener listener_;
  coap::EventLoop loop_;
  std::unique_ptr<coap::UdpDriver> driver_;
  std::map<std::pair<coap::SessionId, coap::ObservationId>, std::string> paths_;
  mutable std::mutex mutex_;
  std::map<std::string, Arrived> arrived_;
  std::thread thread_;
};

/// A device's options against that gateway, with a certificate of its own.
inline coap::Credentials badge(const std::string& urn) {
  coap::testing::CertificateSpec spec;
  spec.san = "URI:" + urn;
  const auto& authorities = coap::testing::Authorities::get();
  return coap::testing::credentials(authorities.devices.issue(spec), authorities.services.certificate_pem());
}

}  // namespace wardlink::testing
