#include "web/settings.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "web/page_files.h"

namespace posthorn::web {
namespace {

std::string_view socket_type(Security security) {
  switch (security) {
    case Security::tls:
      return "SSL";
    case Security::starttls:
      return "STARTTLS";
    case Security::none:
      return "plain";
  }
  return "SSL";
}

// RFC 9562 section 5.8: a UUID of our own making (version 8), always the same for the same name,
// so that a profile which is installed again takes its own place.
std::string make_uuid(std::string_view name) {
  std::uint64_t halves[2] = {0xcbf29ce484222325ULL, 0x9e3779b97f4a7c15ULL};  // FNV-1a, twice
  for (std::uint64_t& half : halves)
    for (const char c : name) half = (half ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  const std::uint64_t high = (halves[0] & ~0xF000ULL) | 0x8000ULL;
  const std::uint64_t low = (halves[1] & ~(3ULL << 62U)) | (2ULL << 62U);
  return fmt::format("{:08X}-{:04X}-{:04X}-{:04X}-{:012X}", high >> 32U, (high >> 16U) & 0xFFFFU,
                     high & 0xFFFFU, low >> 48U, low & 0xFFFF'FFFF'FFFFULL);
}

// The base64 text between the lines of a PEM block.
std::string body_of_pem(std::string_view pem) {
  const std::size_t begin = pem.find('\n');
  const std::size_t end = pem.rfind("-----END");
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
  return std::string(pem.substr(begin + 1, end - begin - 1));
}

Fields server_row(std::string_view side, const Service& service) {
  return {.values = {{"side", std::string(side)},
                     {"port", fmt::to_string(service.port)},
                     {"use_ssl", service.security == Security::none ? "false" : "true"}}};
}

Rows mail_payload(const MailSettings& settings, const std::string& address) {
  const Service* in = settings.find("imap");
  std::string kind = "EmailTypeIMAP";
  if (in == nullptr) {
    in = settings.find("pop3");
    kind = "EmailTypePOP";
  }
  const Service* out = settings.find("smtp");
  if (in == nullptr || out == nullptr) return {};
  // Both names of the account are the address: logins take it whole.
  const Rows account = address.empty() ? Rows{} : Rows{{.values = {{"address", address}}}};
  return {{.values = {{"uuid", make_uuid("mail " + settings.hostname + " " + address)},
                      {"description", address.empty() ? settings.hostname : address},
                      {"kind", std::move(kind)}},
           .blocks = {{"account", account},
                      {"servers", {server_row("Incoming", *in), server_row("Outgoing", *out)}}}}};
}

Rows authority_payload(const MailSettings& settings) {
  if (settings.authority_pem.empty()) return {};
  return {{.values = {{"uuid", make_uuid("authority " + settings.authority_pem)},
                      {"base64", body_of_pem(settings.authority_pem)}}}};
}

}  // namespace

const Service* MailSettings::find(std::string_view protocol) const {
  const auto found = std::ranges::find(services, protocol, &Service::protocol);
  return found == services.end() ? nullptr : &*found;
}

std::string autoconfig_xml(const MailSettings& settings, const std::string& domain) {
  Rows services;
  for (const Service& service : settings.services)
    services.push_back(
        {.values = {{"element", service.protocol == "smtp" ? "outgoingServer" : "incomingServer"},
                    {"protocol", service.protocol},
                    {"port", fmt::to_string(service.port)},
                    {"socket_type", std::string(socket_type(service.security))}}});
  return fill_page("autoconfig.xml",
                   {.values = {{"domain", domain}, {"hostname", settings.hostname}},
                    .blocks = {{"services", std::move(services)}}});
}

std::string autodiscover_xml(const MailSettings& settings, const std::string& address) {
  Rows services;
  for (const std::string_view protocol : {"imap", "pop3", "smtp"}) {
    const Service* service = settings.find(protocol);
    if (service == nullptr) continue;
    services.push_back(
        {.values = {{"type", to_upper(protocol)},
                    {"port", fmt::to_string(service->port)},
                    {"ssl", service->security == Security::none ? "off" : "on"},
                    {"encryption", service->security == Security::tls        ? "SSL"
                                   : service->security == Security::starttls ? "TLS"
                                                                             : "None"}}});
  }
  return fill_page("autodiscover.xml",
                   {.values = {{"hostname", settings.hostname}, {"address", address}},
                    .blocks = {{"services", std::move(services)}}});
}

std::string autodiscover_error_xml() {
  return fill_page("autodiscover-error.xml", {});
}

std::string mobileconfig(const MailSettings& settings, const std::string& address) {
  return fill_page("profile.mobileconfig",
                   {.values = {{"hostname", settings.hostname},
                               {"uuid", make_uuid("profile " + settings.hostname + " " + address)},
                               {"what", address.empty() ? "mail" : address}},
                    .blocks = {{"authority", authority_payload(settings)},
                               {"mail", mail_payload(settings, address)}}});
}

}  // namespace posthorn::web
