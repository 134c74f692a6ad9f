#pragma once
// What must hold at the end of every conversation, whatever the network did; and the replay that does it all to it.

#include <functional>
#include <string>
#include <vector>

#include "conversation.hpp"

namespace coap::testing {

/// One line a message, in the order of sending. Message ids are named after their sender (w1, i1, …), tokens a, b, ….
std::vector<std::string> transcript(const Conversation& conversation);

/// One sentence for each thing that is wrong; empty when all holds. The conversation must have come to rest.
std::vector<std::string> complaints(const Conversation& conversation);

using Script = std::function<void(Conversation&)>;

/// The script on a network without faults, to its end; checked by the oracle.
std::unique_ptr<Conversation> play(const Script& script, const Conversation::Config& config = {});

/// The script again and again: each of its datagrams lost, doubled, delayed and echoed, then `pairs` seeded pairs of
/// faults. After each, the two ends must be able to observe anew.
void replay_with_faults(const Script& script, const Conversation::Config& config = {}, int pairs = 100);

}  // namespace coap::testing
