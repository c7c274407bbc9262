#include "base/last_good.h"

#include <fmt/format.h>

#include "base/fnv.h"

namespace posthorn {
namespace {
constexpr std::uint64_t kFileMax = 256U << 20U;
constexpr std::size_t kNameMax = 200;
}  // namespace

std::string flat_name(const Path& path) {
  std::string name;
  for (const char c : path.native()) {
    if (c == '/')
      name += '%';
    else if (c == '%')
      name += "%%";
    else
      name += c;
  }
  if (name.size() > kNameMax)
    name = fmt::format("{:016x}{}", fnv1a(path.native()), name.substr(name.size() - 100));
  return name;
}

std::optional<std::string> LastGood::read(const Path& source) const {
  if (!is_on()) return std::nullopt;
  auto text = read_file(place_of(source), kFileMax);
  return text ? *std::move(text) : std::nullopt;
}

Result<> LastGood::keep(const Path& source, std::string_view text) {
  if (!is_on()) return {};
  const std::size_t digest = std::hash<std::string_view>{}(text);
  const auto known = kept_.find(source);
  if (known != kept_.end() && known->second == digest) return {};
  if (known == kept_.end())
    if (const auto there = read(source); there && *there == text) {
      kept_[source] = digest;
      return {};
    }
  const auto info = find_file_info(source);
  const mode_t mode = info && *info ? (*info)->mode & 0640U : 0600U;
  TRY_OK(replace_file(Disk::real(), place_of(source), text, mode));
  kept_[source] = digest;
  return {};
}

void LastGood::forget(const Path& source) {
  if (!is_on()) return;
  (void)Disk::real().remove(place_of(source));
  kept_.erase(source);
}

}  // namespace posthorn
