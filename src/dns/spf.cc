#include "dns/spf.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "net/networks.h"

namespace posthorn::dns {
namespace {

// What providers tell their customers to publish. A host's own name, or one below it.
struct Provider {
  std::string_view host;
  std::string_view term;
};
constexpr Provider kProviders[] = {
    {"sendgrid.net", "include:sendgrid.net"},
    {"mailgun.org", "include:mailgun.org"},
    {"amazonaws.com", "include:amazonses.com"},
    {"postmarkapp.com", "include:spf.mtasv.net"},
    {"brevo.com", "include:spf.brevo.com"},
    {"sendinblue.com", "include:spf.sendinblue.com"},
    {"mailjet.com", "include:spf.mailjet.com"},
    {"eu.sparkpostmail.com", "include:_spf.eu.sparkpostmail.com"},
    {"sparkpostmail.com", "include:_spf.sparkpostmail.com"},
    {"gmail.com", "include:_spf.google.com"},
    {"google.com", "include:_spf.google.com"},
    {"outlook.com", "include:spf.protection.outlook.com"},
    {"office365.com", "include:spf.protection.outlook.com"},
    {"mandrillapp.com", "include:spf.mandrillapp.com"},
    {"messagingengine.com", "include:spf.messagingengine.com"},
    {"fastmail.com", "include:spf.messagingengine.com"},
    {"smtp2go.com", "include:spf.smtp2go.com"},
    {"elasticemail.com", "include:_spf.elasticemail.com"},
    {"migadu.com", "include:spf.migadu.com"},
    {"ovh.net", "include:mx.ovh.com"},
};

bool is_of(std::string_view host, std::string_view provider) {
  return host == provider ||
         (host.ends_with(provider) && host[host.size() - provider.size() - 1] == '.');
}

std::vector<std::string> words_of(std::string_view record) {
  std::vector<std::string> words;
  while (true) {
    record.remove_prefix(std::min(record.find_first_not_of(' '), record.size()));
    if (record.empty()) return words;
    words.emplace_back(record.substr(0, record.find(' ')));
    record.remove_prefix(words.back().size());
  }
}

// The sign that stands before a mechanism (section 4.6.2), taken off; a modifier has none.
char take_sign(std::string& word) {
  if (word.empty() || std::string_view("+-~?").find(word.front()) == std::string_view::npos)
    return '+';
  const char sign = word.front();
  word.erase(0, 1);
  return sign;
}

bool is_literal_match(const SpfTerm& term, const std::vector<std::string>& here) {
  const auto network = net::Networks::parse({term.text.substr(4)});
  return network && std::ranges::any_of(here, [&](const std::string& address) {
           return network->contains(address);
         });
}

}  // namespace

bool is_spf(std::string_view text) {
  const std::string lower = to_lower(text);
  return lower == "v=spf1" || lower.starts_with("v=spf1 ");
}

std::string relay_term(const config::NextHop& relay) {
  const std::string host = to_lower(relay.host);
  if (host.empty()) return {};
  for (const Provider& provider : kProviders)
    if (is_of(host, provider.host)) return std::string(provider.term);
  if (!net::address_bytes(host).empty())
    return (host.find(':') == std::string::npos ? "ip4:" : "ip6:") + host;
  return (relay.use_mx ? "mx:" : "a:") + host;
}

std::string SpfTerm::target() const {
  const std::size_t at = text.find_first_of(":=");
  if (at == std::string::npos) return {};
  const bool is_network = text.starts_with("ip4") || text.starts_with("ip6");
  const std::string all = text.substr(at + 1);
  std::string target = is_network ? all : all.substr(0, all.find('/'));
  if (target.ends_with('.')) target.pop_back();
  return target;
}

std::vector<SpfTerm> spf_terms(const std::string& domain, std::string_view record) {
  std::vector<SpfTerm> terms;
  for (std::string& word : words_of(record)) {
    std::string text = to_lower(word);
    if (text == "v=spf1") continue;
    const char sign = take_sign(text);
    if (sign != '+') text.insert(text.begin(), sign);
    terms.push_back({domain, std::move(text)});
  }
  return terms;
}

bool costs_lookup(const SpfTerm& term) {
  std::string text = term.text;
  take_sign(text);
  const std::string name = text.substr(0, text.find_first_of(":=/"));
  for (const std::string_view one : {"include", "a", "mx", "ptr", "exists", "redirect"})
    if (name == one) return true;
  return false;
}

std::string merge_spf(std::string_view published, const std::vector<std::string>& terms) {
  std::vector<std::string> words = words_of(is_spf(published) ? published : "v=spf1 ~all");
  const auto is_there = [&](const std::string& term) {
    return std::ranges::any_of(words, [&](std::string word) {
      word = to_lower(word);
      return take_sign(word) == '+' && word == term;
    });
  };
  for (const std::string& term : terms) {
    if (is_there(term)) continue;
    // Behind "all" nothing is looked at, and a redirect counts only where nothing matched.
    const auto end = std::ranges::find_if(words, [](std::string word) {
      word = to_lower(word);
      take_sign(word);
      return word == "all" || word.starts_with("redirect=");
    });
    words.insert(end, term);
  }
  return fmt::format("{}", fmt::join(words, " "));
}

SpfCover covers(const SpfWalk& walk, const SpfSender& sender) {
  const auto has = [](const auto& all, const std::string& one) {
    return std::ranges::find(all, one) != all.end();
  };
  bool may_be = !walk.unknown.empty();
  for (const SpfTerm& term : walk.terms) {
    const std::string name = term.name();
    const std::string target = term.target().empty() ? term.domain : term.target();
    // Another's include: may hold an unknown relay's addresses, which nobody here knows.
    if (name == "exists" || name == "ptr" || target.find('%') != std::string::npos) may_be = true;
    if (!sender.relay.empty()) {
      if (term.text == sender.relay) return SpfCover::yes;
      if (!sender.relay.starts_with("include:") &&
          (name == "include" || name == "ip4" || name == "ip6"))
        may_be = true;
      continue;
    }
    if (name == "all") return SpfCover::yes;
    if (name == "mx" && has(sender.leads_by, target)) return SpfCover::yes;
    if (name == "a" && target == sender.host) return SpfCover::yes;
    if (name == "a" || name == "mx") may_be = may_be || target != term.domain;
    if ((name == "ip4" || name == "ip6") && is_literal_match(term, sender.here))
      return SpfCover::yes;
  }
  return may_be ? SpfCover::unknown : SpfCover::no;
}

}  // namespace posthorn::dns
