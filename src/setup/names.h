// Names as an administrator types them when a server is set up: why one is none, in words for
// whoever typed it, and what was meant by one that can be understood.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::setup {

// Why a name of a host or of a mail domain is none; nullopt: it is one.
std::optional<std::string> find_name_fault(std::string_view name);
// The same, and a host without a dot is none either: nobody else can find it.
std::optional<std::string> find_public_name_fault(std::string_view name);
// "http://Mail.Example.org./" means mail.example.org, and "müller.test" is xn--mller-kva.test. What
// cannot be understood is given back as it is, for find_name_fault to say why.
std::string meant_name(std::string_view typed);

// delimiter: maps.recipient_delimiter. The name becomes that of a folder.
std::optional<std::string> find_account_fault(std::string_view address, std::string_view delimiter);
// What a mail program could not send, or any guesser would find.
std::optional<std::string> find_password_fault(std::string_view password);
// Four times five characters without look-alikes (about 99 bits), of as many random bytes.
inline constexpr std::size_t kMadePasswordBytes = 20;
std::string make_password(std::string_view random);

// An address for the authority of certificates to write to.
std::optional<std::string> find_email_fault(std::string_view address);

struct Machine {
  std::string name;      // as gethostname() gives it
  std::string hosts;     // the text of /etc/hosts
  std::string mailname;  // the text of /etc/mailname
};
// The full name of the machine, by what lies on it: no DNS is asked, which may be long silent.
// Empty: it has none that others could find.
std::string propose_host(const Machine& machine);
// mail.example.org receives for example.org, and example.org for itself.
std::string propose_domain(const Machine& machine, std::string_view host);

}  // namespace posthorn::setup
