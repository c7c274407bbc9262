// Inquiry: one question about an address, from the first of its lookups to the last: the set of
// tables that all of them are made in, how fresh the answers are that it rests on, and, if somebody
// wants to know, what was found and decided on the way. Without a recorder that costs a test for
// null.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "maps/table_set.h"
#include "route/explanation.h"

namespace posthorn::route {

class Inquiry {
 public:
  using List = maps::TableList maps::TableSet::*;

  // told: where the steps are written; nullptr: nowhere.
  explicit Inquiry(std::shared_ptr<const maps::TableSet> tables, Explanation* told = nullptr)
      : tables_(std::move(tables)), told_(told) {}
  const maps::TableSet& tables() const { return *tables_; }
  net::Task<maps::Found> find(List list, std::string key) {
    std::string kept = told_ != nullptr ? key : std::string();
    auto asked = ((*tables_).*list).find(std::move(key));
    return note(list, std::move(kept), std::move(asked));
  }
  // Of a part of an address.
  net::Task<maps::Found> find_part(List list, std::string key) {
    std::string kept = told_ != nullptr ? key : std::string();
    auto asked = ((*tables_).*list).find_part(std::move(key));
    return note(list, std::move(kept), std::move(asked));
  }
  // The first key of one of the tables of mailboxes.
  net::Task<maps::Found> find_first(const maps::Table& table) {
    return note(&maps::TableSet::mailboxes, "(the first)", table.find_first());
  }
  // Those that can be listed, as the set has them.
  net::Task<std::vector<std::string>> local_domains();
  // Of the oldest answer so far.
  maps::Freshness freshness() const { return freshness_; }

  // text: what makes the sentence, if anybody reads it.
  template <class MakeText>
  void decide(Decision decision, const MakeText& text, const Basis& basis = {}) {
    if (told_ != nullptr) told_->add({decision, text(), basis.text()});
  }

 private:
  net::Task<maps::Found> note(List list, std::string key, net::Task<maps::Found> asked) {
    auto found = co_await std::move(asked);
    if (told_ != nullptr) tell(list, key, found);
    if (found) freshness_ = std::max(freshness_, found->freshness);
    co_return found;
  }
  void tell(List list, const std::string& key, const Result<maps::Found>& found);

  std::shared_ptr<const maps::TableSet> tables_;
  Explanation* told_;
  maps::Freshness freshness_ = maps::Freshness::current;
};

}  // namespace posthorn::route
