// wardlink waveform: samples of one waveform of one patient or device, drawn, or for programs.

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "client/commands.hpp"
#include "client/json.hpp"
#include "client/references.hpp"
#include "client/session.hpp"
#include "client/time_option.hpp"
#include "client/verb.hpp"
#include "client/waveform_samples.hpp"
#include "client/waveform_strip.hpp"
#include "wardlink/v1/vitals.grpc.pb.h"

namespace wardlink::command_line {
namespace {

struct WaveformArguments {
  std::string parent, waveform, from, to, format = "text";
  double seconds = 0;       // 0 = not given, which means 10
  std::uint64_t width = 0;  // characters; 0 = the terminal's
};

google::protobuf::Duration duration_of(double seconds) {
  const auto micros = std::llround(seconds * 1e6);
  google::protobuf::Duration duration;
  duration.set_seconds(micros / 1'000'000);
  duration.set_nanos(static_cast<std::int32_t>(micros % 1'000'000 * 1000));
  return duration;
}

template <class Take>
std::uint64_t for_each_run(Session& session, const std::optional<v1::GetWaveformRequest>& request, Take take) {
  if (!request) return 0;
  const auto stub = v1::VitalsService::NewStub(session.connection.channel());
  std::uint64_t count = 0;
  session.connection.stream(*stub, &v1::VitalsService::Stub::GetWaveform, *request, [&](const v1::WaveformRun& run) {
    take(run);
    ++count;
  });
  return count;
}

/// Behind the newest sample there is; empty where there is none.
std::optional<Instant> find_end(Session& session, v1::GetWaveformRequest request) {
  *request.mutable_last() = duration_of(0.001);
  std::optional<Instant> end;
  for_each_run(session, request, [&](const v1::WaveformRun& run) {
    const auto behind = instant_of(run, run.samples_size());
    if (!end || behind > *end) end = behind;
  });
  return end;
}

/// --from with --to or --seconds; else --seconds before --to, or before the newest sample. Empty: there is none.
std::optional<v1::GetWaveformRequest> request_of(Session& session, const WaveformArguments& arguments) {
  if (!arguments.from.empty() && !arguments.to.empty() && arguments.seconds > 0) {
    throw Failure{exit_usage, "Give two of --from, --to and --seconds: the third follows."};
  }
  v1::GetWaveformRequest request;
  request.set_waveform(arguments.waveform);
  apply_time("--from", arguments.from, session.now, [&](auto time) { *request.mutable_start_time() = time; });
  apply_time("--to", arguments.to, session.now, [&](auto time) { *request.mutable_end_time() = time; });
  request.set_parent(parent_name(session, arguments.parent));
  const std::chrono::microseconds length(std::llround((arguments.seconds > 0 ? arguments.seconds : 10) * 1e6));
  if (request.has_start_time()) {
    if (arguments.seconds > 0) *request.mutable_end_time() = to_proto(from_proto(request.start_time()) + length);
    return request;
  }
  const auto end = request.has_end_time() ? std::optional(from_proto(request.end_time())) : find_end(session, request);
  if (!end) return std::nullopt;
  *request.mutable_start_time() = to_proto(*end - length);
  *request.mutable_end_time() = to_proto(*end);
  return request;
}

/// A run may reach out of the span that was asked for.
struct Span {
  std::optional<Instant> from, to;

  explicit Span(const std::optional<v1::GetWaveformRequest>& request) {
    if (request && request->has_start_time()) from = from_proto(request->start_time());
    if (request && request->has_end_time()) to = from_proto(request->end_time());
  }
  bool holds(Instant at) const { return (!from || at >= *from) && (!to || at < *to); }
};

// -- for programs -----------------------------------------------------------------------------------------------------

/// A line a sample; a value that was not measured is blank.
class CsvWriter {
 public:
  CsvWriter(Session& session, const std::string& waveform, Span span) : session_(session), span_(span) {
    session.out << "time,device,boot,sequence," << waveform << '\n';
  }

  void take(const v1::WaveformRun& run) {
    const std::string key =
        "," + device_urn(run.device()) + "," + std::to_string(run.boot()) + "," + std::to_string(run.sequence()) + ",";
    const int decimals = decimals_of(run);
    for (int i = 0; i < run.samples_size(); ++i) {
      const auto at = instant_of(run, i);
      if (!span_.holds(at)) continue;
      const auto value = value_of(run, i);
      session_.out << to_text(at, session_.zone, 6) << key << (value ? decimal_text(*value, decimals) : "") << '\n';
    }
  }

 private:
  Session& session_;
  Span span_;
};

// -- for people -------------------------------------------------------------------------------------------------------

/// One device's samples, as they come.
class Trace {
 public:
  explicit Trace(const v1::WaveformRun& first) : first_(first) {}

  bool takes(const v1::WaveformRun& run) const { return run.device() == first_.device(); }

  void take(const v1::WaveformRun& run, const Span& span) {
    if (boot_ == run.boot() && run.sequence() > sequence_ + 1) lost_ += run.sequence() - sequence_ - 1;
    boot_ = run.boot();
    sequence_ = run.sequence();
    for (int i = 0; i < run.samples_size(); ++i) {
      const auto at = instant_of(run, i);
      if (!span.holds(at)) continue;
      const auto value = value_of(run, i);
      if (value) samples_.emplace_back(at, *value);
      missing_ += value ? 0 : 1;
    }
  }

  void print(Session& session, std::size_t width) const {
    auto& out = session.out;
    out << first_.waveform() << " [" << first_.unit() << "]  " << device_urn(first_.device()) << "  "
        << first_.rate_samples();
    if (first_.rate_seconds() != 1) out << "/" << first_.rate_seconds();
    out << " a second\n";
    if (samples_.empty()) {
      out << "nothing was measured\n";
      return;
    }
    for (const auto& line : draw_strip(scaled(), width, strip_height)) out << line << '\n';
    out << "from " << to_text(samples_.front().first, session.zone, 3) << " to "
        << to_text(samples_.back().first, session.zone, 3) << ": " << samples_.size() << " samples, " << missing_
        << " missing, " << lost_ << " runs lost\n";
  }

 private:
  static constexpr std::size_t strip_height = 16;

  std::vector<StripSample> scaled() const {
    const auto from = samples_.front().first;
    const auto length = std::max<double>(1, static_cast<double>((samples_.back().first - from).count()));
    std::vector<StripSample> all;
    all.reserve(samples_.size());
    for (const auto& [at, value] : samples_) all.push_back({static_cast<double>((at - from).count()) / length, value});
    return all;
  }

  v1::WaveformRun first_;
  std::vector<std::pair<Instant, double>> samples_;
  std::uint64_t boot_ = 0, sequence_ = 0, lost_ = 0, missing_ = 0;
};

class Strips {
 public:
  explicit Strips(Span span) : span_(span) {}

  void take(const v1::WaveformRun& run) {
    auto trace = std::find_if(traces_.begin(), traces_.end(), [&](const Trace& one) { return one.takes(run); });
    if (trace == traces_.end()) trace = traces_.emplace(traces_.end(), run);
    trace->take(run, span_);
  }

  void print(Session& session, std::size_t width) const {
    for (const auto& trace : traces_) {
      if (&trace != &traces_.front()) session.out << '\n';
      trace.print(session, width);
    }
  }

 private:
  Span span_;
  std::vector<Trace> traces_;
};

// ---------------------------------------------------------------------------------------------------------------------

std::uint64_t print_in_format(Session& session, const WaveformArguments& arguments,
                              const std::optional<v1::GetWaveformRequest>& request) {
  if (session.json || arguments.format == "json") {
    JsonList list(session.out, "runs");
    const auto count = for_each_run(session, request, [&](const auto& run) { list.add(run); });
    list.close();
    return count;
  }
  if (arguments.format == "csv") {
    CsvWriter csv(session, arguments.waveform, Span(request));
    return for_each_run(session, request, [&](const auto& run) { csv.take(run); });
  }
  Strips strips{Span(request)};
  const auto count = for_each_run(session, request, [&](const auto& run) { strips.take(run); });
  strips.print(session, arguments.width != 0 ? arguments.width : terminal_width());
  return count;
}

int show_waveform(Session& session, const WaveformArguments& arguments) {
  if (print_in_format(session, arguments, request_of(session, arguments)) > 0) return exit_ok;
  if (!session.json && arguments.format == "text") {
    session.err << "wardlink: There are no samples of it in that time.\n";
  }
  return exit_nothing;
}

}  // namespace

void add_waveform(CLI::App& app, Command& chosen) {
  Verb verb(app, "waveform", "samples of a waveform: a strip for people, CSV or JSON for programs");
  auto arguments = std::make_shared<WaveformArguments>();
  verb.add("WHO", arguments->parent, "PATIENT (what was measured while the patient wore a device) or DEVICE",
           {.required = true});
  verb.add("WAVEFORM", arguments->waveform, "ecg, ppg or resp", {.required = true});
  verb.add("--seconds", arguments->seconds,
           "so many, from --from on, or before --to or the newest sample (default: 10)",
           {.least = 0.001, .most = 86'400}, {.type = "S"});
  verb.add("--from", arguments->from, "measured then or later", {.type = "TIME"});
  verb.add("--to", arguments->to, "measured before then", {.type = "TIME"});
  verb.add("--format", arguments->format,
           "text: a strip; csv: a line a sample, time,device,boot,sequence,value; json: the runs as protobuf's JSON",
           {.type = "FORMAT", .shows_default = true, .one_of = {"text", "csv", "json"}});
  verb.add("--width", arguments->width, "of the strip in characters (default: the terminal's)",
           {.least = 20, .most = 10'000}, {.type = "N"});
  verb.runs(chosen, [arguments](Session& session) { return show_waveform(session, *arguments); });
}

}  // namespace wardlink::command_line
