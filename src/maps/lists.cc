#include "maps/lists.h"

#include <fmt/format.h>

namespace posthorn::maps {
namespace {

constexpr auto kLookupWait = 15s;

}  // namespace

net::Task<net::Message> answer_listed(std::shared_ptr<const TableSet> set, std::string delimiter,
                                      net::Message request) {
  const auto list = set->lists.find(std::string(request.get("list")));
  if (list == set->lists.end())
    co_return fail(ErrorKind::permanent, "no such list in [sieve.lists]");
  const AddressKeys keys = keys_of(request.get("value"), delimiter);
  CO_TRY(auto found, co_await list->second.find(keys.full));
  if (!found.value && keys.untagged != keys.full) {
    CO_TRY(found, co_await list->second.find_part(keys.untagged));
  }
  if (!found.value && !keys.domain.empty()) {
    CO_TRY(found, co_await list->second.find_part(keys.domain));
  }
  co_return net::Message(found.value ? "yes" : "no");
}

net::Task<bool> ask_listed(net::LineChannel& lookup, std::string list, std::string value) {
  CO_TRY(const net::Message answer,
         co_await lookup.ask(net::Message("listed").add("list", list).add("value", value),
                             kLookupWait));
  if (answer.verb == "yes" || answer.verb == "no") co_return answer.verb == "yes";
  co_return fail(ErrorKind::temporary, fmt::format("lookup: {}", answer.get("error")));
}

}  // namespace posthorn::maps
