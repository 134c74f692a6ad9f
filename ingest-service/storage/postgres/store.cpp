#include <libpq-fe.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "storage/postgres/link/unknown_numbers.hpp"
#include "storage/postgres/schema/migrations.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/postgres/write/writer.hpp"

namespace wardlink::storage {

bool PostgresStore::is_connection(const std::string& text) {
  char* why = nullptr;  // may repeat a password
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(text.c_str(), &why),
                                                                             &PQconninfoFree);
  PQfreemem(why);
  return options != nullptr;
}

PostgresStore::PostgresStore(Config config) : impl_(std::make_unique<Impl>(config)) {
  if (!impl_->keeps_schema) {
    // On the connection that the first question takes: this process may be started again and again.
    impl_->pool.transact([](pqxx::work& tx) { return postgres::expect_schema(tx), true; }, postgres::Urgency::first);
  } else {
    const auto connection = impl_->database.open();
    postgres::translated([&] {
      {
        pqxx::nontransaction tx(*connection);
        if (const auto why = postgres::obstacle(tx); !why.empty()) throw StoreUnfit(why);
      }
      postgres::migrate(*connection);
      if (const auto names = postgres::names_out_of_use(*connection); !names.empty()) spdlog::warn(names);
      impl_->partitions.ensure(*connection);
    });
  }
  epoch();  // before the first row of ours
}

PostgresStore::~PostgresStore() = default;

void PostgresStore::maintain() {
  const auto connection = impl_->database.open();
  postgres::translated([&] { impl_->partitions.ensure(*connection); });
}

void PostgresStore::probe() {
  const bool writes = impl_->pool.transact(
      [](pqxx::work& tx) { return tx.exec1("SELECT current_setting('transaction_read_only') = 'off'")[0].as<bool>(); },
      postgres::Urgency::first);
  if (!writes) throw StoreError(StoreError::Kind::away, "the database is away: it is read-only");
}

void PostgresStore::watch_durability() {
  auto& durability = impl_->database.durability();
  const auto why = impl_->pool.transact([&](pqxx::work& tx) { return durability.watch(tx); }, postgres::Urgency::first);
  // A few seconds of it at most: whoever calls has other things to look after.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  for (auto part = durability.unlisted(); part && std::chrono::steady_clock::now() < until;
       part = durability.unlisted()) {
    impl_->pool.transact(
        [&](pqxx::work& tx) {
          postgres::Durability::list(tx, *part);
          return true;
        },
        postgres::Urgency::first);
    durability.listed(*part);
  }
  if (!why.empty()) throw StoreUnfit(why);
}

std::uint64_t PostgresStore::unknown_numbers() { return postgres::unknown_numbers(); }

std::uint64_t PostgresStore::clock_jumps() const { return impl_->clock_jumps; }

std::unique_ptr<RecordWriter> PostgresStore::open_writer() {
  return std::make_unique<postgres::Writer>(impl_->database, impl_->partitions, impl_->bell, impl_->clock_jumps);
}

}  // namespace wardlink::storage
