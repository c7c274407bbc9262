#include "route/inquiry.h"

#include <fmt/format.h>

namespace posthorn::route {
namespace {

using maps::TableSet;

struct Named {
  Inquiry::List list;
  std::string_view name;  // as its file is called
};
constexpr Named kTables[] = {
    {&TableSet::domains, "domains"},       {&TableSet::mailboxes, "mailboxes"},
    {&TableSet::aliases, "aliases"},       {&TableSet::senders, "senders"},
    {&TableSet::transport, "transport"},   {&TableSet::sender_relays, "sender-relays"},
    {&TableSet::relay_sasl, "relay-sasl"}, {&TableSet::vusers, "vusers"},
};

std::string_view name_of(Inquiry::List list) {
  for (const Named& table : kTables)
    if (table.list == list) return table.name;
  return "tables";
}

// "user:password" without the password, whatever form it has.
std::string without_secret(std::string_view value) {
  const std::size_t colon = value.find(':');
  return colon == std::string_view::npos ? "(hidden)"
                                         : fmt::format("{}:(hidden)", value.substr(0, colon));
}

}  // namespace

void Inquiry::tell(List list, const std::string& key, const Result<maps::Found>& found) {
  const std::string table(name_of(list));
  if (!found) {
    told_->add({Decision::unasked,
                fmt::format("{} cannot be asked for {}: {}", table, key, found.error().what),
                ((*tables_).*list).names(), table, key});
    return;
  }
  if (!found->value) {
    told_->add({Decision::lookup, fmt::format("{} is not in {}", key, table),
                ((*tables_).*list).names(), table, key});
    return;
  }
  const std::string value =
      list == &TableSet::relay_sasl ? without_secret(*found->value) : *found->value;
  const std::string_view age =
      found->freshness == maps::Freshness::old ? " (as PostgreSQL said before it was lost)" : "";
  told_->add({Decision::lookup, fmt::format("{} is in {}: {}{}", key, table, value, age),
              found->place.text(), table, key, value});
}

// Which they are decides what a bare name means: the entries of the first two show whether there
// is one, or several. They are looked up for who reads, and their freshness is not the answer's.
net::Task<std::vector<std::string>> Inquiry::local_domains() {
  std::vector<std::string> names = tables_->local_domains();
  if (told_ == nullptr) co_return names;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 2); ++i)
    tell(&TableSet::domains, names[i], co_await tables_->domains.find(names[i]));
  co_return names;
}

}  // namespace posthorn::route
