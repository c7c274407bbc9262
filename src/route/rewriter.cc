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

Rewriter::Rewriter(net::BlockingPool& pool, const config::Config& config, const Clock& clock)
    : pool_(pool), config_(config), clock_(clock) {}

std::string Rewriter::look() const {
  return config_.srs.domain.empty() ? "" : net::stamp_of_file(config_.srs.secret_file);
}

net::Awaitable<net::Prepared> Rewriter::prepare() {
  next_.reset();
  if (config_.srs.domain.empty()) co_return net::Prepared{};
  auto secrets = co_await pool_.run([this] { return read_srs_secrets(config_.srs.secret_file); });
  if (secrets) {
    next_ = *std::move(secrets);
    co_return net::Prepared{};
  }
  co_return net::Prepared{
      .findings = {config::finding_of(secrets.error().what)}, .is_usable = true, .may_pass = true};
}

std::shared_ptr<const void> Rewriter::commit() {
  if (!next_) return nullptr;
  log_.info(event::srs_loaded, {{"secrets", next_->size()}});
  srs_ = Srs(config_.srs.domain, *std::exchange(next_, std::nullopt));
  return nullptr;
}

void Rewriter::tell(const config::Finding& finding) const {
  log_.error(event::srs_refused, {{"error", finding.text()}});
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
