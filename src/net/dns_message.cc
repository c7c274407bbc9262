#include "net/dns_message.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::net {
namespace {

std::unexpected<Error> unreadable() {
  return fail(ErrorKind::temporary, "an answer that cannot be read");
}

struct Name {
  std::string text;
  std::size_t size = 0;  // in the message
};

Result<Name> read_name(std::string_view message, std::size_t at) {
  if (at >= message.size()) return unreadable();
  const auto* begin = reinterpret_cast<const unsigned char*>(message.data());
  char* expanded = nullptr;
  long size = 0;
  if (ares_expand_name(begin + at, begin, static_cast<int>(message.size()), &expanded, &size) !=
      ARES_SUCCESS)
    return unreadable();
  Name name{canonical_name(expanded), static_cast<std::size_t>(size)};
  ares_free_string(expanded);
  return name;
}

}  // namespace

std::string canonical_name(std::string name) {
  name = to_lower(name);
  if (name.ends_with('.')) name.pop_back();
  return name;
}

std::string reverse_labels(const std::string& address) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    const std::uint32_t a = ntohl(v4.s_addr);
    return fmt::format("{}.{}.{}.{}", a & 255U, a >> 8U & 255U, a >> 16U & 255U, a >> 24U);
  }
  std::string labels;
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return labels;
  for (int i = 15; i >= 0; --i)
    labels += fmt::format("{:x}.{:x}.", v6.s6_addr[i] & 15U, v6.s6_addr[i] >> 4U);
  labels.pop_back();
  return labels;
}

std::string reverse_name(const std::string& address) {
  const std::string labels = reverse_labels(address);
  if (labels.empty()) return labels;
  return labels + (address.contains(':') ? ".ip6.arpa" : ".in-addr.arpa");
}

int read_number16(std::string_view bytes, std::size_t at) {
  return read_number8(bytes, at) << 8 | read_number8(bytes, at + 1);
}

Result<std::string> read_dns_name(std::string_view message, std::size_t at) {
  TRY(Name name, read_name(message, at));
  return std::move(name.text);
}

Result<std::vector<DnsRecord>> read_dns_records(std::string_view message) {
  constexpr std::size_t kQuestionsAt = 4, kAnswersAt = 6;
  if (message.size() < NS_HFIXEDSZ) return unreadable();
  std::size_t at = NS_HFIXEDSZ;
  for (int i = read_number16(message, kQuestionsAt); i > 0; --i) {
    TRY(const Name asked, read_name(message, at));
    at += asked.size + NS_QFIXEDSZ;
  }
  std::vector<DnsRecord> records;
  for (int i = read_number16(message, kAnswersAt); i > 0; --i) {
    TRY(Name owner, read_name(message, at));
    at += owner.size;
    if (at + NS_RRFIXEDSZ > message.size()) return unreadable();
    const int type = read_number16(message, at);
    const auto size = static_cast<std::size_t>(read_number16(message, at + 8));
    at += NS_RRFIXEDSZ;
    if (at + size > message.size()) return unreadable();
    records.push_back({std::move(owner.text), type, at, message.substr(at, size)});
    at += size;
  }
  return records;
}

}  // namespace posthorn::net
