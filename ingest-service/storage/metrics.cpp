#include "storage/metrics.hpp"

#include "daemon/metrics_port.hpp"

namespace wardlink::storage {
namespace {

using daemon::MetricFamilies;

void add_records(MetricFamilies& to, const Tallies::Counts& counts) {
  to.counter("records", "Records from ingest by what became of them; quarantined = kept raw, for a person to look at");
  for (std::size_t stream = 0; stream < Tallies::streams.size(); ++stream)
    for (std::size_t result = 0; result < Tallies::results.size(); ++result)
      to.sample(counts.records[stream][result],
                {{"stream", Tallies::streams[stream]}, {"result", Tallies::results[result]}});
  to.counter("batches", "Batches of records from ingest that were committed").sample(counts.batches);
  to.counter("commit_failures", "Tries that the database did not commit; the batch waits and is tried again")
      .sample(counts.commit_failures);
  to.histogram("commit", "From a batch's arrival to its COMMIT, waiting for the database included", counts.commit);
}

void add_streams(MetricFamilies& to, const Tallies::Counts& counts) {
  to.gauge("ingest_streams", "Streams from ingest that stand: two for each of its shards")
      .sample(counts.ingest_streams_now);
  to.counter("ingest_streams_opened", "Streams that ingest opened").sample(counts.ingest_streams);
  to.counter("ingest_streams_refused", "Streams from ingest beyond --max-ingest-streams")
      .sample(counts.ingest_streams_refused);
  to.gauge("watchers", "Live streams to clients that stand").sample(counts.watchers_now);
  to.counter("watches", "Live streams that clients opened").sample(counts.watches);
  to.counter("watchers_dropped", "Live streams that ended because their client read too slowly")
      .sample(counts.watchers_dropped);
}

void add_access(MetricFamilies& to, const Server::Stats& stats) {
  to.counter("calls_refused",
             "Calls that did not begin, by reason: grants = PERMISSION_DENIED, rate = too many a second, "
             "at-once = too many of one subject, or of all, in progress")
      .sample(stats.calls_refused, {{"reason", "grants"}})
      .sample(stats.calls_rationed, {{"reason", "rate"}})
      .sample(stats.calls_crowded_out, {{"reason", "at-once"}});
  to.gauge("connections", "TCP connections that stand").sample(stats.connections.open);
  to.counter("connections_taken", "TCP connections accepted").sample(stats.connections.taken);
  to.counter("connections_refused", "TCP connections beyond --max-connections or --max-connections-per-host")
      .sample(stats.connections.refused);
  to.gauge("serving", "1 while the database answers and its commits last, as the health service says")
      .sample(stats.serving ? 1 : 0);
  to.counter("calendar_steps", "Times that the database's calendar was set, of which this process was the first to see")
      .sample(stats.calendar_steps);
  to.gauge("certificate_generations", "Sets of certificates under which somebody is connected; SIGHUP adds one")
      .sample(stats.generations);
}

}  // namespace

std::vector<prometheus::MetricFamily> metrics(const Server::Stats& stats, std::uint64_t unknown_numbers,
                                              std::uint64_t clock_jumps) {
  MetricFamilies all("wardlink_storage_");
  add_records(all, stats.counts);
  add_streams(all, stats.counts);
  add_access(all, stats);
  all.counter("unknown_numbers",
              "Numbers in stored rows that only a newer version knows: shown as unknown; the log names them")
      .sample(unknown_numbers);
  all.counter("clock_jumps",
              "Records that claimed to be measured after they were received: stored at their reception, and flagged")
      .sample(clock_jumps);
  return std::move(all).take();
}

}  // namespace wardlink::storage
