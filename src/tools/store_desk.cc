#include "tools/store_desk.h"

#include "net/account_channels.h"
#include "net/own_loop.h"
#include "process/folders.h"
#include "process/instance.h"
#include "process/sandbox.h"
#include "process/sockets.h"
#include "store/transfer_desk.h"

namespace posthorn::tools {
namespace {

using Work = std::function<net::Task<>(StoreDesk& desk)>;

// Connects as whoever called us: the sockets are root's and the server's.
class ServersDesk final : public StoreDesk {
 public:
  ServersDesk(net::Scope& scope, const config::Config& config)
      : config_(config),
        placement_(config),
        channels_(scope, placement_, net::AccountService::control) {}

  net::Task<net::Message> ask(std::string account, net::Message request,
                              std::chrono::milliseconds within) override {
    return channels_.ask(std::move(account), std::move(request), within);
  }
  Result<> become_store() override { return process::become(config_.users.store); }
  void close() { channels_.close(); }

 private:
  const config::Config& config_;
  const process::LocalPlacement placement_;
  net::AccountChannels channels_;
};

// This process is the store.
class OwnDesk final : public StoreDesk {
 public:
  explicit OwnDesk(store::Accounts& accounts) : accounts_(accounts), desk_(accounts) {}

  net::Task<net::Message> ask(std::string, net::Message request,
                              std::chrono::milliseconds) override {
    co_return co_await desk_.answer(std::move(request));
  }
  Result<> become_store() override { return {}; }  // it is since it began
  net::Awaitable<void> close() {
    co_await desk_.clear();
    co_await accounts_.close();
  }

 private:
  store::Accounts& accounts_;
  store::TransferDesk desk_;
};

net::Task<> work_there(ServersDesk* desk, const Work* work) {
  auto done = co_await (*work)(*desk);
  desk->close();
  co_return done;
}

net::Task<> work_here(OwnDesk* desk, const Work* work) {
  auto done = co_await (*work)(*desk);
  co_await desk->close();
  co_return done;
}

Result<> ask_server(const config::Config& config, const Work& work) {
  net::OwnLoop loop;
  ServersDesk desk(loop.scope(), config);
  return loop.run(work_there(&desk, &work));
}

Result<> do_it_here(const config::Config& config, const Work& work) {
  TRY_OK(process::become(config.users.store));
  net::BlockingPool pool(1);
  Result<> done;
  {
    net::OwnLoop loop;
    store::Accounts accounts(
        loop.scope(), pool,
        {.store = config.store, .mail = config.paths.mail, .hostname = config.server.hostname});
    OwnDesk desk(accounts);
    done = loop.run(work_here(&desk, &work));
  }
  pool.join();
  return done;
}

}  // namespace

Result<> work_at_store(const config::Config& config, const Work& work) {
  if (process::is_anothers(config)) {
    TRY(const auto pid, process::find_instance(config));
    if (!pid)
      return fail(ErrorKind::temporary, "the server is not running, and only root can do without");
    return ask_server(config, work);
  }
  // What is missing there is for a person to mend: no later try helps.
  if (const auto made = process::prepare_folders(config); !made)
    return fail(ErrorKind::permanent, made.error().what);
  const auto lock = process::take_instance_lock(config);
  log::start({.level = log::Level::error, .role = "tool", .file = "/dev/stderr"});
  return lock ? do_it_here(config, work) : ask_server(config, work);
}

}  // namespace posthorn::tools
