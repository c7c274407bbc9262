// acme: gets certificates and renews them (RFC 8555). Speaks to the authority's directory and to
// the DNS, writes below paths.acme, and reads no mail and no other role's files.
#include "app/make_role.h"
#include "process/generation.h"
#include "process/report.h"

namespace posthorn::app {
namespace {

class AcmeRole final : public process::Role {
 public:
  explicit AcmeRole(process::RoleSetup setup)
      : process::Role(process::RoleKind::acme),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()) {}

  net::Task<> start() override {
    listeners_.answer(scope_, "acme-control.sock",
                      [](net::Message request) { return answer(std::move(request)); });
    process::serve_report(scope_, listeners_, *this);
    process::serve_generation(scope_, listeners_, *this);
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return nullptr; }
  const process::Report* report() const override { return &report_; }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    co_await scope_.shut_down(setup_.config.limits.drain);
    co_await scope_.join();
  }

 private:
  static net::Awaitable<net::Message> answer(net::Message request) {
    co_return net::Message("error").add("error", "nobody answers " + request.verb);
  }
  static net::Awaitable<health::Facts> tell_facts(AcmeRole* self) {
    health::Facts facts;
    health::add(
        facts,
        health::Acme{.state = "on", .directory = self->setup_.config.acme.directory, .reason = ""});
    co_return facts;
  }

  process::RoleSetup setup_;
  net::Scope scope_;
  const process::Report report_{.facts = [this] { return tell_facts(this); }};
  process::Listeners listeners_{setup_.sockets};
};

}  // namespace

std::unique_ptr<process::Role> make_acme(process::RoleSetup setup) {
  return std::make_unique<AcmeRole>(std::move(setup));
}

}  // namespace posthorn::app
