#pragma once
// What a run has reached: each kind of fault, and what they lead to. A count that stays zero over many seeds means that
// the simulation no longer tests what it claims to (FoundationDB's "sometimes" assertions).

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace wardlink::simulation {

class Sometimes {
 public:
  void happened(std::string_view what, std::uint64_t times = 1) {
    if (times == 0) return;
    const auto at = counts_.find(what);
    at == counts_.end() ? void(counts_.emplace(what, times)) : void(at->second += times);
  }
  void add(const Sometimes& other) {
    for (const auto& [what, times] : other.counts_) happened(what, times);
  }
  std::uint64_t count(std::string_view what) const {
    const auto at = counts_.find(what);
    return at == counts_.end() ? 0 : at->second;
  }
  const std::map<std::string, std::uint64_t, std::less<>>& counts() const { return counts_; }

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace wardlink::simulation
