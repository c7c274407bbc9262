#include "acme/wanted.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

#include "base/ascii.h"
#include "net/own_addresses.h"
#include "net/socket.h"

namespace posthorn::acme {
namespace {

// What clients look for by themselves: RFC 8461 section 3.3, and the two of mail programs.
constexpr std::array<std::string_view, 3> kWebNames = {"mta-sts.", "autoconfig.", "autodiscover."};
// RFC 8555 has no bound; Let's Encrypt's is 100 names a certificate.
constexpr std::size_t kNamesMax = 100;

void add_once(std::vector<std::string>& names, std::string name) {
  if (names.size() < kNamesMax && std::ranges::find(names, name) == names.end())
    names.push_back(std::move(name));
}

std::vector<std::string> own_names(const Place& place) {
  std::vector<std::string> names;
  add_once(names, to_lower(place.hostname));
  for (const std::string& name : place.names) add_once(names, to_lower(name));
  std::erase_if(names, [](const std::string& name) { return !why_not(name).empty(); });
  return names;
}

enum class Leads { here, elsewhere, unknown };

Leads where(const std::string& name, const std::vector<std::string>& ours,
            const Addresses& addresses) {
  const auto at = addresses.find(name);
  if (at == addresses.end() || !at->second) return Leads::unknown;
  // All of them: the authority comes by whichever it likes.
  const bool is_here =
      !at->second->empty() && std::ranges::all_of(*at->second, [&](const std::string& address) {
        return std::ranges::find(ours, net::canonical_address(address)) != ours.end();
      });
  return is_here ? Leads::here : Leads::elsewhere;
}

}  // namespace

std::string why_not(const std::string& name) {
  if (name.find('.') == std::string::npos) return "it has no domain";
  if (net::check_literal(name)) return "it is an address";
  if (name.find('*') != std::string::npos) return "it is a pattern, which only the DNS can prove";
  const bool is_host = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (!is_host || name.starts_with('.') || name.ends_with('.') ||
      name.find("..") != std::string::npos || name.size() > 253)
    return "it is no host name";
  // RFC 6761, RFC 6762: of no public authority's business.
  for (const std::string_view end : {".local", ".localhost", ".invalid", ".internal", ".lan"})
    if (name.ends_with(end)) return fmt::format("names below {} are nobody's", end);
  return {};
}

std::vector<std::string> names_to_look_up(const Place& place) {
  std::vector<std::string> names;
  if (place.web_names == WebNames::none) return names;
  names.push_back(to_lower(place.hostname));
  for (const std::string& domain : place.domains)
    for (const std::string_view web : kWebNames)
      if (std::string name = to_lower(std::string(web) + domain); why_not(name).empty())
        names.push_back(std::move(name));
  return names;
}

std::vector<Wanted> find_wanted(const Place& place, const Addresses& addresses,
                                const std::vector<Wanted>& before) {
  std::vector<Wanted> wanted;
  const std::vector<std::string> own = own_names(place);
  if (!own.empty()) wanted.push_back({own.front(), own});
  if (place.web_names == WebNames::none) return wanted;
  std::vector<std::string> ours;
  for (const std::string& address : place.own_addresses)
    ours.push_back(net::canonical_address(address));
  if (const auto host = addresses.find(to_lower(place.hostname));
      host != addresses.end() && host->second)
    for (const std::string& address : *host->second)
      ours.push_back(net::canonical_address(address));
  for (const std::string& domain : place.domains) {
    std::vector<std::string> candidates;
    for (const std::string_view web : kWebNames)
      add_once(candidates, to_lower(std::string(web) + domain));
    // That of last time, by which its file is called.
    const auto last = std::ranges::find_if(before, [&](const Wanted& one) {
      return std::ranges::find(candidates, one.name) != candidates.end();
    });
    const auto had = [&](const std::string& name) {
      return last != before.end() && std::ranges::find(last->names, name) != last->names.end();
    };
    Wanted one;
    for (const std::string& name : candidates) {
      if (!why_not(name).empty() || std::ranges::find(own, name) != own.end()) continue;
      const Leads leads = where(name, ours, addresses);
      if (leads == Leads::here || (leads == Leads::unknown && had(name))) one.names.push_back(name);
    }
    if (one.names.empty()) continue;
    const bool keeps =
        last != before.end() && std::ranges::find(one.names, last->name) != one.names.end();
    one.name = keeps ? last->name : one.names.front();
    wanted.push_back(std::move(one));
  }
  return wanted;
}

}  // namespace posthorn::acme
