#include "journal_ledger.hpp"

#include <algorithm>

#include "journal_line.hpp"

namespace wardlink {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;  // which clang 14 does not find itself

std::string ended(std::string_view line) { return std::string(line) + '\n'; }

}  // namespace

// -- reading ---------------------------------------------------------------------------------------------------------

void JournalLedger::take(std::string_view text) {
  const auto line = journal_line::read(text);
  if (!line) return take_damaged(text);
  std::visit(Overloaded{
                 [&](const journal_line::Header&) { header_ = ended(text); },
                 [&](const journal_line::Boot& boot) {
                   auto& known = boots_[boot.boot];
                   known.lines += ended(text);
                   known.foreign = known.foreign || boot.device != device_;
                 },
                 [](const journal_line::Set&) {},
                 [&](const OwedAlarm& alarm) {
                   const auto sequence = alarm.record.sequence;
                   if (!owes(alarm.boot, sequence)) add(Kind::alarm, ended(text), alarm.boot, sequence);
                 },
                 [&](const journal_line::Ack& ack) { settle(ack.boot, ack.sequence); },
                 [&](const journal_line::GoodDate& date) { good_date(date.at); },
                 [&](const journal_line::Unknown& unknown) {
                   add(Kind::unknown, ended(text), unknown.boot, unknown.sequence);
                 },
             },
             *line);
}

/// Kept too, for people to look at: it may have been an alarm.
void JournalLedger::take_damaged(std::string_view line) {
  ++damaged_;
  add(Kind::damaged, ended(line), std::nullopt, std::nullopt);
}

void JournalLedger::add(Kind kind, std::string line, std::optional<std::uint64_t> boot,
                        std::optional<std::uint64_t> sequence) {
  const auto place = next_place_++;
  size_ += line.size();
  if (boot && sequence) place_[{*boot, *sequence}] = place;
  entries_.emplace(place, Entry{kind, std::move(line), boot});
}

// -- writing ---------------------------------------------------------------------------------------------------------

std::string JournalLedger::heading() const {
  return header_.empty() && boots_.empty() ? journal_line::header(device_) : std::string();
}

void JournalLedger::begun() {
  if (header_.empty() && boots_.empty()) header_ = journal_line::header(device_);
}

std::string JournalLedger::opening(std::uint64_t boot) const {
  auto lines = heading();
  if (!boots_.contains(boot)) lines += journal_line::boot(device_, boot);
  return lines;
}

void JournalLedger::opened(std::uint64_t boot) {
  begun();
  boots_.try_emplace(boot, Boot{journal_line::boot(device_, boot), false});
}

void JournalLedger::owe(std::uint64_t boot, std::uint64_t sequence, std::string line) {
  settle(boot, sequence);
  add(Kind::alarm, std::move(line), boot, sequence);
}

bool JournalLedger::settle(std::uint64_t boot, std::uint64_t sequence) {
  const auto at = place_.find({boot, sequence});
  if (at == place_.end()) return false;
  const auto entry = entries_.find(at->second);
  size_ -= entry->second.line.size();
  entries_.erase(entry);
  place_.erase(at);
  return true;
}

void JournalLedger::good_date(std::int64_t at) { good_date_ = std::max(good_date_, at); }

// -- what is owed ----------------------------------------------------------------------------------------------------

std::vector<OwedAlarm> JournalLedger::owed() const {
  std::vector<OwedAlarm> all;
  for (const auto& [place, entry] : entries_) {
    const auto boot = entry.boot ? boots_.find(*entry.boot) : boots_.end();
    if (entry.kind != Kind::alarm || (boot != boots_.end() && boot->second.foreign)) continue;
    auto line = journal_line::read(std::string_view(entry.line).substr(0, entry.line.size() - 1));
    if (auto* alarm = line ? std::get_if<OwedAlarm>(&*line) : nullptr) all.push_back(std::move(*alarm));
  }
  return all;
}

std::uint64_t JournalLedger::kept() const {
  std::uint64_t count = 0;
  for (const auto& [place, entry] : entries_) count += entry.kind == Kind::unknown ? 1 : 0;
  return count;
}

std::string JournalLedger::content() const {
  auto text = header_.empty() ? journal_line::header(device_) : header_;
  if (good_date_ != 0) text += journal_line::good_date(good_date_);
  std::set<std::uint64_t> announced;
  for (const auto& [place, entry] : entries_) {
    const auto boot = entry.boot ? boots_.find(*entry.boot) : boots_.end();
    if (boot != boots_.end() && announced.insert(boot->first).second) text += boot->second.lines;
    text += entry.line;
  }
  return text;
}

void JournalLedger::rewritten() {
  if (header_.empty()) header_ = journal_line::header(device_);
  std::set<std::uint64_t> needed;
  for (const auto& [place, entry] : entries_) {
    if (entry.boot) needed.insert(*entry.boot);
  }
  std::erase_if(boots_, [&](const auto& boot) { return !needed.contains(boot.first); });
}

}  // namespace wardlink
