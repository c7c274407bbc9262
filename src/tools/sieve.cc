#include "tools/sieve.h"

#include <fmt/format.h>
#include <functional>
#include <iostream>
#include <iterator>
#include <set>
#include <sysexits.h>

#include "process/roles.h"
#include "tools/account_name.h"
#include "tools/complain.h"
#include "tools/script_work.h"
#include "tools/settings.h"
#include "tools/store_desk.h"

namespace posthorn::tools {
namespace {

using Work = std::function<net::Task<>(Desk desk)>;

// Whoever changes a script opens the account, which makes what it lacks.
enum class Manner { look, open };

// Who never had mail has no scripts.
net::Task<net::Message> answer_for_nobody(net::Message request) {
  if (request.verb == "scripts") co_return net::Message("ok");
  co_return fail(ErrorKind::permanent, "there is no script of this name");
}

net::Task<> work_at(StoreDesk* desk, const std::string* user, Manner manner, const Work* work) {
  const Desk ask(
      [desk, user](net::Message request) { return desk->ask(*user, std::move(request), 60s); });
  CO_TRY(const auto opened,
         co_await ask(net::Message(manner == Manner::look ? "look" : "open").add("user", *user)));
  if (opened.verb == "none") co_return co_await (*work)(Desk(answer_for_nobody));
  co_return co_await (*work)(ask);
}

int run(const config::Config& config, const SieveOptions& options, Manner manner,
        const Work& work) {
  const auto user = find_account_name(config, options.user);
  if (!user) return complain(user.error().what);
  const auto done =
      work_at_store(config, [&](StoreDesk& desk) { return work_at(&desk, &*user, manner, &work); });
  if (done) return 0;
  return complain(done.error().what, done.error().kind == ErrorKind::temporary ? EX_TEMPFAIL : 1);
}

Result<std::string> read_input(const Path& file) {
  if (file != "-") {
    TRY(auto text, read_file(file, scripts::kScriptSizeMax));
    if (!text) return fail(ErrorKind::permanent, file.native() + ": there is no such file");
    return *std::move(text);
  }
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.size() > scripts::kScriptSizeMax)
    return fail(ErrorKind::permanent, "a script has 1 MiB at most");
  return text;
}

using Names = std::set<std::string, std::less<>>;

// Of the lists that a script may ask (RFC 6134).
Names list_names(const config::Config& config) {
  Names names;
  for (const auto& [name, table] : config.sieve.lists) names.insert(name);
  return names;
}

// false: it has a fault, which was told.
bool has_passed(std::string_view file, std::string_view text, const Names& lists) {
  const scripts::Checked checked = scripts::check_script(text, lists);
  fmt::print(stderr, "{}{}", format_faults_in(file, checked.faults),
             format_faults_in(file, checked.warnings));
  return checked.faults.empty();
}

net::Task<> activate(Desk desk, std::string name) {
  CO_TRY_OK(co_await desk(net::Message("script-activate").add("name", name)));
  co_return Result<>{};
}

}  // namespace

int list_scripts(const config::Config& config, const SieveOptions& options) {
  return run(config, options, Manner::look, [](Desk desk) -> net::Task<> {
    CO_TRY(const ScriptList list, co_await list_scripts_of(std::move(desk)));
    for (const std::string& name : list.names)
      fmt::print("{} {}\n", name == list.active ? "*" : " ", name);
    co_return Result<>{};
  });
}

int show_script(const config::Config& config, const SieveOptions& options) {
  return run(config, options, Manner::look, [&options](Desk desk) -> net::Task<> {
    std::string name = options.name;
    if (name.empty()) {
      CO_TRY(const ScriptList list, co_await list_scripts_of(desk));
      if (list.active.empty())
        co_return fail(ErrorKind::permanent, "no script is active; name one");
      name = list.active;
    }
    CO_TRY(const std::string text, co_await read_script(desk, name));
    fmt::print("{}", text);
    co_return Result<>{};
  });
}

int put_script(const config::Config& config, const SieveOptions& options) {
  const auto text = read_input(options.file);
  if (!text) return complain(text.error().what);
  const std::string name =
      !options.name.empty() ? options.name : options.file.filename().stem().native();
  if (name == "-") return complain("name the script with --name", EX_USAGE);
  if (!has_passed(options.file.native(), *text, list_names(config))) return 1;
  return run(config, options, Manner::open, [&](Desk desk) -> net::Task<> {
    CO_TRY_OK(co_await put_script(desk, name, *text));
    if (options.and_activate) CO_TRY_OK(co_await activate(desk, name));
    co_return Result<>{};
  });
}

int activate_script(const config::Config& config, const SieveOptions& options) {
  return run(config, options, Manner::open, [&](Desk desk) -> net::Task<> {
    CO_TRY(const std::string text, co_await read_script(desk, options.name));
    if (!has_passed(options.name + ".sieve", text, list_names(config)))
      co_return fail(ErrorKind::permanent, "a script with a fault is not made active");
    co_return co_await activate(desk, options.name);
  });
}

int deactivate_script(const config::Config& config, const SieveOptions& options) {
  return run(config, options, Manner::open,
             [](Desk desk) { return activate(std::move(desk), ""); });
}

int remove_script(const config::Config& config, const SieveOptions& options) {
  return run(config, options, Manner::open, [&options](Desk desk) -> net::Task<> {
    CO_TRY_OK(co_await desk(net::Message("script-remove").add("name", options.name)));
    co_return Result<>{};
  });
}

int check_scripts(const SieveOptions& options) {
  Names lists;
  if (!options.config.empty()) {
    const auto config = find_config(options.config);
    if (!config) return complain(config.error().what, process::kExitConfig);
    lists = list_names(*config);
  }
  int status = 0;
  for (const Path& file : options.files) {
    const auto text = read_input(file);
    if (!text)
      status = complain(text.error().what);
    else if (!has_passed(file.native(), *text, lists))
      status = 1;
  }
  return status;
}

}  // namespace posthorn::tools
