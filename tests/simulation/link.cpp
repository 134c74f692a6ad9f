#include "link.hpp"

#include <algorithm>
#include <utility>

namespace wardlink::simulation {

Network::Network(Clock& clock, Chance chance, Sometimes& sometimes, Trace& trace, std::size_t devices, Seams seams)
    : clock_(clock), chance_(chance), sometimes_(sometimes), trace_(trace), seams_(std::move(seams)), links_(devices) {}

coap::Address Network::server() {
  coap::Address address;
  address.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
  address.port = 5684;
  return address;
}

// -- ports ------------------------------------------------------------------------------------------------------------

void Network::open(std::size_t device) {
  links_[device].open = true;
  ++links_[device].socket;
  place(device);
}

void Network::close(std::size_t device) {
  links_[device].open = false;
  outside_.erase(links_[device].outside);
}

void Network::place(std::size_t device) {
  Link& link = links_[device];
  outside_.erase(link.outside);
  link.outside = server();
  link.outside.ip[15] = 2;  // all of a ward behind one NAT
  link.outside.port = ++last_port_;
  outside_[link.outside] = device;
}

void Network::rebind(std::size_t device) {
  if (links_[device].open) place(device);
}

void Network::swap(std::size_t one, std::size_t other) {
  if (!links_[one].open || !links_[other].open) return;
  std::swap(links_[one].outside, links_[other].outside);
  outside_[links_[one].outside] = one;
  outside_[links_[other].outside] = other;
}

// -- datagrams --------------------------------------------------------------------------------------------------------

bool Network::lose(const Link& link, bool cut) {
  if (cut) {
    sometimes_.happened("a datagram met a cut");
    return true;
  }
  if (!chance_.happens(link.quality.loss)) return false;
  sometimes_.happened("a datagram was lost");
  return true;
}

void Network::deliver(Link& link, Way way, Clock::Work work) {
  const auto at = clock_.now() + link.quality.delay + chance_.between(coap::Duration{0}, link.quality.jitter);
  auto& last = way == Way::up ? link.last_up : link.last_down;
  if (at < last) sometimes_.happened("a datagram overtook another");
  last = std::max(last, at);
  clock_.at(at, std::move(work));
}

void Network::send_up(std::size_t device, coap::Bytes datagram) {
  Link& link = links_[device];
  if (!link.open) return;
  trace_.add(device);
  trace_.add(datagram);
  seams_.sent_up(device, datagram);
  if (lose(link, link.quality.cut_up)) return seams_.lost_up(device, datagram);
  const bool twice = chance_.happens(link.quality.doubling);
  if (twice) sometimes_.happened("a datagram was doubled");
  for (int copy = 0; copy < (twice ? 2 : 1); ++copy)
    deliver(link, Way::up, [this, device, from = link.outside, datagram] {
      if (!seams_.to_server(from, datagram)) seams_.lost_up(device, datagram);
    });
}

void Network::drop_up(std::size_t device, const coap::Bytes& datagram) {
  seams_.sent_up(device, datagram);
  seams_.lost_up(device, datagram);
}

void Network::forge_up(std::size_t device, coap::Bytes datagram) {
  Link& link = links_[device];
  if (link.open)
    deliver(link, Way::up,
            [this, from = link.outside, datagram = std::move(datagram)] { seams_.to_server(from, datagram); });
}

void Network::send_down(const coap::Address& to, coap::Bytes datagram) {
  trace_.add(to.port);
  trace_.add(datagram);
  const auto at = outside_.find(to);
  if (at == outside_.end()) return;
  const auto device = at->second;
  Link& link = links_[device];
  if (lose(link, link.quality.cut_down)) return;
  const bool twice = chance_.happens(link.quality.doubling);
  for (int copy = 0; copy < (twice ? 2 : 1); ++copy)
    deliver(link, Way::down, [this, device, socket = link.socket, datagram] {
      if (links_[device].open) seams_.to_device(device, socket, datagram);
    });
}

}  // namespace wardlink::simulation
