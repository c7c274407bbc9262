// Whether facts say what their message says, read with src/message; and whether facts that came from
// anywhere are such as a message can have.
#pragma once

#include <algorithm>
#include <ranges>
#include <string>

#include "message/address.h"
#include "message/headers.h"
#include "message/part.h"
#include "search/facts.h"

namespace posthorn::test {

inline bool is_same(const search::Address& facts, const message::Address& address) {
  return facts.name == address.name && facts.route == address.route &&
         facts.mailbox == address.mailbox && facts.host == address.host;
}

inline bool is_same(const search::HeaderFacts& facts, std::string_view block) {
  const message::Headers headers(block);
  auto at = facts.fields.begin();
  for (const message::Field& field : headers.fields()) {
    const auto name = search::find_field_name(field.name);
    if (!name) continue;
    if (at == facts.fields.end() || at->name != *name || at->value != message::unfold(field.value))
      return false;
    const auto addresses = search::has_addresses(*name) ? message::parse_addresses(at->value)
                                                        : std::vector<message::Address>();
    // So many of one name are kept.
    const bool is_cut = at->addresses.empty() && facts.fields.size() > 1;
    if (!is_cut && !std::ranges::equal(at->addresses, addresses,
                                       [](const auto& a, const auto& b) { return is_same(a, b); }))
      return false;
    if (is_cut && !addresses.empty()) {
      std::size_t before = 0;
      for (auto it = facts.fields.begin(); it != at; ++it)
        if (it->name == *name) before += it->addresses.size();
      if (before < message::kAddressesMax) return false;
    }
    ++at;
  }
  return at == facts.fields.end();
}

inline bool is_same(const search::Parameters& facts, const message::Parameters& parameters) {
  return std::ranges::equal(facts, parameters, [](const auto& a, const auto& b) {
    return a.first == b.first && a.second == b.second;
  });
}

inline bool is_same(const search::PartFacts& facts, const message::Part& part,
                    std::string_view text) {
  const bool is_alike =
      facts.type == part.type && facts.subtype == part.subtype && facts.encoding == part.encoding &&
      is_same(facts.parameters, part.parameters) && facts.id == part.id &&
      facts.description == part.description && facts.md5 == part.md5 &&
      facts.location == part.location && facts.disposition == part.disposition &&
      is_same(facts.disposition_parameters, part.disposition_parameters) &&
      std::ranges::equal(facts.languages, part.languages) &&
      facts.header_begin == part.header_begin && facts.body_begin == part.body_begin &&
      facts.body_end == part.body_end && facts.lines == part.lines &&
      facts.is_message() == part.is_message() && facts.is_multipart() == part.is_multipart() &&
      facts.children.size() == part.children.size();
  if (!is_alike) return false;
  if (part.is_message()) {
    const message::Part& inner = part.children.front();
    if (!is_same(facts.inner,
                 text.substr(inner.header_begin, inner.body_begin - inner.header_begin)))
      return false;
  }
  for (std::size_t i = 0; i < part.children.size(); ++i)
    if (!is_same(facts.children[i], part.children[i], text)) return false;
  return true;
}

// Every part lies inside the one that holds it, one behind the other; what has parts may have some.
inline bool is_possible(const search::PartFacts& part, std::uint64_t begin, std::uint64_t end) {
  if (part.header_begin < begin || part.body_begin < part.header_begin ||
      part.body_end < part.body_begin || part.body_end > end)
    return false;
  if (!part.children.empty() && !part.is_multipart() && !part.is_message()) return false;
  if (part.is_message() && part.children.size() != 1) return false;
  std::uint64_t at = part.body_begin;
  for (const search::PartFacts& child : part.children) {
    if (!is_possible(child, at, part.body_end)) return false;
    at = child.body_end;
  }
  return true;
}

}  // namespace posthorn::test
