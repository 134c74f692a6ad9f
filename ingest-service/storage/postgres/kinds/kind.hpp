#pragma once
// A kind of record: its table and what a record's body says in each column. The statements that write and find its rows
// are made of that. A new kind is a file like alarms.cpp, its name here and in kind.cpp, and its table.

#include <pqxx/pqxx>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/port/record.hpp"
#include "storage/postgres/link/columns.hpp"

namespace wardlink::storage::postgres {

/// A record on its way into its table.
struct RecordRow {
  const Record* record;
  bool late = false;  // its stream holds a higher sequence
};

/// device_id, boot_id, stream, sequence: what the tables of all kinds begin with.
const Columns<RecordRow>& key_columns();

using Body = decltype(Record::body);

/// A column that no other kind has, both ways.
struct BodyColumn {
  std::string_view name, type;
  void (*put)(ArrayText&, const RecordRow&);
  void (*get)(const pqxx::field&, Body&);  // nullptr: it is not read back
};

/// The column of a member of a body.
template <auto member, typename Kept = Type<typename MemberPointer<decltype(member)>::Value>>
BodyColumn body_column(std::string_view name) {
  using Owner = typename MemberPointer<decltype(member)>::Owner;
  return {name, Kept::sql,
          [](ArrayText& array, const RecordRow& row) { Kept::put(array, std::get<Owner>(row.record->body).*member); },
          [](const pqxx::field& field, Body& body) { std::get<Owner>(body).*member = Kept::get(field); }};
}

class RecordKind {
 public:
  /// `empty` is a body of the kind. `finder` is the schema's function that finds rows by arrays of their keys; nullptr:
  /// the key is the table's primary key.
  RecordKind(const std::string& table, const char* finder, Body empty, std::vector<BodyColumn> columns);

  /// Of rows that are not there yet. One row of keys for each that was inserted.
  const Columns<RecordRow>& columns() const { return columns_; }
  const Statement& insert() const { return insert_; }
  /// $1 to $4 are key_columns(). One row for each that is stored: its key, then what read_stored() reads.
  const Statement& find() const { return find_; }
  /// Tick and body.
  Record read_stored(const pqxx::row& row) const;

  /// The body's columns of the table's row x.
  const std::string& body_fields() const { return body_fields_; }
  /// The row's columns from `first` on are body_fields().
  Body read_body(const pqxx::row& row, pqxx::row::size_type first) const;

 private:
  const Body empty_;
  const std::vector<BodyColumn> body_;  // those that are read back
  const std::string body_fields_;
  const Columns<RecordRow> columns_;
  const Statement insert_, find_;
};

const RecordKind& alarms();
const RecordKind& sets();
const RecordKind& runs();

/// In the order in which a batch writes them.
std::span<const RecordKind* const> record_kinds();

/// Throws std::logic_error for an Unusable, which no table of records takes.
const RecordKind& kind_of(const Record& record);

}  // namespace wardlink::storage::postgres
