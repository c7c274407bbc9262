#include "setup/names.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "message/idna.h"
#include "message/mailbox_address.h"

namespace posthorn::setup {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

std::string_view first_line(std::string_view text) {
  return trim(text.substr(0, text.find('\n')));
}

// Each word of a line of /etc/hosts but the comment: the address, then the names.
template <class F>
void for_each_word(std::string_view line, F visit) {
  line = line.substr(0, line.find('#'));
  while (true) {
    const std::size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return;
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    visit(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

}  // namespace

std::optional<std::string> find_name_fault(std::string_view name) {
  constexpr std::size_t kNameMax = 253, kLabelMax = 63;  // RFC 1035 section 2.3.4
  if (name.empty()) return "it is empty";
  if (name.find_first_of(" \t\r\n,;") != std::string_view::npos)
    return "give one name; --domain may be given again for each further one";
  if (name.find('@') != std::string_view::npos)
    return "that is an address; the name is what stands behind the @";
  if (name.find_first_of("/:") != std::string_view::npos)
    return "neither a URL nor a port belongs here";
  if (name.find('*') != std::string_view::npos)
    return "each name stands for itself, there is no pattern";
  if (!is_ascii(name)) return "write it as the DNS has it, xn--…";
  if (name.ends_with('.')) return "without the dot at its end";
  if (name.find('_') != std::string_view::npos)
    return "no host has an underscore in its name (RFC 952)";
  if (name.find_first_not_of("0123456789.") == std::string_view::npos)
    return "that is a number, and mail needs a name";
  if (name.size() > kNameMax) return "it has more than 253 letters";
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    if (end - begin > kLabelMax) return "between two dots stand at most 63 letters";
    begin = end + 1;
  }
  if (!message::is_domain(name, message::AddressCharset::ascii))
    return "letters, digits and hyphens with single dots between, as in mail.example.org";
  return std::nullopt;
}

std::optional<std::string> find_public_name_fault(std::string_view name) {
  if (auto fault = find_name_fault(name)) return fault;
  if (name.find('.') == std::string_view::npos)
    return "others find it by its full name only, as in mail.example.org";
  return std::nullopt;
}

std::string meant_name(std::string_view typed) {
  std::string_view name = trim(typed, kBlanks);
  for (const std::string_view scheme : {"http://", "https://", "smtp://", "imap://", "mailto:"})
    if (to_lower(name.substr(0, scheme.size())) == scheme) name.remove_prefix(scheme.size());
  if (name.find('@') == std::string_view::npos) name = name.substr(0, name.find('/'));
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(message::ascii_domain(name).value_or(std::string(name)));
}

std::optional<std::string> find_account_fault(std::string_view address,
                                              std::string_view delimiter) {
  const auto parsed = message::parse_mailbox_address(address);
  if (!parsed || parsed->domain.empty()) return "that is no address, as in alice@example.org";
  for (const char c : address)
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
        std::string_view("._+=-@").find(c) == std::string_view::npos)
      return "letters, digits and . _ = - only";
  if (address.front() == '.' || parsed->local.find_first_of(delimiter) != std::string::npos)
    return "the name must not begin with a dot or hold the tag's delimiter";
  return std::nullopt;
}

std::optional<std::string> find_password_fault(std::string_view password) {
  constexpr std::size_t kLeast = 8, kMost = 500;
  if (std::ranges::any_of(password, is_control))
    return "it holds a character that no mail program can send, as an arrow key's";
  // RFC 4616 section 2: what PLAIN carries is UTF-8.
  if (!is_utf8(password)) return "it is not in UTF-8, in which mail programs send it";
  if (password.size() < kLeast)
    return "it has fewer than 8 characters, and the whole Internet may guess at it";
  if (password.size() > kMost) return "it has more than 500 bytes";
  return std::nullopt;
}

std::string make_password(std::string_view random) {
  // 32 of them, so that a byte gives each as often; no 0 o 1 l.
  constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
  static_assert(kLetters.size() == 32);
  std::string out;
  for (std::size_t at = 0; at < random.size(); ++at) {
    if (at > 0 && at % 5 == 0) out += '-';
    out += kLetters[static_cast<unsigned char>(random[at]) % kLetters.size()];
  }
  return out;
}

std::optional<std::string> find_email_fault(std::string_view address) {
  const auto parsed = message::parse_mailbox_address(address, message::AddressCharset::ascii);
  if (!parsed || parsed->domain.empty()) return "that is no address, as in you@example.org";
  return find_public_name_fault(parsed->domain);
}

std::string propose_host(const Machine& machine) {
  const auto is_good = [](std::string_view name) {
    return !find_public_name_fault(name) && !name.starts_with("localhost.");
  };
  const std::string name = meant_name(machine.name);
  if (is_good(name)) return name;
  std::string_view text = machine.hosts;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::string full;
    bool is_ours = false, is_address = true;
    for_each_word(line, [&](std::string_view word) {
      if (std::exchange(is_address, false)) return;
      const std::string lower = to_lower(word);
      if (lower == name) is_ours = true;
      if (full.empty() && is_good(lower)) full = lower;
    });
    if (is_ours && !full.empty()) return full;
  }
  return {};
}

std::string propose_domain(const Machine& machine, std::string_view host) {
  const std::string mailname = meant_name(first_line(machine.mailname));
  // /etc/mailname of a machine that received for itself alone is its own name.
  if (!find_public_name_fault(mailname) && mailname != meant_name(machine.name)) return mailname;
  const std::size_t dot = host.find('.');
  if (dot == std::string_view::npos) return std::string(host);
  const std::string_view rest = host.substr(dot + 1);
  return std::string(rest.find('.') == std::string_view::npos ? host : rest);
}

}  // namespace posthorn::setup
