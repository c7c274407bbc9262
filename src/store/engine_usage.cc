// What an account holds, for quotas. The index keeps it for every mailbox that it knows; here the
// others are made known, and what other programs dropped or took away meanwhile is found by the
// times of the folders: no message is looked at that was counted before.
#include <algorithm>

#include "base/events.h"
#include "store/engine.h"

namespace posthorn::store {

Result<> Engine::count_usage(Changes& changes) {
  TRY_OK(ensure_open());
  TRY(auto names, mailbox_names());
  // One whose folder another program removed is forgotten when it is looked for.
  for (const auto& [name, state] : states_)
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  is_usage_whole_ = true;
  for (const std::string& name : names) {
    const auto known = states_.find(name);
    if (known != states_.end()) {
      const State& state = known->second;
      const bool is_due = state.verify_at && std::chrono::steady_clock::now() >= *state.verify_at;
      if (!is_due && state.row.in_new != Stamp{} &&
          stamp_of(state.path / "new") == state.row.in_new &&
          stamp_of(state.path / "cur") == state.row.in_cur)
        continue;
    }
    const auto looked = [&]() -> Result<> {
      TRY(State * state, find(name, changes));
      if (state == nullptr) return {};
      return sync(*state, RefreshMode::quick, changes);
    }();
    // One folder that cannot be read is no reason to refuse mail for the others.
    if (!looked)
      log_.warn(event::store_failed, {{"mailbox", name}, {"error", looked.error().what}});
  }
  usage_told_at_ = -1;
  return {};
}

std::optional<std::vector<MailboxUsage>> Engine::take_usage_news() {
  if (!is_usage_whole_ || !index_.is_open() || index_.changes() == usage_told_at_)
    return std::nullopt;
  auto usage = index_.usage();
  if (!usage) {
    log_.warn(event::store_index_failed, {{"error", usage.error().what}});
    return std::nullopt;
  }
  usage_told_at_ = index_.changes();
  return *std::move(usage);
}

}  // namespace posthorn::store
