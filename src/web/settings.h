// What a mail program must know of this server, and its three forms: Thunderbird's autoconfig,
// Outlook's autodiscover, Apple's configuration profile. Their texts are files of pages/.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace posthorn::web {

enum class Security { tls, starttls, none };

struct Service {
  std::string protocol;  // "imap", "pop3", "smtp"
  int port = 0;
  Security security = Security::tls;
};

// Who may log in: who has an account; anybody, with the part before the @ as password
// (auth.any_user); anybody, with the password that all share.
enum class Logins { accounts, local_part, one_password };

struct MailSettings {
  std::string hostname;              // of the server, in its certificate
  std::vector<std::string> domains;  // ours
  std::vector<Service> services;     // the best one of a protocol first
  std::string authority_pem;         // empty: the certificate comes from an authority all know
  std::string authority_sha256;      // its fingerprint, "AB:CD:…"
  Logins logins = Logins::accounts;
  std::string policy;                 // MTA-STS, of each domain of ours; empty: there is none
  bool has_plaintext_logins = false;  // also without TLS

  const Service* find(std::string_view protocol) const;
};

// https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat
std::string autoconfig_xml(const MailSettings& settings, const std::string& domain);
// [MS-OXDSCLI] section 2.2.4; address is a plain one.
std::string autodiscover_xml(const MailSettings& settings, const std::string& address);
std::string autodiscover_error_xml();
// Apple, Configuration Profile Reference: com.apple.mail.managed and, for an authority of our own,
// com.apple.security.root. address: a plain one, or empty, and the phone asks for it.
std::string mobileconfig(const MailSettings& settings, const std::string& address);

}  // namespace posthorn::web
