// The page about this server: what a person needs to set up a mail program, readable on a phone
// and without pictures, scripts or anything from elsewhere. Its text is pages/start.html.
#include <fmt/format.h>

#include "web/page_files.h"
#include "web/pages.h"

namespace posthorn::web {
namespace {

std::string_view name_of(const Service& service) {
  if (service.protocol == "smtp") return "Sending (SMTP)";
  return service.protocol == "imap" ? "Receiving (IMAP)" : "Receiving (POP3)";
}

std::string_view name_of(Security security) {
  switch (security) {
    case Security::tls:
      return "SSL/TLS";
    case Security::starttls:
      return "STARTTLS";
    case Security::none:
      return "none";
  }
  return "";
}

constexpr std::size_t kDomainsShownMax = 20;

Rows domain_rows(const MailSettings& settings) {
  Rows rows;
  for (std::size_t i = 0; i < settings.domains.size() && i < kDomainsShownMax; ++i)
    rows.push_back(
        {.values = {{"separator", i == 0 ? "" : ", "}, {"domain", settings.domains[i]}}});
  return rows;
}

Rows more_domains(const MailSettings& settings) {
  if (settings.domains.size() <= kDomainsShownMax) return {};
  return {{.values = {{"count", fmt::to_string(settings.domains.size() - kDomainsShownMax)}}}};
}

Rows service_rows(const MailSettings& settings) {
  Rows rows;
  for (const Service& service : settings.services)
    rows.push_back({.values = {{"service", std::string(name_of(service))},
                               {"port", fmt::to_string(service.port)},
                               {"security", std::string(name_of(service.security))}}});
  return rows;
}

Rows authority_row(const MailSettings& settings) {
  if (settings.authority_pem.empty()) return {};
  return {{.values = {{"sha256", settings.authority_sha256}}}};
}

}  // namespace

std::string start_page(const MailSettings& settings) {
  const auto if_logins_are = [&](Logins logins) { return Rows(settings.logins == logins ? 1 : 0); };
  return fill_page(
      "start.html",
      {.values = {{"hostname", settings.hostname},
                  {"example", settings.domains.empty() ? "you@example.org"
                                                       : "you@" + settings.domains.front()}},
       .blocks = {{"domains", domain_rows(settings)},
                  {"more_domains", more_domains(settings)},
                  {"logins_accounts", if_logins_are(Logins::accounts)},
                  {"logins_local_part", if_logins_are(Logins::local_part)},
                  {"logins_one_password", if_logins_are(Logins::one_password)},
                  {"plaintext_logins", Rows(settings.has_plaintext_logins ? 1 : 0)},
                  {"services", service_rows(settings)},
                  {"authority", authority_row(settings)}}});
}

}  // namespace posthorn::web
