// environment (RFC 5183) and vnd.dovecot.environment: where and by whom a script is run. What a
// host knows (remote-ip, phase, RFC 6785's imap.*) its World answers; the rest is the same
// everywhere.
#include <algorithm>
#include <string>

#include "base/ascii.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

constexpr std::string_view kVendor = "vnd.dovecot.";

std::optional<std::string> item(Run& run, std::string_view name) {
  const std::string lower = to_lower(name);
  const bool is_vendors = lower.starts_with(kVendor);
  if (is_vendors && !run.program()->requires_extension("vnd.dovecot.environment"))
    return std::nullopt;
  if (auto known = run.world().environment(lower)) return known;
  const std::string& host = run.settings().host;
  if (lower == "name") return "Posthorn Sieve";
  if (lower == "version") return POSTHORN_VERSION;
  if (lower == "location") return "MDA";
  if (lower == "phase") return "during";
  if (lower == "host") return host;
  if (lower == "domain")
    return host.find('.') == std::string::npos ? host : host.substr(host.find('.') + 1);
  if (lower == "vnd.dovecot.default-mailbox") return "INBOX";
  if (lower == "vnd.dovecot.username") return run.settings().user_email;
  return std::nullopt;
}

// Section 4: an item that is unknown matches nothing, not even by `:count`; one that is empty
// counts as none.
bool holds(Run& run, const Call& call) {
  const auto value = item(run, call.text(run, 0));
  if (!value) return false;
  Matcher matcher(run, call, 1);
  const bool is_count = call.matching().type->counts == MatchRow::Counts::yes;
  return ((!is_count || !value->empty()) && matcher.value(*value)) || matcher.finish();
}

// A name of variables has no hyphens: ${env.vnd.dovecot.default_mailbox}.
std::optional<std::string> find_variable(Run& run, std::string_view name) {
  std::string with_hyphens(name);
  std::ranges::replace(with_hyphens, '_', '-');
  if (auto value = item(run, with_hyphens)) return value;
  return item(run, name);
}

}  // namespace

Extension environment() {
  return {.name = "environment",
          .standard = "RFC 5183",
          .tests = {{.name = "environment",
                     .arguments = {{"an item's name", Kind::string}, {"keys", Kind::list}},
                     .run = holds,
                     .compares = Compares::yes}}};
}

Extension dovecot_environment() {
  return {.name = "vnd.dovecot.environment",
          .standard = "spec-bosch-sieve-dovecot-environment",
          .namespaces = {{"env", find_variable}},
          .with = {"environment"}};
}

}  // namespace posthorn::sieve::extension
