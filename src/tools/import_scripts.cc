#include "tools/import_scripts.h"

#include <algorithm>
#include <fmt/format.h>

#include "tools/script_work.h"
#include "tools/store_desk.h"

namespace posthorn::tools {
namespace {

using Script = takeover::Plan::Script;

net::Task<> put_one(Desk desk, const Script* script) {
  CO_TRY_OK(co_await desk(net::Message("open").add("user", script->account)));
  CO_TRY(const ScriptList there, co_await list_scripts_of(desk));
  if (std::ranges::find(there.names, script->name) != there.names.end()) {
    fmt::print("kept     {} of {}\n", script->name, script->account);
    co_return Result<>{};
  }
  CO_TRY_OK(co_await put_script(desk, script->name, script->text));
  if (script->is_active && there.active.empty())
    CO_TRY_OK(co_await desk(net::Message("script-activate").add("name", script->name)));
  fmt::print("made     {} of {}{}\n", script->name, script->account,
             script->is_active && there.active.empty() ? ", active" : "");
  co_return Result<>{};
}

net::Task<> put_all(StoreDesk* desk, const std::vector<Script>* scripts) {
  for (const Script& script : *scripts) {
    const Desk ask([desk, &script](net::Message request) {
      return desk->ask(script.account, std::move(request), 60s);
    });
    CO_TRY_OK(co_await put_one(ask, &script));
  }
  co_return Result<>{};
}

}  // namespace

Result<> import_scripts(const config::Config& config, const std::vector<Script>& scripts) {
  if (scripts.empty()) return {};
  return work_at_store(config, [&](StoreDesk& desk) { return put_all(&desk, &scripts); });
}

}  // namespace posthorn::tools
