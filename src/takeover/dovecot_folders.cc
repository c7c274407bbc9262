// Namespaces and mailboxes: the separator that clients see, folders with a use, folders that are
// made for everybody. One folder has a use here, and there is one namespace: the user's own.
#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

struct Use {
  std::string_view name, key;
};
constexpr Use kUses[] = {{"\\drafts", "store.drafts"},
                         {"\\sent", "store.sent"},
                         {"\\trash", "store.trash"},
                         {"\\junk", "store.junk"},
                         {"\\archive", "store.archive"}};

class Folders {
 public:
  explicit Folders(DovecotMapping& mapping) : m_(mapping) {}

  void map() {
    bool has_mailboxes = false;
    for (const DovecotBlock& block : m_.root().blocks) {
      if (block.type != "namespace") continue;
      const std::string type = to_lower(block.value_of("type"));
      if (type == "shared" || type == "public") {
        m_.tell_all(block, Fate::not_possible,
                    "mailboxes are not shared here: copy what lies there into an account");
        continue;
      }
      const bool is_own = is_yes(block.value_of("inbox")) || count_of("namespace") == 1;
      if (!is_own) {
        m_.tell_all(
            block, Fate::not_possible,
            "there is one namespace here: `posthorn import maildir` brings what lies there");
        continue;
      }
      map_own(block);
      has_mailboxes = true;
    }
    if (!has_mailboxes) return;
    // A use that Dovecot gave no folder has none here.
    for (std::size_t i = 0; i < taken_.size(); ++i)
      if (taken_.at(i).empty()) m_.set(kUses[i].key, std::string());
    if (!also_.empty()) m_.set("store.also_create", also_);
  }

 private:
  std::size_t count_of(std::string_view type) const {
    return static_cast<std::size_t>(
        std::ranges::count(m_.root().blocks, type, &DovecotBlock::type));
  }

  void map_own(const DovecotBlock& block) {
    m_.tell(block.find("inbox"), Fate::already_so, "it is the namespace of each account");
    m_.tell(block.find("type"), Fate::already_so, "it is the namespace of each account");
    const std::string separator = block.value_of("separator");
    if (separator == "." || separator == "/") m_.set("imap.separator", separator);
    m_.tell(block.find("separator"),
            separator == "." || separator == "/" ? Fate::taken : Fate::not_possible,
            separator == "." || separator == "/"
                ? fmt::format("imap.separator = \"{}\"", separator)
                : "clients see . between levels; / is possible (imap.separator)");
    const std::string prefix = block.value_of("prefix");
    m_.tell(block.find("prefix"), prefix.empty() ? Fate::already_so : Fate::not_possible,
            prefix.empty()
                ? "names have no prefix"
                : fmt::format("clients see X where they saw {}X: whoever set a prefix by "
                              "hand in a mail program takes it out",
                              prefix));
    for (const std::string_view name :
         {"hidden", "list", "subscriptions", "order", "alias_for", "ignore_on_failure", "disabled"})
      m_.tell(block.find(name), Fate::not_needed, "there is one namespace, and it is listed");
    m_.tell(block.find("location"), Fate::not_needed, "mail_location says it");
    // A folder that is made for everybody before one that is not.
    for (const bool is_made : {true, false})
      for (const DovecotBlock& mailbox : block.blocks)
        if (mailbox.type == "mailbox" && is_made == is_made_for_all(mailbox))
          map_mailbox(mailbox, prefix, separator);
  }

  static bool is_made_for_all(const DovecotBlock& mailbox) {
    const std::string made = mailbox.value_of("auto");
    return made == "create" || made == "subscribe";
  }
  // As the store names it: without the prefix, with dots.
  static std::string name_of(std::string name, const std::string& prefix,
                             const std::string& separator) {
    if (!prefix.empty() && name.starts_with(prefix)) name = name.substr(prefix.size());
    if (separator == "/") std::ranges::replace(name, '/', '.');
    return name;
  }

  void map_mailbox(const DovecotBlock& mailbox, const std::string& prefix,
                   const std::string& separator) {
    const DovecotSetting* const use_setting = mailbox.find("special_use");
    const DovecotSetting* const made = mailbox.find("auto");
    const std::string name = name_of(mailbox.name, prefix, separator);
    m_.tell(
        mailbox.find("autoexpunge"), Fate::not_possible,
        fmt::format("nothing is removed by age here: a job that does \"doveadm expunge\" has no "
                    "counterpart for {}",
                    name));
    for (const std::string_view one : {"comment", "autoexpunge_max_mails"})
      m_.tell(mailbox.find(one), Fate::not_needed, "it changes nothing without its setting");
    m_.tell(mailbox.find("driver"), Fate::not_possible, "every folder is a maildir");
    const std::vector<std::string> words =
        words_of(to_lower(use_setting == nullptr ? "" : use_setting->value));
    bool is_used = false;
    for (const std::string& word : words) {
      const auto* const use = std::ranges::find(kUses, word, &Use::name);
      if (use == std::end(kUses)) {
        m_.tell(use_setting, Fate::not_possible,
                fmt::format("{} is no use of a folder here", word));
        continue;
      }
      std::string& taken = taken_.at(static_cast<std::size_t>(use - kUses));
      if (!taken.empty() && taken != name) {
        m_.tell(use_setting, Fate::not_possible,
                fmt::format("one folder has this use: {} ({}); {} is a folder like others", taken,
                            use->key, name));
        continue;
      }
      taken = name;
      is_used = true;
      m_.set(use->key, name);
      m_.tell(use_setting, Fate::taken,
              fmt::format("{} = \"{}\"; it is made at the first login", use->key, name));
    }
    if (is_used) return m_.tell(made, Fate::already_so, "it is made and subscribed for everybody");
    if (!is_made_for_all(mailbox))
      return m_.tell(made, Fate::already_so, "it is made by whoever wants it");
    also_.push_back(name);
    m_.tell(made, Fate::taken, fmt::format("store.also_create has \"{}\"", name));
  }

  DovecotMapping& m_;
  std::array<std::string, std::size(kUses)> taken_;
  std::vector<std::string> also_;
};

}  // namespace

void map_folders(DovecotMapping& mapping) {
  Folders(mapping).map();
}

}  // namespace posthorn::takeover
