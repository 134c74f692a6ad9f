#pragma once
// Pages of what is in order.

#include <algorithm>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::memory {

/// The first rows, with the place of the last one where there are more. `rows` are in order, behind the page before.
template <typename Row, typename Place>
Page<Row, Place> first_page(std::vector<Row> rows, std::size_t limit, Place (*place_of)(const Row&)) {
  Page<Row, Place> page;
  const bool more = rows.size() > limit;
  if (more) rows.resize(limit);
  static_cast<std::vector<Row>&>(page) = std::move(rows);
  if (more && !page.empty()) page.next = place_of(page.back());
  return page;
}

}  // namespace wardlink::storage::memory
