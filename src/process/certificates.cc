#include "process/certificates.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/events.h"
#include "process/key_keeper.h"
#include "process/sockets.h"

namespace posthorn::process {
namespace {

constexpr std::size_t kNamesMax = 20;  // of one certificate, on the status page

}  // namespace

Certificates::Certificates(net::BlockingPool& pool, const config::Config& config, Told told)
    : pool_(pool),
      config_(config),
      told_(told),
      server_(net::TlsServer::make(
          {{config.paths.certificate, config.paths.key}}, config.tls.folder, config.server.hostname,
          KeyKeeper::folder_of(config), has_acme(config) ? config.paths.acme : Path())) {}

net::Awaitable<net::Prepared> Certificates::prepare() {
  auto next =
      co_await pool_.run([this]() -> Result<net::TlsServer::Next> { return server_->prepare(); });
  if (!next) {
    next_ = {};
    co_return net::Prepared{
        .findings = {{config_.paths.certificate.native() + ":1", next.error().what}},
        .is_usable = false,
        .may_pass = true};
  }
  next_ = *std::move(next);
  co_return net::Prepared{
      .findings = next_.findings, .is_usable = true, .may_pass = next_.may_pass};
}

std::shared_ptr<const void> Certificates::commit() {
  if (!next_.state) return nullptr;
  const bool changed = next_.changed;
  auto old = server_->commit(std::exchange(next_, {}));
  if (!changed || told_ != Told::by_log) return old;
  for (const auto& [file, info] : server_->certificates()) {
    log_.info(event::tls_loaded, {{"certificate", file.native()},
                                  {"names", fmt::format("{}", fmt::join(info.names, ","))},
                                  {"not_after", format_log_time(info.not_after)}});
    if (info.not_after - Clock::system().now() < config_.tls.expiry_warning)
      log_.warn(
          event::tls_expiring,
          {{"certificate", file.native()},
           {"not_after", format_log_time(info.not_after)},
           {"remedy", is_by_acme(file) ? "posthorn certificate list says why it was not renewed"
                      : info.is_of_own_authority
                          ? "posthorn certificate renew"
                          : "renew it where it was issued; a new pair is taken at once"}});
  }
  return old;
}

void Certificates::tell(const config::Finding& finding) const {
  if (told_ != Told::by_log) return;
  if (finding.weight == config::Weight::fault)
    log_.error(event::tls_refused, {{"error", finding.text()}});
  else
    log_.warn(event::files_warning, {{"error", finding.text()}});
}

bool Certificates::is_by_acme(const Path& file) const {
  return file.parent_path() == config_.paths.acme;
}

net::Awaitable<health::Facts> Certificates::facts() const {
  constexpr std::size_t kToldMax = 40;  // an answer of the line protocol holds no more
  std::vector<health::Certificate> shown;
  const WallTime now = Clock::system().now();
  for (const auto& [file, info] : server_->certificates()) {
    if (shown.size() == kToldMax) break;
    const bool is_near = info.not_after - now < config_.tls.expiry_warning;
    shown.push_back(
        {.name = shown.empty()
                     ? "certificate"
                     : "certificate." + (is_by_acme(file) ? file.stem().native()
                                                          : file.parent_path().filename().native()),
         .file = file.native(),
         .names = info.names,
         .issuer = info.issuer,
         .ends = info.not_after,
         .state = info.not_after <= now ? "red"
                  : is_near             ? "warning"
                                        : "ok",
         .fingerprint = info.sha256,
         .on_disk = "",
         .remedy = !is_near                   ? ""
                   : is_by_acme(file)         ? "posthorn certificate list tells why it was not "
                                                "renewed; posthorn certificate renew tries again"
                   : info.is_of_own_authority ? "posthorn certificate renew"
                                              : "",
         .shown_on = {}});
    if (shown.back().names.size() > kNamesMax) shown.back().names.resize(kNamesMax);
  }
  const Path handed = KeyKeeper::folder_of(config_);
  const auto looked = co_await pool_.run([&shown, &handed]() -> Result<> {
    for (health::Certificate& one : shown) {
      const auto there = net::read_certificate(net::find_readable(one.file, handed));
      one.on_disk = !there ? "unreadable" : there->sha256 == one.fingerprint ? "same" : "other";
    }
    return {};
  });
  health::Facts facts;
  if (!looked) co_return facts;
  for (const health::Certificate& one : shown) health::add(facts, one);
  co_return facts;
}

}  // namespace posthorn::process
