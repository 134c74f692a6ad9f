#include "coap/udp_driver.hpp"

#include <utility>  // before Asio: Boost 1.74 uses std::exchange without it
//
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <vector>

#include "coap/clock.hpp"
#include "udp_socket.hpp"

namespace coap {
namespace {

namespace asio = boost::asio;
using Failure = boost::system::error_code;

/// Batches that are read before timers and posted work have their turn.
constexpr int fair_share = 8;

}  // namespace

// -- the loop ---------------------------------------------------------------------------------------------------------

struct EventLoop::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> stays = asio::make_work_guard(context);
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() { impl_->context.run(); }
void EventLoop::stop() { impl_->context.stop(); }
void EventLoop::post(std::function<void()> work) { asio::post(impl_->context, std::move(work)); }

Instant EventLoop::now() { return host_now(); }

// -- the driver -------------------------------------------------------------------------------------------------------

struct UdpDriver::Impl {
  Impl(EventLoop& loop, std::shared_ptr<UdpSocket> bound, Endpoint& driven)
      : socket(std::move(bound)),
        endpoint(driven),
        readable(loop.impl().context, socket->descriptor()),
        timer(loop.impl().context) {}
  ~Impl() { readable.release(); }  // the socket closes its own descriptor

  void wait_for_datagrams();
  void receive();
  void pump();
  void arm();
  void expire();

  const std::shared_ptr<UdpSocket> socket;
  Endpoint& endpoint;
  asio::posix::stream_descriptor readable;
  asio::steady_timer timer;
  std::optional<Instant> armed;
  std::vector<Datagram> outgoing;
  bool pumping = false;
  // What Asio still holds when the driver is destroyed finds this gone.
  const std::shared_ptr<Impl*> self = std::make_shared<Impl*>(this);
};

void UdpDriver::Impl::wait_for_datagrams() {
  readable.async_wait(asio::posix::stream_descriptor::wait_read, [held = std::weak_ptr(self)](const Failure& failure) {
    const auto alive = held.lock();
    if (!alive || failure == asio::error::operation_aborted) return;
    (*alive)->receive();
    (*alive)->wait_for_datagrams();
  });
}

void UdpDriver::Impl::receive() {
  const auto take = [this, now = EventLoop::now()](const Address& from, ByteView datagram) {
    endpoint.handle_datagram(from, datagram, now);
  };
  bool more = true;
  for (int batches = 0; more && batches < fair_share; ++batches) {
    more = socket->receive(take);
    pump();
  }
}

/// The one drain order: datagrams until there are none, then the timer. After everything that touched the endpoint.
void UdpDriver::Impl::pump() {
  if (pumping) return;  // woken by the endpoint itself, in the middle of this
  pumping = true;
  if (const auto muted = endpoint.poll_muted()) socket->mute(*muted);
  bool more = true;
  while (more) {
    outgoing.clear();
    while (outgoing.size() < UdpSocket::batch) {
      auto datagram = endpoint.poll_datagram();
      if (!datagram) break;
      outgoing.push_back(std::move(*datagram));
    }
    more = outgoing.size() == UdpSocket::batch;
    if (!outgoing.empty()) socket->send(outgoing);
  }
  arm();
  pumping = false;
}

/// A timer that rings too early is left alone: it looks again when it rings.
void UdpDriver::Impl::arm() {
  const auto deadline = endpoint.next_deadline();
  if (!deadline || (armed && *armed <= *deadline)) return;
  armed = *deadline;
  timer.expires_after(*deadline - EventLoop::now());
  timer.async_wait([held = std::weak_ptr(self)](const Failure& failure) {
    const auto alive = held.lock();
    if (alive && failure != asio::error::operation_aborted) (*alive)->expire();
  });
}

void UdpDriver::Impl::expire() {
  armed.reset();
  const Instant now = EventLoop::now();
  if (const auto deadline = endpoint.next_deadline(); deadline && *deadline <= now) endpoint.handle_timeout(now);
  pump();
}

Result<std::shared_ptr<UdpSocket>, std::string> UdpDriver::bind(const Config& config) {
  auto socket = UdpSocket::open(config);
  if (!socket) return socket.error();
  return std::shared_ptr<UdpSocket>(std::move(*socket));
}

std::uint16_t UdpDriver::port_of(const UdpSocket& bound) { return bound.port(); }

std::unique_ptr<UdpDriver> UdpDriver::drive(EventLoop& loop, std::shared_ptr<UdpSocket> bound, Endpoint& endpoint) {
  auto impl = std::make_unique<Impl>(loop, std::move(bound), endpoint);
  impl->wait_for_datagrams();
  impl->pump();
  return std::unique_ptr<UdpDriver>(new UdpDriver(std::move(impl)));
}

Result<std::unique_ptr<UdpDriver>, std::string> UdpDriver::open(EventLoop& loop, const Config& config,
                                                                Endpoint& endpoint) {
  auto socket = bind(config);
  if (!socket) return socket.error();
  return drive(loop, std::move(*socket), endpoint);
}

UdpDriver::UdpDriver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UdpDriver::~UdpDriver() = default;

void UdpDriver::wake() { impl_->pump(); }
std::uint16_t UdpDriver::port() const { return impl_->socket->port(); }
std::uint64_t UdpDriver::kernel_drops() const { return impl_->socket->kernel_drops(); }
std::uint64_t UdpDriver::muted_drops() const { return impl_->socket->muted_drops(); }
std::uint64_t UdpDriver::send_drops() const { return impl_->socket->send_drops(); }

}  // namespace coap
