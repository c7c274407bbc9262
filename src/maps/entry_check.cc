#include "maps/entry_check.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "config/next_hop.h"
#include "maps/text_lines.h"

namespace posthorn::maps {
namespace {

constexpr std::string_view kSmtp = "smtp:";

// Of "smtp:[host]:port" and "[host]:port"; empty: by MX.
std::string_view hop_of(std::string_view value) {
  if (value.starts_with(kSmtp)) value.remove_prefix(kSmtp.size());
  return value == ":" ? std::string_view() : value;
}

bool is_hop(std::string_view text) {
  return text.find_first_of(" \t/") == std::string_view::npos &&
         config::parse_next_hop(text).has_value();
}

config::Finding doubt(std::string reason, std::string remedy) {
  return {"", std::move(reason), std::move(remedy), config::Weight::warning};
}

std::optional<config::Finding> find_round(const config::Config& config, std::string_view value) {
  const auto hop = config::parse_next_hop(hop_of(value));
  if (!hop || !config::is_own_entrance(config, *hop)) return std::nullopt;
  return doubt(fmt::format("{} is this server itself: mail would go round until it is refused",
                           hop_of(value)),
               "name another host");
}

// transport(5): the domain alone, or ".domain" for all below it.
std::optional<config::Finding> find_transport_doubt(const config::Config& config,
                                                    const Entry& entry) {
  const std::string_view key = entry.key;
  if (key.starts_with('@'))
    return doubt(fmt::format("{} is never asked for: a transport is found by the domain", key),
                 fmt::format("write {}", key.substr(1)));
  if (key.starts_with("*."))
    return doubt(fmt::format("{} is never asked for: no pattern stands here", key),
                 fmt::format("write {} for all below the domain", key.substr(1)));
  if (entry.value.starts_with(kSmtp)) return find_round(config, entry.value);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_entry_fault(Question question, const Entry& entry) {
  const std::string& value = entry.value;
  switch (question) {
    case Question::transport:
      if (value.starts_with("error:") || value == ":" || value == kSmtp) return std::nullopt;
      if (value.starts_with(kSmtp) && is_hop(hop_of(value))) return std::nullopt;
      return fmt::format("\"{}\" is no transport (known: smtp: error:); write smtp:[host]:port",
                         value);
    case Question::sender_relays:
      if (entry.key.find('@') != std::string::npos &&
          (equals_ignoring_case(value, "DUNNO") || hop_of(value).empty() || is_hop(hop_of(value))))
        return std::nullopt;
      return "the form is an address or @domain, and [host]:port";
    case Question::relay_sasl:
      if (value.find(':') != std::string::npos) return std::nullopt;
      return fmt::format("the value of {} is user:password", entry.key);
    default:
      return std::nullopt;
  }
}

std::optional<config::Finding> find_entry_doubt(const config::Config& config, Question question,
                                                const Entry& entry) {
  switch (question) {
    case Question::transport:
      return find_transport_doubt(config, entry);
    case Question::sender_relays:
      return find_round(config, entry.value);
    case Question::relay_sasl:
      if (entry.value.starts_with(':') || entry.value.ends_with(':'))
        return doubt(fmt::format("the login of {} has no {}", entry.key,
                                 entry.value.starts_with(':') ? "user" : "password"),
                     "the form is user:password");
      return std::nullopt;
    case Question::senders:
      if (entry.key.find('@') != std::string::npos) return std::nullopt;
      return doubt(fmt::format("{} is never asked for: it has no domain", entry.key),
                   "write NAME@DOMAIN, or @DOMAIN for all of it");
    default:
      return std::nullopt;
  }
}

}  // namespace posthorn::maps
