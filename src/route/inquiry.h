// Inquiry: one question about an address, from the first of its lookups to the last: the set of
// tables that all of them are made in, and how fresh the answers are that it rests on.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "maps/table_set.h"

namespace posthorn::route {

class Inquiry {
 public:
  using List = maps::TableList maps::TableSet::*;

  explicit Inquiry(std::shared_ptr<const maps::TableSet> tables) : tables_(std::move(tables)) {}
  const maps::TableSet& tables() const { return *tables_; }
  net::Task<std::optional<std::string>> find(List list, std::string key) {
    return note(((*tables_).*list).find(std::move(key)));
  }
  // Of a part of an address.
  net::Task<std::optional<std::string>> find_part(List list, std::string key) {
    return note(((*tables_).*list).find_part(std::move(key)));
  }
  // Of the oldest answer so far.
  maps::Freshness freshness() const { return freshness_; }

 private:
  net::Task<std::optional<std::string>> note(net::Task<maps::Found> asked) {
    CO_TRY(auto found, co_await std::move(asked));
    freshness_ = std::max(freshness_, found.freshness);
    co_return std::move(found.value);
  }

  std::shared_ptr<const maps::TableSet> tables_;
  maps::Freshness freshness_ = maps::Freshness::current;
};

}  // namespace posthorn::route
