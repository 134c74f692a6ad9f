// Two DTLS clients that others wrote, as programs of their own, against the listener on a real socket: the handshake
// matrix of {openssl, gnutls} x {good and wrong certificates} x {GCM, CCM}.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "coap/listener.hpp"
#include "coap/udp_driver.hpp"
#include "dtls_peers.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::Authorities;
using testing::CertificateSpec;
using ::testing::ElementsAre;
using testing::Pair;

/// A listener on a socket; notes what happens and stops the loop when a session has ended.
class Service : public Endpoint {
 public:
  explicit Service(EventLoop& loop)
      : loop_(loop), listener_(testing::server_context(), Bytes(32, 5), {}, secure_random()) {}

  void handle_datagram(const Address& from, ByteView datagram, Instant now) override {
    listener_.handle_datagram(from, datagram, now);
    note();
  }
  void handle_timeout(Instant now) override {
    if (give_up_ && *give_up_ <= now) loop_.stop();
    listener_.handle_timeout(now);
    note();
  }
  std::optional<Datagram> poll_datagram() override { return listener_.poll_datagram(); }
  std::optional<Instant> next_deadline() const override {
    const auto own = listener_.next_deadline();
    return give_up_ && (!own || *give_up_ < *own) ? give_up_ : own;
  }
  /// The client has ended: nothing more will come but what is on its way.
  void client_ended(Instant now) { give_up_ = now + 10s; }

  std::vector<std::string> happened;

 private:
  void note() {
    while (auto one = listener_.poll_event()) {
      if (std::holds_alternative<event::Opened>(one->event))
        happened.push_back("opened " + listener_.find(one->session)->peer().uri);
      if (const auto* closed = std::get_if<event::Closed>(&one->event)) {
        happened.push_back(std::string("closed ") + to_string(closed->reason));
        loop_.stop();
      }
    }
  }

  EventLoop& loop_;
  Listener listener_;
  std::optional<Instant> give_up_;
};

/// The files of one client, gone with it.
class Files {
 public:
  explicit Files(const std::optional<Pair>& pair) {
    std::string pattern = (std::filesystem::temp_directory_path() / "foreign-dtls-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
    write("ca.pem", Authorities::get().services.certificate_pem());
    if (pair) {
      write("own.pem", pair->certificate_pem);
      write("own.key", pair->private_key_pem);
    }
  }
  ~Files() { std::filesystem::remove_all(folder_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  std::string operator[](const char* name) const { return (folder_ / name).string(); }

 private:
  void write(const char* name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  std::filesystem::path folder_;
};

enum class Program { openssl, gnutls };
enum class Suite { gcm, ccm };

std::string command(Program program, Suite suite, const Files& files, bool shows, std::uint16_t port) {
  const std::string number = std::to_string(port);
  std::string line = "timeout 20 ";
  if (program == Program::openssl) {
    line +=
        "openssl s_client -dtls1_2 -quiet -no_ign_eof -verify_return_error -verify_hostname localhost -connect "
        "127.0.0.1:" +
        number + " -CAfile " + files["ca.pem"] + " -cipher ECDHE-ECDSA-AES128-" +
        (suite == Suite::gcm ? "GCM-SHA256" : "CCM");
    if (shows) line += " -cert " + files["own.pem"] + " -key " + files["own.key"];
  } else {
    line += "gnutls-cli --udp --verify-hostname=localhost --x509cafile=" + files["ca.pem"] +
            " --priority=NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+AES-128-" + (suite == Suite::gcm ? "GCM" : "CCM") +
            " -p " + number + " 127.0.0.1";
    if (shows) line += " --x509certfile=" + files["own.pem"] + " --x509keyfile=" + files["own.key"];
  }
  return line + " </dev/null >" + files["said"] + " 2>&1";
}

bool installed(Program program) {
  const char* check =
      program == Program::openssl ? "command -v openssl >/dev/null" : "command -v gnutls-cli >/dev/null";
  return std::system(check) == 0;
}

/// Runs the client to its end; what happened at the listener.
std::vector<std::string> meet(Program program, Suite suite, const std::optional<Pair>& pair) {
  EventLoop loop;
  Service service(loop);
  UdpDriver::Config config;
  config.host = "127.0.0.1";
  const auto driver = UdpDriver::open(loop, config, service);
  if (!driver) throw std::runtime_error(driver.error());
  const Files files(pair);
  std::thread client([&, line = command(program, suite, files, pair.has_value(), (*driver)->port())] {
    std::ignore = std::system(line.c_str());
    loop.post([&] {
      service.client_ended(EventLoop::now());
      (*driver)->wake();
    });
  });
  loop.run();
  client.join();
  if (service.happened.empty()) {
    std::ifstream said(files["said"]);
    ADD_FAILURE() << "nothing happened; the client said: " << std::string(std::istreambuf_iterator<char>(said), {});
  }
  return service.happened;
}

Pair device(const std::function<void(CertificateSpec&)>& change = {}) {
  CertificateSpec spec;
  if (change) change(spec);
  return Authorities::get().devices.issue(spec);
}

struct Case {
  Program program;
  Suite suite;
};

class ForeignDtls : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!installed(GetParam().program)) GTEST_SKIP() << "the client is not installed (openssl, gnutls-bin)";
  }
  std::vector<std::string> meet_with(const std::optional<Pair>& pair) const {
    return meet(GetParam().program, GetParam().suite, pair);
  }
};

TEST_P(ForeignDtls, GoodOneIsLetIn) {  // CONF-4
  EXPECT_THAT(meet_with(device()), ElementsAre("opened urn:dev:os:32473-0123456789abcdef", "closed peer_closed"));
}

TEST_P(ForeignDtls, WrongOnesAreRefused) {  // CONF-4
  EXPECT_THAT(meet_with({}), ElementsAre("closed no_certificate"));
  EXPECT_THAT(meet_with(device([](auto& spec) { spec.to_seconds = -60; })), ElementsAre("closed certificate_expired"));
  EXPECT_THAT(meet_with(testing::TestAuthority("other").issue({})), ElementsAre("closed unknown_authority"));
  EXPECT_THAT(meet_with(device([](auto& spec) { spec.extended_key_usage.clear(); })),
              ElementsAre("closed no_client_auth"));
  EXPECT_THAT(meet_with(Authorities::get().services.issue(CertificateSpec::server())),
              ElementsAre("closed server_certificate"));
}

INSTANTIATE_TEST_SUITE_P(Matrix, ForeignDtls,
                         ::testing::Values(Case{Program::openssl, Suite::gcm}, Case{Program::openssl, Suite::ccm},
                                           Case{Program::gnutls, Suite::gcm}, Case{Program::gnutls, Suite::ccm}),
                         [](const auto& chosen) {
                           return std::string(chosen.param.program == Program::openssl ? "OpenSsl" : "GnuTls") +
                                  (chosen.param.suite == Suite::gcm ? "Gcm" : "Ccm");
                         });

}  // namespace
}  // namespace coap
