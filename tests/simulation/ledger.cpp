#include "ledger.hpp"

#include <algorithm>

#include "channel.hpp"
#include "coap/message.hpp"
#include "coap/senml.hpp"

namespace wardlink::simulation {

void Ledger::sent(std::uint64_t boot, const coap::Bytes& datagram) {
  const auto packet = decode(datagram);
  if (packet && packet->kind == Kind::finish) boots_[packet->first] = boot;
}

void Ledger::lost(coap::ByteView datagram) {
  const auto packet = decode(datagram);
  const auto boot = packet ? boots_.find(packet->first) : boots_.end();
  if (boot == boots_.end() || packet->kind != Kind::record) return;
  const auto message = coap::decode(packet->rest);
  const auto pack = coap::senml::decode_cbor(message ? coap::ByteView(message->payload) : coap::ByteView());
  if (!pack) return;
  const auto has = [&](std::string_view name) {
    return std::ranges::find(*pack, name, &coap::senml::Record::name) != pack->end();
  };
  if (has("owed") || has("rate")) return;  // alarms, samples
  for (const auto& record : *pack)
    if (record.name == "q") lost_.insert({boot->second, static_cast<std::uint64_t>(std::get<double>(record.value))});
}

}  // namespace wardlink::simulation
