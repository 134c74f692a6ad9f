// F1. Any datagram: what decode() takes, encode() writes back byte for byte; what it refuses, a second reader refuses
// for the same reason. Input: the datagram.

#include "coap/message.hpp"
#include "script.hpp"

namespace {

using coap::FormatError;
using Reason = FormatError::Reason;
using fuzz::Bytes;
using fuzz::ByteView;
using fuzz::must;

/// RFC 7252 §3 read once more, by index instead of by cursor; only what is needed to judge the first reader.
struct SecondReading {
  std::optional<Reason> fault;
  bool drops_options = false;  // an elective option of a wrong length (§5.4.3)
  std::size_t options = 0;     // of those that are kept
  std::size_t payload = 0;     // bytes
};

std::size_t extended(ByteView d, std::size_t& at, std::size_t nibble, bool& good) {
  const std::size_t more = nibble < 13 ? 0 : nibble - 12;
  if (nibble == 15 || at + more > d.size()) {
    good = false;
    return 0;
  }
  std::size_t value = nibble;
  if (more == 1) value = d[at] + std::size_t{13};
  if (more == 2) value = d[at] * std::size_t{256} + d[at + 1] + 269;
  at += more;
  return value;
}

bool is_kept(std::size_t number, std::size_t length) {
  const auto* rule = coap::find_option(static_cast<coap::OptionNumber>(number));
  return number % 2 == 1 || rule == nullptr || (length >= rule->min_length && length <= rule->max_length);
}

SecondReading read_options(ByteView d, std::size_t at) {
  SecondReading reading;
  for (std::size_t number = 0; at < d.size();) {
    const std::size_t first = d[at++];
    if (first == 0xff) {
      reading.payload = d.size() - at;
      if (reading.payload == 0) reading.fault = Reason::empty_payload;
      return reading;
    }
    bool good = true;
    number += extended(d, at, first >> 4, good);
    const std::size_t length = good ? extended(d, at, first & 15, good) : 0;
    if (!good || number > 65535 || length > d.size() - at) {
      reading.fault = Reason::bad_option;
      return reading;
    }
    at += length;
    is_kept(number, length) ? void(++reading.options) : void(reading.drops_options = true);
  }
  return reading;
}

SecondReading read_again(ByteView d) {
  const auto faulty = [](Reason reason) { return SecondReading{reason, false, 0, 0}; };
  if (d.size() < 4) return faulty(Reason::too_short);
  if (d[0] / 64 != 1) return faulty(Reason::bad_version);
  if (d.size() > 1500) return faulty(Reason::oversized);
  const std::size_t token = d[0] % 16;
  const int code_class = d[1] / 32;
  if (token > 8) return faulty(Reason::bad_token_length);
  if (code_class == 1 || code_class >= 6) return faulty(Reason::reserved_code);
  if (d[1] == 0 && d.size() > 4) return faulty(Reason::bad_empty);
  if (d[1] == 0 && token > 0) return faulty(Reason::bad_empty);
  if (4 + token > d.size()) return faulty(Reason::too_short);
  return read_options(d, 4 + token);
}

void check_refusal(ByteView datagram, const FormatError& error, const SecondReading& again) {
  must(again.fault == error.reason, "both readers refuse for the same reason");
  const bool resettable =
      datagram.size() >= 4 && error.reason != Reason::bad_version && (datagram[0] >> 4 & 3) == 0;  // §4.2: a CON
  must(error.reset_id.has_value() == resettable, "a CON is reset, all else is ignored");
  if (resettable) must(*error.reset_id == (datagram[2] << 8 | datagram[3]), "the reset names its id");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView datagram(data, size);
  const auto again = read_again(datagram);
  const auto message = coap::decode(datagram);
  must(bool{message} == !again.fault.has_value(), "both readers agree whether it is a message");
  if (!message) {
    check_refusal(datagram, message.error(), again);
    return 0;
  }
  must(message->options.all().size() == again.options, "every option is there");
  must(message->payload.size() == again.payload, "the payload is whole");
  const Bytes written = coap::encode(*message);
  if (!again.drops_options) must(std::ranges::equal(written, datagram), "the form is canonical");
  const auto twice = coap::decode(written);
  must(twice && *twice == *message, "what is written can be read");
  must(coap::encode(*twice) == written, "writing twice is writing once");
  static_cast<void>(coap::critical_fault(message->options));
  static_cast<void>(coap::uri_path(message->options));
  return 0;
}
