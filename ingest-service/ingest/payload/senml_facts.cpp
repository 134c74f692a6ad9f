#include "ingest/payload/senml_facts.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace wardlink::ingest {
namespace {

using Reason = QuarantineReason;
using SenmlRecord = coap::senml::Record;

constexpr double two_to_53 = 9007199254740992.0;

std::optional<double> number(const SenmlRecord& record) {
  const double* v = std::get_if<double>(&record.value);
  if (!v || !std::isfinite(*v)) return std::nullopt;
  return *v;
}

/// An integer from `least` to 2^53 − 1, which a double holds exactly.
std::optional<std::uint64_t> whole(const SenmlRecord& record, std::uint64_t least) {
  const auto v = number(record);
  if (!v || *v < static_cast<double>(least) || *v >= two_to_53 || std::floor(*v) != *v) return std::nullopt;
  return static_cast<std::uint64_t>(*v);
}

const std::string* text(const SenmlRecord& record) { return std::get_if<std::string>(&record.value); }

/// A set, an alarm record and a run open alike: `q`, then `tk`.
std::optional<Fault> read_key(SenmlSpan records, Fact& fact, Reason malformed) {
  if (records.empty() || records[0].name != "q") return Fault{malformed, 1, "n", "must be q"};
  const auto sequence = whole(records[0], 1);
  if (!sequence) return Fault{malformed, 1, "v", "must be an integer from 1, below 2^53"};
  if (records.size() < 2 || records[1].name != "tk") return Fault{malformed, 1, "n", "must be followed by tk"};
  const auto tick = whole(records[1], 0);
  if (!tick) return Fault{malformed, 2, "v", "must be an integer from 0, below 2^53"};
  fact.sequence = *sequence;
  fact.tick_ms = *tick;
  return std::nullopt;
}

/// An alarm record of an earlier start says which, right after its key.
std::optional<Fault> read_boot(SenmlSpan records, Fact& fact) {
  if (records.size() < 3 || records[2].name != "boot") return std::nullopt;
  const auto boot = whole(records[2], 1);
  if (!boot) return Fault{Reason::bad_alarm, 3, "v", "must be an integer from 1, below 2^53"};
  fact.boot = *boot;
  return std::nullopt;
}

/// The fault of a span's part, counted from the span's beginning.
Fault behind(std::size_t records, Fault fault) {
  if (fault.record != 0) fault.record += records;
  return fault;
}

bool is_code(const std::string& code) {
  return !code.empty() && code.size() <= 32 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// Reads the fields of one alarm record; each of them once.
class AlarmReader {
 public:
  /// Why a record cannot be taken, as record 1; empty when it was.
  std::optional<Fault> read(const SenmlRecord& record) {
    if (record.name == "ev") return once(ev_, read_event(record), "vs", "must be raised or ended");
    if (record.name == "on") return once(on_, read_onset(record), "v", "must be the q of a raised record");
    if (record.name == "kind") return once(kind_, read_kind(record), "vs", "must be phys or tech");
    if (record.name == "prio") return once(prio_, read_priority(record), "v", "must be 1, 2 or 3");
    if (record.name == "code")
      return once(code_, read_code(record), "vs", "must be 1 to 32 lower-case letters, digits and '-'");
    if (record.name == "lim") return once(lim_, (alarm_.limit = number(record)).has_value(), "v", "must be a number");
    auto sign = read_sign(record);
    if (!sign) {
      Fault fault = sign.error();
      if (fault.reason == Reason::bad_set) fault.reason = Reason::bad_alarm;
      return fault;
    }
    alarm_.sign = sign->sign;
    alarm_.value = sign->value;
    return once(sign_, true, "", "");
  }

  /// The record, when nothing that it must have is missing. An onset belongs to an end.
  coap::Result<AlarmFact, Fault> finish() && {
    if (!ev_ || !kind_ || !prio_ || !code_)
      return Fault{Reason::bad_alarm, 0, "", "an alarm needs ev, kind, prio and code"};
    if (on_ && alarm_.event != AlarmFact::Event::ended)
      return Fault{Reason::bad_alarm, 0, "", "on belongs to an alarm that ended"};
    return std::move(alarm_);
  }

 private:
  static std::optional<Fault> once(bool& seen, bool good, const char* field, const char* words) {
    if (!good) return Fault{Reason::bad_alarm, 1, field, words};
    if (seen) return Fault{Reason::bad_alarm, 1, "n", "stands twice in one alarm"};
    seen = true;
    return std::nullopt;
  }

  bool read_event(const SenmlRecord& record) {
    const std::string* word = text(record);
    if (!word || (*word != "raised" && *word != "ended")) return false;
    alarm_.event = *word == "raised" ? AlarmFact::Event::raised : AlarmFact::Event::ended;
    return true;
  }

  bool read_onset(const SenmlRecord& record) {
    const auto sequence = whole(record, 1);
    alarm_.onset_sequence = sequence.value_or(0);
    return sequence.has_value();
  }

  bool read_kind(const SenmlRecord& record) {
    const std::string* word = text(record);
    if (!word || (*word != "phys" && *word != "tech")) return false;
    alarm_.kind = *word == "phys" ? AlarmFact::Kind::physiological : AlarmFact::Kind::technical;
    return true;
  }

  bool read_priority(const SenmlRecord& record) {
    const auto priority = whole(record, 1);
    if (!priority || *priority > 3) return false;
    alarm_.priority = AlarmFact::Priority{static_cast<std::uint8_t>(*priority)};
    return true;
  }

  bool read_code(const SenmlRecord& record) {
    const std::string* code = text(record);
    if (!code || !is_code(*code)) return false;
    alarm_.code = *code;
    return true;
  }

  AlarmFact alarm_;
  bool ev_ = false, on_ = false, kind_ = false, prio_ = false, code_ = false, lim_ = false, sign_ = false;
};

/// Reads the fields of one run; each of them once.
class RunReader {
 public:
  explicit RunReader(const signs::Waveform& waveform) : waveform_(waveform) {}

  /// The reason why a record cannot be taken; empty when it was.
  std::optional<Reason> read(const SenmlRecord& record) {
    if (record.name == "rate") return once(rate_, read_part(record, run_.rate.samples));
    if (record.name == "per") return once(per_, read_part(record, run_.rate.seconds));
    if (record.name == "scale") return once(scale_, read_number(record, run_.scale) && run_.scale != 0);
    if (record.name == "off") return once(off_, read_number(record, run_.offset));
    if (record.name != waveform_.wire) {
      return signs::find_waveform(record.name) ? Reason::wrong_resource : Reason::bad_run;
    }
    if (!record.unit.empty() && record.unit != waveform_.senml_unit) return Reason::unknown_unit;
    return once(samples_, read_samples(record));
  }

  /// The run, when nothing that it must have is missing and it is one of this waveform.
  std::optional<WaveformRun> finish() && {
    if (!rate_ || !scale_ || !samples_ || !allowed(waveform_, run_.rate)) return std::nullopt;
    if (!signs::is_run(run_.rate, run_.samples.size() / 2)) return std::nullopt;
    return std::move(run_);
  }

 private:
  static std::optional<Reason> once(bool& seen, bool good) {
    if (seen || !good) return Reason::bad_run;
    seen = true;
    return std::nullopt;
  }

  static bool read_part(const SenmlRecord& record, std::uint32_t& part) {
    const auto value = whole(record, 1);
    if (!value || *value > signs::kHighestRatePart) return false;
    part = static_cast<std::uint32_t>(*value);
    return true;
  }

  static bool read_number(const SenmlRecord& record, double& into) {
    const auto value = number(record);
    into = value.value_or(0);
    return value.has_value();
  }

  bool read_samples(const SenmlRecord& record) {
    const auto* bytes = std::get_if<coap::Bytes>(&record.value);
    if (!bytes || bytes->size() % 2 != 0) return false;
    run_.samples = *bytes;
    return true;
  }

  const signs::Waveform& waveform_;
  WaveformRun run_;
  bool rate_ = false, per_ = false, scale_ = false, off_ = false, samples_ = false;
};

}  // namespace

coap::Result<SignValue, Fault> read_sign(const SenmlRecord& record) {
  const signs::Sign* sign = signs::find(record.name);
  if (!sign) return Fault{Reason::unknown_sign, 1, "n", "is not a sign of the catalogue"};
  if (!record.unit.empty() && record.unit != sign->senml_unit)
    return Fault{Reason::unknown_unit, 1, "u", "is not the SenML unit of this sign (leaving it out will do)"};
  const auto value = number(record);
  if (!value) return Fault{Reason::bad_set, 1, "v", "must be there, and a number"};
  return SignValue{sign->id, *value, !signs::plausible(*sign, *value)};
}

std::optional<Fault> add_sign(SignValues& set, const SenmlRecord& record) {
  const auto sign = read_sign(record);
  if (!sign) return sign.error();
  for (const auto& earlier : set.values)
    if (earlier.sign == sign->sign) return Fault{Reason::bad_set, 1, "n", "stands twice in one set"};
  set.values.push_back(*sign);
  return std::nullopt;
}

coap::Result<Fact, Fault> read_set(SenmlSpan records) {
  Fact fact{Stream::vitals, 0, 0, SignValues{}};
  if (const auto fault = read_key(records, fact, Reason::bad_set)) return *fault;
  if (records.size() == 2) return Fault{Reason::bad_set, 2, "n", "must be followed by a sign"};
  auto& set = std::get<SignValues>(fact.body);
  set.values.reserve(records.size() - 2);
  for (std::size_t i = 2; i < records.size(); ++i)
    if (const auto fault = add_sign(set, records[i])) return behind(i, *fault);
  return fact;
}

coap::Result<AlarmFact, Fault> read_alarm_fields(SenmlSpan records) {
  AlarmReader reader;
  for (std::size_t i = 0; i < records.size(); ++i)
    if (const auto fault = reader.read(records[i])) return behind(i, *fault);
  return std::move(reader).finish();
}

coap::Result<Fact, Fault> read_alarm(SenmlSpan records) {
  Fact fact{Stream::alarms, 0, 0, AlarmFact{}};
  if (const auto fault = read_key(records, fact, Reason::bad_alarm)) return *fault;
  if (const auto fault = read_boot(records, fact)) return *fault;
  const std::size_t key = fact.boot != 0 ? 3 : 2;
  auto alarm = read_alarm_fields(records.subspan(key));
  if (!alarm) return behind(key, alarm.error());
  fact.body = std::move(*alarm);
  return fact;
}

coap::Result<Fact, Fault> read_run(SenmlSpan records, Stream stream) {
  Fact fact{stream, 0, 0, WaveformRun{}};
  if (const auto fault = read_key(records, fact, Reason::bad_run)) return *fault;
  RunReader reader(*signs::find_waveform(to_string(stream)));
  for (const auto& record : records.subspan(2))
    if (auto reason = reader.read(record)) return Fault{*reason};
  auto run = std::move(reader).finish();
  if (!run) return Fault{Reason::bad_run};
  fact.body = std::move(*run);
  return fact;
}

bool is_owed(const coap::senml::Record& record) { return record.name == "owed" && whole(record, 0).has_value(); }

std::optional<std::uint64_t> read_clock(const coap::senml::Record& record) {
  return record.name == "tk" ? whole(record, 0) : std::nullopt;
}

}  // namespace wardlink::ingest
