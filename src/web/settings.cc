#include "web/settings.h"

#include <algorithm>
#include <fmt/format.h>

#include "web/proto/text.h"

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

std::string server_element(const MailSettings& settings, const Service& service) {
  const std::string_view element = service.protocol == "smtp" ? "outgoingServer" : "incomingServer";
  return fmt::format(
      "    <{0} type=\"{1}\">\n"
      "      <hostname>{2}</hostname>\n"
      "      <port>{3}</port>\n"
      "      <socketType>{4}</socketType>\n"
      "      <authentication>password-cleartext</authentication>\n"
      "      <username>%EMAILADDRESS%</username>\n"
      "    </{0}>\n",
      element, service.protocol, escape_markup(settings.hostname), service.port,
      socket_type(service.security));
}

// The base64 text between the lines of a PEM block.
std::string body_of_pem(std::string_view pem) {
  const std::size_t begin = pem.find('\n');
  const std::size_t end = pem.rfind("-----END");
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
  return std::string(pem.substr(begin + 1, end - begin - 1));
}

std::string mail_payload(const MailSettings& settings, const std::string& address) {
  const Service* in = settings.find("imap");
  std::string_view kind = "EmailTypeIMAP";
  if (in == nullptr) {
    in = settings.find("pop3");
    kind = "EmailTypePOP";
  }
  const Service* out = settings.find("smtp");
  if (in == nullptr || out == nullptr) return {};
  std::string text = fmt::format(
      "    <dict>\n"
      "      <key>PayloadType</key><string>com.apple.mail.managed</string>\n"
      "      <key>PayloadVersion</key><integer>1</integer>\n"
      "      <key>PayloadIdentifier</key><string>{0}.mail</string>\n"
      "      <key>PayloadUUID</key><string>{1}</string>\n"
      "      <key>PayloadDisplayName</key><string>Mail</string>\n"
      "      <key>EmailAccountDescription</key><string>{2}</string>\n"
      "      <key>EmailAccountType</key><string>{3}</string>\n",
      escape_markup(settings.hostname), make_uuid("mail " + settings.hostname + " " + address),
      escape_markup(address.empty() ? settings.hostname : address), kind);
  // Both names are the address: logins take it whole.
  if (!address.empty())
    text += fmt::format(
        "      <key>EmailAddress</key><string>{0}</string>\n"
        "      <key>IncomingMailServerUsername</key><string>{0}</string>\n"
        "      <key>OutgoingMailServerUsername</key><string>{0}</string>\n",
        escape_markup(address));
  const auto server = [&](std::string_view side, const Service& service) {
    text += fmt::format(
        "      <key>{0}MailServerHostName</key><string>{1}</string>\n"
        "      <key>{0}MailServerPortNumber</key><integer>{2}</integer>\n"
        "      <key>{0}MailServerUseSSL</key><{3}/>\n"
        "      <key>{0}MailServerAuthentication</key><string>EmailAuthPassword</string>\n",
        side, escape_markup(settings.hostname), service.port,
        service.security == Security::none ? "false" : "true");
  };
  server("Incoming", *in);
  server("Outgoing", *out);
  text += "      <key>OutgoingPasswordSameAsIncomingPassword</key><true/>\n    </dict>\n";
  return text;
}

std::string authority_payload(const MailSettings& settings) {
  if (settings.authority_pem.empty()) return {};
  return fmt::format(
      "    <dict>\n"
      "      <key>PayloadType</key><string>com.apple.security.root</string>\n"
      "      <key>PayloadVersion</key><integer>1</integer>\n"
      "      <key>PayloadIdentifier</key><string>{0}.authority</string>\n"
      "      <key>PayloadUUID</key><string>{1}</string>\n"
      "      <key>PayloadDisplayName</key><string>Certificate of {0}</string>\n"
      "      <key>PayloadContent</key><data>\n{2}</data>\n"
      "    </dict>\n",
      escape_markup(settings.hostname), make_uuid("authority " + settings.authority_pem),
      body_of_pem(settings.authority_pem));
}

}  // namespace

const Service* MailSettings::find(std::string_view protocol) const {
  const auto found = std::ranges::find(services, protocol, &Service::protocol);
  return found == services.end() ? nullptr : &*found;
}

std::string autoconfig_xml(const MailSettings& settings, const std::string& domain) {
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<clientConfig version=\"1.1\">\n"
      "  <emailProvider id=\"{0}\">\n"
      "    <domain>{0}</domain>\n"
      "    <displayName>{0}</displayName>\n"
      "    <displayShortName>{0}</displayShortName>\n",
      escape_markup(domain));
  for (const Service& service : settings.services) text += server_element(settings, service);
  return text + "  </emailProvider>\n</clientConfig>\n";
}

std::string autodiscover_xml(const MailSettings& settings, const std::string& address) {
  std::string text =
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
      "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/"
      "2006\">\n"
      "  <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/"
      "responseschema/2006a\">\n"
      "    <Account>\n"
      "      <AccountType>email</AccountType>\n"
      "      <Action>settings</Action>\n";
  for (const std::string_view protocol : {"imap", "pop3", "smtp"}) {
    const Service* service = settings.find(protocol);
    if (service == nullptr) continue;
    std::string type = protocol == "imap" ? "IMAP" : protocol == "pop3" ? "POP3" : "SMTP";
    text += fmt::format(
        "      <Protocol>\n"
        "        <Type>{}</Type>\n"
        "        <Server>{}</Server>\n"
        "        <Port>{}</Port>\n"
        "        <LoginName>{}</LoginName>\n"
        "        <DomainRequired>off</DomainRequired>\n"
        "        <SPA>off</SPA>\n"
        "        <SSL>{}</SSL>\n"
        "        <Encryption>{}</Encryption>\n"
        "        <AuthRequired>on</AuthRequired>\n"
        "      </Protocol>\n",
        type, escape_markup(settings.hostname), service->port, escape_markup(address),
        service->security == Security::none ? "off" : "on",
        service->security == Security::tls        ? "SSL"
        : service->security == Security::starttls ? "TLS"
                                                  : "None");
  }
  return text + "    </Account>\n  </Response>\n</Autodiscover>\n";
}

std::string autodiscover_error_xml() {
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
         "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/"
         "2006\">\n"
         "  <Response>\n"
         "    <Error Time=\"00:00:00\" Id=\"0\">\n"
         "      <ErrorCode>600</ErrorCode>\n"
         "      <Message>Invalid Request</Message>\n"
         "      <DebugData/>\n"
         "    </Error>\n"
         "  </Response>\n"
         "</Autodiscover>\n";
}

std::string mobileconfig(const MailSettings& settings, const std::string& address) {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
      "<plist version=\"1.0\">\n"
      "<dict>\n"
      "  <key>PayloadType</key><string>Configuration</string>\n"
      "  <key>PayloadVersion</key><integer>1</integer>\n"
      "  <key>PayloadIdentifier</key><string>{0}</string>\n"
      "  <key>PayloadUUID</key><string>{1}</string>\n"
      "  <key>PayloadDisplayName</key><string>Mail at {0}</string>\n"
      "  <key>PayloadDescription</key><string>Sets up {2} on this device.</string>\n"
      "  <key>PayloadContent</key>\n"
      "  <array>\n{3}{4}  </array>\n"
      "</dict>\n"
      "</plist>\n",
      escape_markup(settings.hostname), make_uuid("profile " + settings.hostname + " " + address),
      escape_markup(address.empty() ? "mail" : address), authority_payload(settings),
      mail_payload(settings, address));
}

}  // namespace posthorn::web
