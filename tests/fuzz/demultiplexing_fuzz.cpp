// F7. Raw datagrams from several addresses into a listener with real OpenSSL, beside genuine clients whose handshakes
// are delivered, lost, doubled, delayed, altered and sent from elsewhere. Time and OpenSSL's chance are the target's:
// the same input, the same run (but for the dates in the certificates, which are made at the start). Input: one step
// after the other.

#include <openssl/rand.h>
#include <sys/time.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <set>

#include "../coap/memory_channel.hpp"
#include "../coap/test_authority.hpp"
#include "coap/dtls.hpp"
#include "coap/listener.hpp"
#include "script.hpp"

namespace {

using namespace fuzz;
using coap::Connection;
using coap::Duration;
using coap::Instant;
using coap::Listener;
using coap::SessionId;
namespace event = coap::event;

// -- time and chance --------------------------------------------------------------------------------------------------

coap::Random& chance() {
  static coap::Random random;
  return random;
}

int draw(unsigned char* to, int size) {
  if (size > 0) chance()({to, static_cast<std::size_t>(size)});
  return 1;
}

/// OpenSSL's random numbers come from a seed. The interface is an old one, but the new one would need a provider.
void take_over_chance() {
  static const RAND_METHOD method{nullptr, draw, nullptr, nullptr, draw, [] { return 1; }};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  RAND_set_rand_method(&method);
#pragma GCC diagnostic pop
}

Instant& now() {
  static Instant instant;
  return instant;
}

}  // namespace

/// The clock that OpenSSL reads for the timers of DTLS; the dynamic linker finds this one first.
extern "C" int gettimeofday(timeval* to, void*) noexcept {
  const auto us = now().time_since_epoch().count() + 1'000'000'000'000;
  to->tv_sec = us / 1'000'000;
  to->tv_usec = us % 1'000'000;
  return 0;
}

namespace {

// -- the parties ------------------------------------------------------------------------------------------------------

constexpr const char* kDevice = "urn:dev:os:32473-0123456789abcdef";

struct Pki {
  std::shared_ptr<const coap::DtlsContext> server, client;
};

const Pki& pki() {
  static const Pki made = [] {
    using coap::testing::CertificateSpec;
    const coap::testing::TestAuthority devices("devices");
    const coap::testing::TestAuthority services("services");
    const auto server = services.issue(CertificateSpec::server());
    const auto device = devices.issue(CertificateSpec{});
    return Pki{*coap::DtlsContext::server({server.certificate_pem, server.private_key_pem, devices.certificate_pem()}),
               *coap::DtlsContext::client({device.certificate_pem, device.private_key_pem, services.certificate_pem()},
                                          "localhost")};
  }();
  return made;
}

struct Client {
  Client(const coap::Address& from, Instant at)
      : address(from), connection(pki().client->connect(at), {}, coap::testing::seeded(7), at) {}

  coap::Address address;
  Connection connection;
  std::deque<Bytes> outgoing, incoming;
};

coap::Address address_of(std::size_t which) {
  coap::Address address;
  address.ip[10] = address.ip[11] = 0xff;
  address.ip[12] = 127;
  address.ip[15] = static_cast<std::uint8_t>(1 + which);
  address.port = static_cast<std::uint16_t>(40000 + which);
  return address;
}

// -- the run ----------------------------------------------------------------------------------------------------------

class Network {
 public:
  explicit Network(Script script)
      : script_(script), listener_(pki().server, Bytes(32, 0x5a), config(), coap::testing::seeded(3)) {}

  void run() {
    for (int steps = 0; !script_.ended() && steps < 64; ++steps) {
      step();
      check();
    }
    let_half_open_ones_die();
    welcome_a_good_device();
  }

 private:
  static Listener::Config config() {
    Listener::Config config;
    config.max_half_open = 3;
    config.max_waiting = 2;
    config.handshake_rate = 10'000'000;  // time stands still while all is delivered
    return config;
  }

  void step() {
    switch (script_.pick(12)) {
      case 0:
        return begin(script_.pick(4));
      case 1:
        return deliver_next();
      case 2:
        return deliver_altered();
      case 3:
        return lose_next();
      case 4:
        return deliver_again();
      case 5:
        return deliver_from_elsewhere();
      case 6:
        return converse();
      case 7:
        return receive_raw();
      case 8:
        return pass(std::chrono::milliseconds{script_.byte() * 250});
      case 9:
        return say_something();
      case 10:
        return answer_next();
      default:
        return forge_record();
    }
  }

  Client* any() { return clients_.empty() ? nullptr : clients_[script_.pick(clients_.size())].get(); }

  void begin(std::size_t where) {
    if (clients_.size() == 4) return;
    clients_.push_back(std::make_unique<Client>(address_of(where), now()));
    drain(*clients_.back());
  }

  void deliver(const coap::Address& from, const Bytes& datagram) {
    const auto before = listener_.counters();
    const bool known = !opened_.empty() || listener_.half_open() > 0;
    listener_.handle_datagram(from, datagram, now());
    const std::size_t sent = drain_listener();
    const auto& after = listener_.counters();
    if (after.challenges > before.challenges && !known)
      must(sent <= datagram.size(), "before the cookie, no answer is longer than what it answers");
    const bool handshook = listener_.half_open() > 0 || after.handshakes_failed > before.handshakes_failed;
    if (sent > 0 && !known) must(after.challenges > before.challenges || handshook, "only a ClientHello is answered");
  }

  void deliver_next() {
    auto* client = any();
    if (client == nullptr || client->outgoing.empty()) return;
    const Bytes datagram = client->outgoing.front();
    client->outgoing.pop_front();
    remember(datagram);
    deliver(client->address, datagram);
  }

  /// Genuine but for a few bytes, or cut short; what was altered may still hold whole records.
  void deliver_altered() {
    auto* client = any();
    if (client == nullptr || client->outgoing.empty()) return;
    Bytes datagram = client->outgoing.front();
    for (std::size_t left = 1 + script_.pick(4); left > 0; --left) {
      const std::size_t at = script_.number16() % datagram.size();
      datagram[at] = static_cast<std::uint8_t>(datagram[at] ^ script_.byte());
    }
    if (script_.flag()) datagram.resize(script_.number16() % (datagram.size() + 1));
    deliver(client->address, datagram);
  }

  void lose_next() {
    auto* client = any();
    if (client == nullptr || client->outgoing.empty()) return;
    remember(client->outgoing.front());
    client->outgoing.pop_front();
  }

  void deliver_again() {
    if (seen_.empty()) return;
    const auto& datagram = seen_[script_.pick(seen_.size())];
    deliver(address_of(script_.pick(3)), Bytes(datagram));
  }

  void deliver_from_elsewhere() {
    auto* client = any();
    if (client == nullptr || client->outgoing.empty()) return;
    remember(client->outgoing.front());
    deliver(address_of(script_.pick(4)), client->outgoing.front());
  }

  /// Bytes of the fuzzer's own can never end a session that stands.
  void receive_raw() {
    const auto where = address_of(script_.pick(3));
    const auto bytes = script_.bytes(script_.number16() % 1500);
    must_not_end_sessions(where, Bytes(bytes.begin(), bytes.end()));
  }

  /// A record of a type, epoch and sequence number that matter, with a body that nobody can have sealed.
  void forge_record() {
    const auto where = address_of(script_.pick(3));
    const std::uint8_t type = static_cast<std::uint8_t>(20 + script_.pick(5));
    const std::uint8_t epoch = static_cast<std::uint8_t>(script_.pick(3));
    const std::uint16_t sequence = script_.number16();
    const auto body = script_.bytes(script_.byte());
    Bytes record{type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0};
    record.push_back(static_cast<std::uint8_t>(sequence >> 8));
    record.push_back(static_cast<std::uint8_t>(sequence));
    record.push_back(0);
    record.push_back(static_cast<std::uint8_t>(body.size()));
    record.insert(record.end(), body.begin(), body.end());
    must_not_end_sessions(where, record);
  }

  void must_not_end_sessions(const coap::Address& from, const Bytes& datagram) {
    const auto before = opened_;
    deliver(from, datagram);
    must(std::ranges::includes(opened_, before), "what nobody sealed ends no session");
  }

  void answer_next() {
    auto* client = any();
    if (client == nullptr || client->incoming.empty()) return;
    const Bytes datagram = client->incoming.front();
    client->incoming.pop_front();
    client->connection.handle_datagram(datagram, now());
    drain(*client);
  }

  void say_something() {
    auto* client = any();
    if (client == nullptr) return;
    client->connection.request({coap::code::get, "/time", {"tk=1"}, {}, {}}, now());
    if (script_.pick(8) == 0) client->connection.close(coap::CloseReason::local, now());
    drain(*client);
  }

  /// Everything is delivered until nobody has anything to say.
  void converse() {
    for (bool more = true; more;) {
      more = false;
      for (std::size_t i = 0; i < clients_.size(); ++i) {
        auto& client = *clients_[i];
        while (!client.outgoing.empty()) {
          const Bytes datagram = client.outgoing.front();
          client.outgoing.pop_front();
          deliver(client.address, datagram);
          more = true;
        }
        while (!client.incoming.empty()) {
          const Bytes datagram = client.incoming.front();
          client.incoming.pop_front();
          client.connection.handle_datagram(datagram, now());
          drain(client);
          more = true;
        }
      }
      more = take_turn() || more;
    }
  }

  /// A handshake goes on while nothing else is to be done.
  bool take_turn() {
    const auto due = listener_.next_deadline();
    if (!due || *due > now()) return false;
    listener_.handle_timeout(now());
    drain_listener();
    return true;
  }

  void pass(Duration duration) {
    const auto until = now() + duration;
    for (int turns = 0;; ++turns) {
      must(turns < 500, "time goes on");
      auto due = listener_.next_deadline();
      for (const auto& client : clients_) {
        const auto one = client->connection.next_deadline();
        if (one && (!due || *one < *due)) due = one;
      }
      if (!due || *due > until) break;
      now() = std::max(now(), *due);
      listener_.handle_timeout(now());
      drain_listener();
      for (const auto& client : clients_) {
        const auto one = client->connection.next_deadline();
        if (one && *one <= now()) client->connection.handle_timeout(now());
        drain(*client);
      }
    }
    now() = until;
  }

  void let_half_open_ones_die() {
    for (const auto& client : clients_) client->outgoing.clear();
    clients_.clear();
    pass(std::chrono::seconds{31});
    must(listener_.half_open() == 0, "a handshake that does not finish is forgotten");
    check();
  }

  void welcome_a_good_device() {
    const auto handshakes = listener_.counters().handshakes;
    begin(5);
    converse();
    must(clients_.back()->connection.state() == coap::SecureChannel::State::open, "a good device is let in");
    must(listener_.counters().handshakes == handshakes + 1, "by one handshake");
  }

  void check() {
    must(listener_.half_open() <= config().max_half_open, "half-open handshakes are capped");
    must(listener_.sessions() == opened_.size(), "every session is told of");
  }

  void remember(const Bytes& datagram) {
    seen_.push_back(datagram);
    if (seen_.size() > 32) seen_.pop_front();
  }

  void drain(Client& client) {
    while (auto datagram = client.connection.poll_datagram()) client.outgoing.push_back(std::move(*datagram));
    while (client.connection.poll_event()) {
    }
  }

  /// Bytes sent. To an address where no client is, they are lost; to several clients there, all hear them.
  std::size_t drain_listener() {
    std::size_t sent = 0;
    while (const auto datagram = listener_.poll_datagram()) {
      sent += datagram->bytes.size();
      for (const auto& client : clients_)
        if (client->address == datagram->to) client->incoming.push_back(datagram->bytes);
    }
    while (const auto event = listener_.poll_event()) {
      must(ended_.find(event->session) == ended_.end(), "nothing follows the end");
      std::visit([&](const auto& one) { on(event->session, one); }, event->event);
    }
    return sent;
  }

  void on(SessionId session, const event::Opened&) {
    must(opened_.insert(session).second, "a session opens once");
    const auto* connection = listener_.find(session);
    if (connection != nullptr) must(connection->peer().uri == kDevice, "a session is its certificate's");
  }
  void on(SessionId session, const event::Closed& closed) {
    must(closed.reason != coap::CloseReason::none, "an end has a reason");
    opened_.erase(session);
    ended_.insert(session);
  }
  void on(SessionId session, const event::RequestReceived& request) {
    must(opened_.contains(session), "nothing is heard before the handshake has completed");
    listener_.command(session)->respond(request.exchange, {}, now());
  }
  template <class Other>
  void on(SessionId session, const Other&) {
    must(opened_.contains(session), "nothing happens before the handshake has completed");
  }

  Script script_;
  Listener listener_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::deque<Bytes> seen_;
  std::set<SessionId> opened_, ended_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chance() = coap::testing::seeded(42);
  take_over_chance();
  pki();
  chance() = coap::testing::seeded(11);
  now() = Instant{};
  Network(Script(ByteView(data, size))).run();
  return 0;
}
