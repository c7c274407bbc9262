#include "dns/mta_sts.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "base/ascii.h"
#include "dns/names.h"

namespace posthorn::dns {

std::string make_policy(const config::MtaSts& settings, const std::string& host) {
  if (settings.mode == config::MtaStsMode::off) return {};
  return fmt::format("version: STSv1\nmode: {}\nmx: {}\nmax_age: {}\n",
                     config::to_string(settings.mode), to_dns_name(host),
                     std::chrono::duration_cast<std::chrono::seconds>(settings.max_age).count());
}

std::string policy_id(std::string_view policy) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a: who reads it only compares it
  for (const char c : policy) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return fmt::format("{:016x}", hash);
}

Result<Policy> parse_policy(std::string_view text) {
  const auto refuse = [](std::string what) { return fail(ErrorKind::protocol, std::move(what)); };
  constexpr std::size_t kSizeMax = 64U << 10U;  // section 3.3
  if (text.size() > kSizeMax) return refuse("it is longer than 64 KiB");
  Policy policy;
  std::string version, age;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name(line.substr(0, colon));
    line.remove_prefix(colon + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const std::string value(line.substr(0, line.find_last_not_of(" \t") + 1));
    if (name == "version") version = value;
    if (name == "mode" && policy.mode.empty()) policy.mode = value;
    if (name == "max_age" && age.empty()) age = value;
    if (name == "mx") policy.mx.push_back(to_lower(value));
  }
  if (version != "STSv1") return refuse("it does not say \"version: STSv1\"");
  if (policy.mode != "testing" && policy.mode != "enforce" && policy.mode != "none")
    return refuse(fmt::format("its mode is \"{}\"", policy.mode));
  const auto [end, error] = std::from_chars(age.data(), age.data() + age.size(), policy.max_age);
  if (error != std::errc{} || end != age.data() + age.size()) return refuse("it has no max_age");
  if (policy.mx.empty() && policy.mode != "none") return refuse("it names no mx");
  return policy;
}

bool allows(const Policy& policy, std::string_view host) {
  return std::ranges::any_of(policy.mx, [&](std::string_view pattern) {
    if (!pattern.starts_with("*.")) return pattern == host;
    const std::size_t dot = host.find('.');  // the star is one label
    return dot != std::string_view::npos && host.substr(dot) == pattern.substr(1);
  });
}

}  // namespace posthorn::dns
