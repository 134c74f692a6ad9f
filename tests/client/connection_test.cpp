// The client library's connection: what errors say, PEM that is renewed.

#include "wardlink/client/connection.hpp"

#include <filesystem>
#include <fstream>
#include <future>

#include "places.hpp"
#include "scripted_server.hpp"
#include "tcp_relay.hpp"
#include "wardlink/client/pages.hpp"
#include "wardlink/client/watch.hpp"

namespace wardlink::client {
namespace {

using testing::HasSubstr;

class ConnectionTest : public command_line::ClientTest {
 protected:
  ConnectionTest() {
    vitals_.latest = [](const auto&, auto&) { return grpc::Status::OK; };
  }
  static std::optional<Error> ask(const Connection& connection, v1::VitalsService::Stub& stub) {
    try {
      connection.call(stub, &v1::VitalsService::Stub::GetLatest, v1::GetLatestRequest());
      return {};
    } catch (const Error& error) {
      return error;
    }
  }
  static std::optional<Error> ask(const Connection& connection) {
    return ask(connection, *v1::VitalsService::NewStub(connection.channel()));
  }
  /// As connection_options(), by way of the relay.
  ConnectionOptions by(const TcpRelay& relay) const {
    auto options = connection_options();
    options.server = "localhost:" + std::to_string(relay.port());
    return options;
  }
  std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(address().substr(address().find(':') + 1)));
  }
  std::string text_of(const std::string& file) const {
    std::ifstream stream(pki(file));
    return {std::istreambuf_iterator<char>(stream), {}};
  }
};

TEST_F(ConnectionTest, AnErrorHasACauseACodeAndASentence) {
  auto options = connection_options();
  vitals_.latest = [](const auto&, auto&) { return grpc::Status(grpc::StatusCode::NOT_FOUND, "patients/x"); };
  auto error = ask(Connection(options)).value();
  EXPECT_EQ(error.cause(), Cause::refused);
  EXPECT_EQ(error.code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(error.detail(), "patients/x");
  EXPECT_THAT(error.what(), HasSubstr(address()));

  vitals_.latest = [](const auto&, auto&) { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the database"); };
  EXPECT_EQ(ask(Connection(options)).value().cause(), Cause::away);

  options.authority = Pem::file(pki("device-ca.pem"));
  EXPECT_EQ(ask(Connection(options)).value().cause(), Cause::tls);

  options.server = "127.99.98.97:1";
  error = ask(Connection(options)).value();
  EXPECT_EQ(error.cause(), Cause::unreachable);
  EXPECT_STREQ(error.what(), "Nobody answers at 127.99.98.97:1.");
}

class LostConnection : public ConnectionTest, public testing::WithParamInterface<TcpRelay::Cut> {};
INSTANTIATE_TEST_SUITE_P(By, LostConnection, testing::Values(TcpRelay::Cut::close, TcpRelay::Cut::reset));

// The server is killed while it is asked.
TEST_P(LostConnection, IsAServerThatIsAway) {
  TcpRelay relay(port(), GetParam());
  const auto seen = std::make_shared<std::promise<void>>();
  vitals_.latest = [&relay, until = seen->get_future().share()](const auto&, auto&) {
    relay.cut();
    until.wait();
    return grpc::Status::OK;
  };
  const Connection connection(by(relay));
  const auto error = ask(connection).value();
  seen->set_value();
  EXPECT_EQ(error.cause(), Cause::away) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("is away"));
  EXPECT_NE(ask(connection).value().cause(), Cause::tls) << "nobody listens any more";
}

TEST_P(LostConnection, IsAStreamWhoseServerIsAway) {
  TcpRelay relay(port(), GetParam());
  const auto seen = std::make_shared<std::promise<void>>();
  vitals_.watch = [&relay, until = seen->get_future().share()](const auto&, auto& writer) {
    writer.Write(v1::WatchResponse());
    relay.cut();
    until.wait();
    return grpc::Status::OK;
  };
  Connection connection(by(relay));
  Watch watch(connection, {});
  std::optional<WatchEvent> event;
  while ((event = watch.next()) && !std::holds_alternative<StreamLost>(*event)) {
  }
  seen->set_value();
  EXPECT_EQ(std::get<StreamLost>(event.value()).error.cause(), Cause::away);
}

TEST_P(LostConnection, BeforeItStoodIsTls) {
  const TcpRelay relay(0, GetParam());
  EXPECT_EQ(ask(Connection(by(relay))).value().cause(), Cause::tls);
}

TEST_F(ConnectionTest, ACallEndsAtItsTimeout) {
  const auto over = std::make_shared<std::promise<void>>();
  vitals_.latest = [until = over->get_future().share()](const auto&, auto&) {
    until.wait();
    return grpc::Status::OK;
  };
  auto options = connection_options();
  options.timeout = std::chrono::milliseconds(300);
  EXPECT_EQ(ask(Connection(options)).value().cause(), Cause::late);
  over->set_value();
}

TEST_F(ConnectionTest, TakesTexts) {
  auto options = connection_options();
  options.certificate = Pem::text(text_of("clients/admin.pem"));
  options.key = Pem::text(text_of("clients/admin.key"));
  options.authority = Pem::text(text_of("service-ca.pem"));
  EXPECT_FALSE(ask(Connection(options)));
}

TEST_F(ConnectionTest, NamesWhatIsNoPem) {
  const auto cause_with = [&](Pem key) {
    auto options = connection_options();
    options.key = std::move(key);
    try {
      const Connection connection(options);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("private key"));
      return error.cause();
    }
    return Cause::refused;
  };
  EXPECT_EQ(cause_with(Pem::file(pki("nobody.key"))), Cause::unreadable);
  EXPECT_EQ(cause_with(Pem::text("hello")), Cause::not_pem);
  EXPECT_EQ(cause_with({}), Cause::not_pem);
}

// The file becomes a certificate that the server does not trust: only who has read it again is refused.
TEST_F(ConnectionTest, RenewReadsTheFilesAgainAndLeavesOldChannelsAlone) {
  ASSERT_EQ(std::system(("'" + places::source("certs/make-pki") + "' device '" + pki("") + "' bed >/dev/null").c_str()),
            0);
  auto options = connection_options();
  options.certificate = Pem::file(scratch_.write("board.pem", text_of("clients/admin.pem")));
  options.key = Pem::file(scratch_.write("board.key", text_of("clients/admin.key")));
  Connection connection(options);
  const auto channel = connection.channel();
  const auto stub = v1::VitalsService::NewStub(channel);

  scratch_.write("board.pem", "half a file");
  EXPECT_THROW(connection.renew(), Error);
  EXPECT_EQ(connection.channel(), channel);

  scratch_.write("board.pem", text_of("devices/bed.pem"));
  scratch_.write("board.key", text_of("devices/bed.key"));
  EXPECT_FALSE(ask(connection));
  connection.renew();
  EXPECT_EQ(ask(connection).value().cause(), Cause::tls);
  EXPECT_FALSE(ask(connection, *stub));
}

TEST_F(ConnectionTest, OnlyTheChannelInUseCanBeAbandoned) {
  Connection connection(connection_options());
  const auto first = connection.channel();
  connection.abandon(first);
  const auto second = connection.channel();
  EXPECT_NE(second, first);
  connection.abandon(first);
  EXPECT_EQ(connection.channel(), second);
  EXPECT_FALSE(ask(connection));
}

TEST_F(ConnectionTest, PagesThatDoNotLeadOnAreAnError) {
  int calls = 0, elements = 0;
  vitals_.latest = [&](const auto&, v1::GetLatestResponse& response) {
    ++calls;
    response.add_vitals();
    response.set_next_page_token("again");
    return grpc::Status::OK;
  };
  const Connection connection(connection_options());
  const auto stub = v1::VitalsService::NewStub(connection.channel());
  const auto walk = [&](std::uint64_t limit) {
    return for_each_page(connection, *stub, &v1::VitalsService::Stub::GetLatest, v1::GetLatestRequest(),
                         &v1::GetLatestResponse::mutable_vitals, limit,
                         [&](const v1::GetLatestResponse& page) { elements += page.vitals_size(); });
  };
  try {
    walk(0);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.cause(), Cause::contract);
  }
  EXPECT_EQ(elements, calls) << "each page was handed on";
  EXPECT_EQ(walk(1), 1u);
}

}  // namespace
}  // namespace wardlink::client
