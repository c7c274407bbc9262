#include "process/generation.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <thread>

#include "base/events.h"
#include "base/ids.h"
#include "net/line_channel.h"
#include "net/own_loop.h"
#include "process/instance.h"
#include "process/report.h"

namespace posthorn::process {
namespace {

constexpr auto kPrepareMax = 60s;  // ten thousand scripts on a slow disk
constexpr auto kCommitMax = 20s;

net::Awaitable<net::Message> answer(Role* role, net::Message request) {
  net::WatchedFiles* files = role->files();
  const std::string number(request.get("number"));
  const log::Logger log;
  if (request.verb == "prepare" && !number.empty()) {
    if (files == nullptr) co_return net::Message("ok");
    const net::Prepared prepared = co_await files->prepare(number);
    net::Message told(prepared.is_usable ? "ok" : "refused");
    add_findings(told, prepared.findings);
    co_return told;
  }
  if (auto told = co_await answer_about(*role, request)) co_return *std::move(told);
  if (request.verb == "commit") {
    if (files != nullptr && !co_await files->commit(number)) co_return net::Message("refused");
    role->reloaded();
    const std::uint64_t generation = files == nullptr ? 0 : files->generation();
    log.info(event::generation_committed, {{"generation", generation}});
    co_return net::Message("ok").add("generation", std::to_string(generation));
  }
  if (request.verb == "drop") {
    if (files != nullptr) files->drop(number);
    log.error(event::generation_refused, {{"error", request.get("error")}});
    co_return net::Message("ok");
  }
  co_return net::Message("temporary").add("error", "not a question for this socket");
}

// One process of the server, asked by whoever reloads.
struct Asked {
  std::string socket;
  Result<net::Message> answer = fail(ErrorKind::closed, "no answer");
};

std::vector<Asked> list_asked(const config::Config& config) {
  std::vector<Asked> all;
  const auto specs = list_sockets(config);
  for (const SocketSpec& spec : specs ? *specs : std::vector<SocketSpec>{})
    if (spec.name.ends_with(".reload.sock")) all.push_back({.socket = spec.name});
  return all;
}

net::Awaitable<void> ask_one(net::LineChannel* channel, net::Message request,
                             std::chrono::milliseconds limit, Asked* asked) {
  asked->answer = co_await channel->ask(std::move(request), limit);
  channel->close();
}

// All at once.
void ask_all(const config::Config& config, std::vector<Asked>& all, const net::Message& request,
             std::chrono::milliseconds limit) {
  net::OwnLoop loop;
  std::vector<std::unique_ptr<net::LineChannel>> channels;
  for (Asked& asked : all) {
    channels.push_back(
        std::make_unique<net::LineChannel>(loop.scope(), run_socket(config, asked.socket)));
    loop.scope().spawn(ask_one(channels.back().get(), request, limit, &asked));
  }
  loop.run();
}

// These read nothing of the administrator's, and nothing waits for them.
void leave_out_bystanders(std::vector<Asked>& all) {
  std::erase_if(all, [](const Asked& asked) {
    return asked.socket.starts_with("trail-") || asked.socket.starts_with("acme-");
  });
}

// One reload at a time: two would each drop what the other has prepared.
Result<File> lock_reload(const config::Config& config) {
  // The folder itself: root and the service can open it, other accounts can only pass through.
  const Path& path = config.paths.run;
  File file(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return fail_errno("open", path.native(), errno);
  const SteadyTime end = Clock::system().steady_now() + kPrepareMax;
  while (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (Clock::system().steady_now() > end)
      return fail(ErrorKind::timeout, "another reload does not end");
    std::this_thread::sleep_for(20ms);
  }
  return file;
}

}  // namespace

void serve_generation(net::Scope& scope, Listeners& listeners, Role& role) {
  listeners.answer(scope, role.kind(), "reload",
                   [&role](net::Message request) { return answer(&role, std::move(request)); });
}

bool are_all_answering(const config::Config& config) {
  std::vector<Asked> all = list_asked(config);
  leave_out_bystanders(all);
  ask_all(config, all, net::Message("status"), 5s);
  return std::ranges::all_of(all, [](const Asked& asked) { return asked.answer.has_value(); });
}

Result<Reloaded> reload_all(const config::Config& config) {
  TRY(const auto pid, find_instance(config));
  if (!pid)
    return fail(ErrorKind::closed, fmt::format("the server is not running (no instance on {})",
                                               config.paths.run.native()));
  std::vector<Asked> all = list_asked(config);
  leave_out_bystanders(all);
  TRY(const File lock, lock_reload(config));
  const std::string number = random_hex(8);
  Reloaded reloaded;
  ask_all(config, all, net::Message("prepare").add("number", number), kPrepareMax);
  std::string refusal;
  for (const Asked& asked : all) {
    if (!asked.answer) {
      refusal = fmt::format("{} does not answer: {}", asked.socket, asked.answer.error().what);
      reloaded.findings.push_back({"", refusal});
      continue;
    }
    take_findings(*asked.answer, reloaded.findings);
    if (asked.answer->verb != "ok") refusal = "what was edited does not fit together";
  }
  if (!refusal.empty()) {
    ask_all(config, all, net::Message("drop").add("number", number).add("error", refusal),
            kCommitMax);
    return reloaded;
  }
  ask_all(config, all, net::Message("commit").add("number", number), kCommitMax);
  reloaded.is_committed = true;
  for (const Asked& asked : all) {
    // One that died since then comes back with the same files.
    if (!asked.answer || asked.answer->verb != "ok")
      reloaded.findings.push_back(
          {"", fmt::format("{} could not be told to use what it has prepared", asked.socket),
           "posthorn reload"});
    else if (asked.socket.starts_with("lookup"))
      reloaded.generation = asked.answer->get("generation");
  }
  return reloaded;
}

net::Awaitable<void> reload_here(const std::vector<Role*>& roles) {
  const std::string number = random_hex(8);
  bool is_usable = true;
  for (Role* role : roles)
    if (net::WatchedFiles* files = role->files())
      is_usable = (co_await files->prepare(number)).is_usable && is_usable;
  for (Role* role : roles) {
    net::WatchedFiles* files = role->files();
    if (files == nullptr) continue;
    if (!is_usable) {
      files->drop(number);
    } else {
      (void)co_await files->commit(number);
      role->reloaded();
    }
  }
  if (!is_usable)
    log::Logger{}.error(event::generation_refused,
                        {{"error", "what was edited does not fit together"}});
}

}  // namespace posthorn::process
