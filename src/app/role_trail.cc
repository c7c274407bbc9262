// trail: what became of each mail, as the other roles tell it. Has no network and reads no mail.
#include <filesystem>

#include "app/make_role.h"
#include "process/generation.h"
#include "process/report.h"
#include "trail/desk.h"

namespace posthorn::app {
namespace {

class TrailRole final : public process::Role {
 public:
  explicit TrailRole(process::RoleSetup setup)
      : process::Role(process::RoleKind::trail),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()),
        desk_(scope_, setup_.pool,
              {.folder = process::trail_folder(setup_.config),
               .keep = setup_.config.trail.keep,
               .size_max = setup_.config.trail.size_max,
               .free_min = setup_.config.queue.free_min}) {}

  net::Task<> start() override {
    co_await desk_.start();
    for (const process::TrailSource& source : process::trail_sources())
      listeners_.answer(
          scope_, process::trail_socket(source.role), [this, &source](net::Message request) {
            return desk_.take(process::to_string(source.role), source.sender, std::move(request));
          });
    listeners_.answer(scope_, "trail-control.sock",
                      [this](net::Message request) { return desk_.answer(std::move(request)); });
    process::serve_report(scope_, listeners_, *this);
    process::serve_generation(scope_, listeners_, *this);
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return nullptr; }
  const process::Report* report() const override { return &report_; }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    desk_.stop();
    co_await scope_.shut_down(setup_.config.limits.drain);
    co_await scope_.join();
  }

 private:
  static net::Awaitable<std::vector<health::Check>> check(TrailRole* self) {
    // Mail does not need it.
    const std::string& paused = self->desk_.paused();
    co_return std::vector<health::Check>{{"trail", paused.empty() ? "ok" : "warning", paused}};
  }

  static net::Awaitable<health::Facts> tell_facts(TrailRole* self) {
    health::Trail trail{.state = self->desk_.paused().empty() ? "on" : "paused",
                        .reason = self->desk_.paused()};
    const Path folder = process::trail_folder(self->setup_.config);
    (void)co_await self->setup_.pool.run([&trail, &folder]() -> Result<> {
      std::error_code error;
      for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
           at.increment(error)) {
        const auto size = at->file_size(error);
        if (!error) trail.size += size;
        error.clear();
      }
      return {};
    });
    health::Facts facts;
    health::add(facts, trail);
    co_return facts;
  }

  process::RoleSetup setup_;
  net::Scope scope_;
  trail::Desk desk_;
  const process::Report report_{.checks = [this] { return check(this); },
                                .facts = [this] { return tell_facts(this); }};
  process::Listeners listeners_{setup_.sockets};
};

}  // namespace

std::unique_ptr<process::Role> make_trail(process::RoleSetup setup) {
  return std::make_unique<TrailRole>(std::move(setup));
}

}  // namespace posthorn::app
