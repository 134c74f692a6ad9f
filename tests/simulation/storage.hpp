#pragma once
// The storage process: streams from ingest, each with storage's real conversation over the faulty database. It waits
// for the database as the real one does; it dies with all its streams.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "chance.hpp"
#include "clock.hpp"
#include "sometimes.hpp"
#include "storage/api/calendar_watch.hpp"
#include "store.hpp"
#include "trace.hpp"
#include "wardlink/v1/ingest.pb.h"

namespace wardlink::simulation {

/// One stream over a connection that delays each direction, in order, and may break.
class StorageStream;

class Storage {
 public:
  Storage(Clock& clock, Chance chance, Sometimes& sometimes, Trace& trace, Database& database);

  void die();
  void start();
  bool is_up() const { return up_; }
  void break_streams();

  /// nullptr: nobody listens. What the stream brings comes through `answer` until `lost`, which comes once at most.
  std::shared_ptr<StorageStream> open(std::function<void(const v1::IngestResponse&)> answer,
                                      std::function<void()> lost);

 private:
  friend class StorageStream;
  void look_at_calendar(unsigned life);

  Clock& clock_;
  Chance chance_;
  Sometimes& sometimes_;
  Trace& trace_;
  Database& database_;
  std::optional<storage::CalendarWatch> calendar_;  // of this life
  bool up_ = false;
  unsigned life_ = 0;
  std::vector<std::weak_ptr<StorageStream>> streams_;
};

class StorageStream : public std::enable_shared_from_this<StorageStream> {
 public:
  StorageStream(Storage& storage, std::function<void(const v1::IngestResponse&)> answer, std::function<void()> lost);
  ~StorageStream();

  /// How long it takes to write: until then nothing else is to be sent.
  coap::Duration send(v1::IngestRequest request);
  /// Ingest's end lets go: what has arrived at storage is still handled, nothing is answered.
  void abandon();
  /// The connection breaks, or storage dies: then what waits there is not handled.
  void lose(bool storage_died);

 private:
  struct End;  // at storage
  void handle();
  void try_first();
  void wait();
  void reply(v1::IngestResponse response);

  Storage& storage_;
  std::function<void(const v1::IngestResponse&)> answer_;
  std::function<void()> lost_;
  coap::Instant last_up_{}, last_down_{};
  std::shared_ptr<End> end_;
};

}  // namespace wardlink::simulation
