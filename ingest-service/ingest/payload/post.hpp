#pragma once
// What a POST to /vitals or /alarms says (docs/wire.md, "Posting"). Pure: a payload in; facts out, or what was wrong
// with it, in words for whoever wrote it. The words say where, and never repeat what was there.

#include <string>
#include <string_view>
#include <vector>

#include "ingest/payload/intake.hpp"
#include "ingest/payload/senml_facts.hpp"

namespace wardlink::ingest {

struct Post {
  /// True: the records brought keys of their own, of the boot that the device registered with.
  /// False: their stream is `manual`, their sequence still 0 and their tick the calendar's, ms since 1970-01-01 UTC.
  bool keyed = false;
  std::vector<Fact> facts;  // at least one
};

/// `device`: the URN of the session's certificate. `calendar`: what relative times count from, once. `registered`: else
/// the device has no boot to key records under. Nothing is refused for its time: what lies before 1970 is taken for
/// that year's beginning, and what lies ahead storage judges.
coap::Result<Post, Fault> read_post(Resource resource, std::string_view device,
                                    std::optional<std::uint16_t> content_format, coap::ByteView payload,
                                    WallTime calendar, bool registered);

/// "record 2, v: must be a number"
std::string to_words(const Fault& fault);

}  // namespace wardlink::ingest
