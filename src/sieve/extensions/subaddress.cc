// subaddress (RFC 5233): "user+detail@domain". The settings say which letters stand between the
// two: the first of any of them does.
#include "sieve/extensions/table.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

std::optional<std::string> user(Run& run, std::string_view local, std::string_view /*domain*/) {
  return std::string(local.substr(0, local.find_first_of(run.settings().recipient_delimiter)));
}

// Section 4: none where nothing stands between; empty where nothing follows.
std::optional<std::string> detail(Run& run, std::string_view local, std::string_view /*domain*/) {
  const std::size_t at = local.find_first_of(run.settings().recipient_delimiter);
  if (at == std::string_view::npos) return std::nullopt;
  return std::string(local.substr(at + 1));
}

}  // namespace

Extension subaddress() {
  return {.name = "subaddress",
          .standard = "RFC 5233",
          .address_parts = {{"user", user}, {"detail", detail}}};
}

}  // namespace posthorn::sieve::extension
