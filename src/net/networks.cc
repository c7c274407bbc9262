#include "net/networks.h"

#include <arpa/inet.h>
#include <charconv>
#include <fmt/format.h>

namespace posthorn::net {

std::string address_bytes(const std::string& address) {
  std::string bytes(16, '\0');
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return bytes.substr(0, 4);
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return {};
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  return bytes.starts_with(kMapped) ? bytes.substr(12) : bytes;
}

bool is_private(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    const std::uint32_t a = ntohl(v4.s_addr);
    return (a >> 24U) == 127 || (a >> 24U) == 10 || (a >> 24U) == 0 || (a >> 20U) == 0xAC1 ||
           (a >> 16U) == 0xC0A8 || (a >> 16U) == 0xA9FE || (a >> 28U) >= 0xE ||
           (a >> 22U) == 0x191;  // 100.64.0.0/10
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return true;
  return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) ||
         IN6_IS_ADDR_SITELOCAL(&v6) || IN6_IS_ADDR_MULTICAST(&v6) || IN6_IS_ADDR_V4MAPPED(&v6) ||
         (v6.s6_addr[0] & 0xFEU) == 0xFC;
}

Result<Networks> Networks::parse(const std::vector<std::string>& texts) {
  Networks networks;
  for (const std::string& text : texts) {
    const std::size_t slash = text.find('/');
    Network network{address_bytes(text.substr(0, slash)), 0};
    network.bits = static_cast<unsigned>(network.bytes.size() * 8);
    bool good = !network.bytes.empty();
    if (good && slash != std::string::npos) {
      const char* begin = text.data() + slash + 1;
      const auto [end, error] = std::from_chars(begin, text.data() + text.size(), network.bits);
      good = error == std::errc{} && end == text.data() + text.size();
      // "::ffff:192.0.2.0/120" counts the bits of the mapped form.
      if (good && network.bytes.size() == 4 && text.find(':') < slash) {
        good = network.bits >= 96;
        network.bits -= 96;
      }
      good = good && network.bits <= network.bytes.size() * 8;
    }
    if (!good)
      return fail(ErrorKind::config, fmt::format("\"{}\" is no network, as 127.0.0.0/8", text));
    if (network.bits == 0)
      networks.warnings_.push_back(fmt::format("\"{}\" means every address there is", text));
    networks.networks_.push_back(std::move(network));
  }
  return networks;
}

bool Networks::contains(const std::string& address) const {
  const std::string bytes = address_bytes(address);
  for (const Network& network : networks_) {
    if (network.bytes.size() != bytes.size()) continue;
    unsigned left = network.bits;
    bool same = true;
    for (std::size_t i = 0; same && left > 0; ++i) {
      const unsigned take = std::min(left, 8U);
      const unsigned mask = 0xFFU << (8U - take) & 0xFFU;
      same = (static_cast<unsigned char>(bytes[i]) & mask) ==
             (static_cast<unsigned char>(network.bytes[i]) & mask);
      left -= take;
    }
    if (same) return true;
  }
  return false;
}

}  // namespace posthorn::net
