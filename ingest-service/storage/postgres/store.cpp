#include "storage/postgres/migrations.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/postgres/writer.hpp"

namespace wardlink::storage {

PostgresStore::PostgresStore(Config config) : impl_(std::make_unique<Impl>(config)) {
  const auto connection = impl_->database.open();
  postgres::translated([&] {
    postgres::migrate(*connection);
    impl_->partitions.ensure(*connection, postgres::now(), postgres::now());
  });
}

PostgresStore::~PostgresStore() = default;

void PostgresStore::maintain() {
  const auto connection = impl_->database.open();
  postgres::translated([&] { impl_->partitions.ensure(*connection, postgres::now(), postgres::now()); });
}

void PostgresStore::probe() {
  impl_->pool.transact([](pqxx::work& tx) { return tx.exec1("SELECT 1").size(); });
}

std::unique_ptr<RecordWriter> PostgresStore::open_writer() {
  return std::make_unique<postgres::Writer>(impl_->database, impl_->partitions);
}

}  // namespace wardlink::storage
