#include "route/rewriter.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"

namespace posthorn::route {
namespace {

constexpr std::size_t kFileMax = 64U << 10U;
constexpr std::size_t kSecretMin = 8;  // characters

}  // namespace

Result<std::vector<std::string>> read_srs_secrets(const Path& file) {
  const auto wrong = [&](std::size_t line, std::string_view why) {
    return fail(ErrorKind::config, fmt::format("{}:{}: {}", file.native(), line, why));
  };
  const auto text = read_file(file, kFileMax);
  if (!text) return wrong(1, text.error().what);
  if (!*text) return wrong(1, "there is no such file");
  std::vector<std::string> secrets;
  std::string_view rest = **text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t lf = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, lf);
    rest.remove_prefix(std::min(lf + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    if (line.size() < kSecretMin)
      return wrong(number, fmt::format("a secret has at least {} characters", kSecretMin));
    secrets.emplace_back(line);
  }
  if (secrets.empty()) return wrong(1, "it holds no secret");
  return secrets;
}

Rewriter::Rewriter(net::Scope& scope, const config::Config& config, const Clock& clock)
    : scope_(scope),
      config_(config),
      clock_(clock),
      stopped_(scope.executor()),
      retry_(config.maps.poll_interval) {}

Result<> Rewriter::start() {
  if (config_.srs.domain.empty()) return {};
  if (const auto faults = reload(); !faults.empty()) return fail(ErrorKind::config, faults.front());
  scope_.spawn(watch(this));
  return {};
}

void Rewriter::stop() {
  stopped_.close();
}

std::string Rewriter::stamp() const {
  const auto info = find_file_info(config_.srs.secret_file);
  return info && *info ? fmt::format("{}:{}:{}", (*info)->inode, (*info)->size,
                                     (*info)->modified.time_since_epoch().count())
                       : "-";
}

std::vector<std::string> Rewriter::reload() {
  if (config_.srs.domain.empty()) return {};
  stamp_ = stamp();
  auto secrets = read_srs_secrets(config_.srs.secret_file);
  if (!secrets) {
    retry_.fail(Clock::system().steady_now());
    if (told_ != secrets.error().what)
      log_.error(event::srs_refused, {{"error", secrets.error().what}});
    told_ = secrets.error().what;
    return {told_};
  }
  retry_.succeed();
  told_.clear();
  log_.info(event::srs_loaded, {{"secrets", secrets->size()}});
  srs_ = Srs(config_.srs.domain, *std::move(secrets));
  return {};
}

net::Awaitable<void> Rewriter::watch(Rewriter* self) {
  std::string seen = self->stamp_;
  while (!self->stopped_.is_closed()) {
    co_await self->stopped_.wait(Clock::system().steady_now() + self->config_.maps.poll_interval);
    if (self->stopped_.is_closed()) break;
    // A file that somebody is still writing must look the same twice.
    const std::string now = self->stamp();
    if ((now != self->stamp_ && now == seen) ||
        (now == self->stamp_ && self->retry_.is_due(Clock::system().steady_now())))
      (void)self->reload();
    seen = now;
  }
}

bool Rewriter::is_excluded(std::string_view domain) const {
  const std::string name = to_lower(domain);
  for (const std::string& listed : config_.srs.exclude_domains) {
    const std::string pattern = to_lower(listed);
    if (name == pattern || (pattern.starts_with('.') && name.ends_with(pattern))) return true;
  }
  return false;
}

}  // namespace posthorn::route
