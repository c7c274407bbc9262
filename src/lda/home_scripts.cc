#include "lda/home_scripts.h"

#include "config/account_path.h"
#include "scripts/script_folder.h"

namespace posthorn::lda {
namespace {

Result<scripts::ScriptFolder> folder_of(const config::Config& config, const std::string& account) {
  TRY(Path maildir, config::account_path(config.paths.mail, config.store.location, account));
  return scripts::ScriptFolder(std::move(maildir));
}

}  // namespace

Result<std::optional<ScriptStorage::Active>> HomeScripts::find_active(
    const std::string& account, const std::string& known_stamp) {
  TRY(auto folder, folder_of(config_, account));
  TRY(auto active, folder.find_active(known_stamp));
  if (!active) return std::nullopt;
  return Active{std::move(active->name), std::move(active->text), std::move(active->stamp)};
}

Result<std::optional<std::string>> HomeScripts::find_text(const std::string& account,
                                                          const std::string& name) {
  TRY(auto folder, folder_of(config_, account));
  return folder.find_text(name);
}

}  // namespace posthorn::lda
