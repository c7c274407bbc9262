#include "takeover/dovecot_conf.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <glob.h>

#include "base/ascii.h"
#include "takeover/dovecot_line.h"

namespace posthorn::takeover {
namespace {

constexpr std::size_t kDepthMax = 20;     // files that include one another
constexpr std::size_t kFilesMax = 1000;   // in all
constexpr std::size_t kBlocksMax = 16;    // in one another
constexpr std::size_t kFaultsMax = 1000;  // told
constexpr std::uint64_t kFileMax = 4U << 20U;
constexpr std::string_view kMark = "\xEF\xBB\xBF";  // an editor's byte order mark

using Kind = DovecotLine::Kind;
using Value = DovecotLine::Value;

// Without a name these are a new block each time they stand there.
constexpr std::string_view kAlwaysNew[] = {"passdb", "userdb", "namespace"};
// Blocks that have no name: what follows the / in "plugin/sieve = …" is a setting's name.
constexpr std::string_view kNameless[] = {"plugin", "dict"};

// What a setting that was not set is where it is added to ("protocols = $protocols imap").
struct Default {
  std::string_view name, value;
};
constexpr Default kDefaults[] = {
    {"mail_plugins", ""},
    {"protocols", ""},
    {"auth_mechanisms", "plain"},
    {"imap_capability", ""},
    {"imap_client_workarounds", ""},
    {"listen", "*, ::"},
    {"login_trusted_networks", ""},
    {"mail_location", ""},
};

class Globbed {
 public:
  explicit Globbed(const std::string& pattern)
      : status_(::glob(pattern.c_str(), GLOB_BRACE, nullptr, &found_)) {}
  Globbed(const Globbed&) = delete;
  Globbed& operator=(const Globbed&) = delete;
  ~Globbed() { ::globfree(&found_); }
  std::vector<Path> paths() const {
    if (status_ != 0) return {};
    return {found_.gl_pathv, found_.gl_pathv + found_.gl_pathc};
  }

 private:
  glob_t found_{};
  int status_;
};

class Reader {
 public:
  Result<DovecotConf> read(const Path& file) {
    TRY(const auto text, read_file(file, kFileMax));
    if (!text)
      return fail(ErrorKind::config, fmt::format("{}: there is no such file", file.native()));
    read_text(*text, file);
    if (open_.size() > 1)
      tell(open_.back().file, open_.back().line, "the block that begins here does not end");
    if (conf_.is_2_4()) expand_all(conf_.root);
    return std::move(conf_);
  }

 private:
  // A block is named by its way from the root: blocks move as others are added.
  struct Open {
    std::vector<std::size_t> way;
    std::string file;
    std::size_t line = 0;
  };
  DovecotBlock& block_at(const std::vector<std::size_t>& way) {
    DovecotBlock* block = &conf_.root;
    for (const std::size_t at : way) block = &block->blocks[at];
    return *block;
  }
  DovecotBlock& here() { return block_at(open_.back().way); }

  void tell(const std::string& file, std::size_t line, std::string_view reason,
            config::Weight weight = config::Weight::warning) {
    if (conf_.faults.size() < kFaultsMax)
      conf_.faults.push_back({fmt::format("{}:{}", file, line), std::string(reason), "", weight});
  }

  void read_text(std::string_view text, const Path& file) {
    conf_.files.push_back(file);
    including_.push_back(file.lexically_normal());
    if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
    std::string pending;
    for (line_ = 1; !text.empty(); ++line_) {
      const std::size_t lf = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, lf);
      text.remove_prefix(std::min(lf + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      const std::size_t number = line_;
      take(read_dovecot_line(line, pending), file);
      line_ = number;
    }
    if (!pending.empty()) tell(file.native(), line_, "the file ends in a line that goes on");
    including_.pop_back();
  }

  void take(const DovecotLine& line, const Path& file) {
    switch (line.kind) {
      case Kind::nothing:
      case Kind::goes_on:
        return;
      case Kind::fault:
        return tell(file.native(), line_, line.value);
      case Kind::setting:
        return take_setting(line, file);
      case Kind::block:
        return begin_block(line, file);
      case Kind::block_end:
        if (open_.size() == 1) return tell(file.native(), line_, "this } ends no block");
        return open_.pop_back();
      case Kind::include:
      case Kind::include_try:
        return include(line, file);
    }
  }

  void begin_block(const DovecotLine& line, const Path& file) {
    if (open_.size() > kBlocksMax)
      tell(file.native(), line_, fmt::format("more than {} blocks in one another", kBlocksMax));
    Open open = open_.back();
    open.file = file.native();
    open.line = line_;
    // Beyond the bound what stands in it is the outer block's: the } must find its {.
    if (open_.size() <= kBlocksMax) {
      const bool is_new =
          line.value.empty() && std::ranges::find(kAlwaysNew, line.name) != std::end(kAlwaysNew);
      open.way.push_back(place_of(here(), line.name, line.value, is_new, file));
    }
    open_.push_back(std::move(open));
  }
  std::size_t place_of(DovecotBlock& parent, const std::string& type, const std::string& name,
                       bool is_new, const Path& file) {
    const auto found = std::ranges::find_if(parent.blocks, [&](const DovecotBlock& block) {
      return !is_new && block.type == type && block.name == name;
    });
    if (found != parent.blocks.end())
      return static_cast<std::size_t>(found - parent.blocks.begin());
    parent.blocks.push_back({type, name, file.native(), line_, {}, {}});
    return parent.blocks.size() - 1;
  }

  // A block's setting, named from outside: "plugin/sieve", "service/x/inet_listener/y/port".
  std::pair<DovecotBlock*, std::string> owner_of(const std::string& name, const Path& file) {
    DovecotBlock* block = &here();
    std::string_view rest = name;
    while (block->type != "plugin" && rest.find('/') != std::string_view::npos) {
      const std::string type(rest.substr(0, rest.find('/')));
      rest.remove_prefix(type.size() + 1);
      std::string block_name;
      if (std::ranges::find(kNameless, type) == std::end(kNameless)) {
        const std::size_t slash = rest.find('/');
        if (slash == std::string_view::npos) return {&here(), name};
        block_name = rest.substr(0, slash);
        rest.remove_prefix(slash + 1);
      }
      block = &block->blocks[place_of(*block, type, block_name, false, file)];
    }
    return {block, std::string(rest)};
  }

  void take_setting(const DovecotLine& line, const Path& file) {
    DovecotSetting setting{file.native(), line_, line.name, line.value, false};
    if (line.form == Value::file) {
      const Path path = line.value;
      setting.value = path.is_absolute() ? path.native() : (file.parent_path() / path).native();
      setting.is_path = true;
    } else if (line.form != Value::quoted) {
      setting.value = conf_.is_2_4() ? expand_own(setting) : expand(setting);
    }
    auto [block, name] = owner_of(line.name, file);
    setting.name = std::move(name);
    if (block == &conf_.root && setting.name == "dovecot_config_version")
      conf_.version = setting.value;
    const bool is_group = conf_.is_2_4() && setting.name.starts_with('@');
    const std::string group = fmt::format("{} {}", setting.name, setting.value);
    block->settings.push_back(std::move(setting));
    if (is_group) take_group(*block, group, block->settings.back());
  }
  // 2.4: "@mysql = default": all that stands in "group @mysql default { … }".
  void take_group(DovecotBlock& block, const std::string& name, const DovecotSetting& asking) {
    const DovecotBlock* found = conf_.root.find_block("group", name);
    if (found == nullptr)
      return tell(asking.file, asking.line, fmt::format("there is no group {} above", name));
    const DovecotBlock group = *found;
    merge(block, group);
  }
  static void merge(DovecotBlock& into, const DovecotBlock& from) {
    into.settings.insert(into.settings.end(), from.settings.begin(), from.settings.end());
    for (const DovecotBlock& inner : from.blocks) {
      const auto same = std::ranges::find_if(into.blocks, [&](const DovecotBlock& block) {
        return block.type == inner.type && block.name == inner.name;
      });
      if (same == into.blocks.end())
        into.blocks.push_back(inner);
      else
        merge(*same, inner);
    }
  }

  // The innermost open block that has it, then what is around it.
  const DovecotSetting* find_variable(std::string_view name) {
    for (auto open = open_.rbegin(); open != open_.rend(); ++open)
      if (const DovecotSetting* found = block_at(open->way).find(name)) return found;
    return nullptr;
  }
  std::string value_of_variable(std::string_view name, const DovecotSetting& asking) {
    constexpr std::string_view kEnvironment = "ENV:";
    if (name.starts_with(kEnvironment)) {
      const char* value = std::getenv(std::string(name.substr(kEnvironment.size())).c_str());
      return value == nullptr ? "" : value;
    }
    if (const DovecotSetting* found = find_variable(name)) return found->value;
    const auto* const usual = std::ranges::find(kDefaults, name, &Default::name);
    if (usual != std::end(kDefaults)) return std::string(usual->value);
    tell(asking.file, asking.line,
         fmt::format("${}: nothing sets {} above this line; it was taken as empty", name, name));
    return "";
  }
  static constexpr std::string_view kSet = "$SET:";
  // A word of its own, wherever it stands; get tells what it is, nullopt: it stays.
  template <typename Get>
  static std::string expand_words(std::string_view text, Get get) {
    std::string out;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' '), text.size());
      const std::string_view word = text.substr(0, end);
      const auto value = word.starts_with('$') ? get(word) : std::nullopt;
      out += value ? *value : std::string(word);
      if (end < text.size()) out += ' ';
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
  }
  // 2.3: all have the value that they have until here.
  std::string expand(const DovecotSetting& setting) {
    return expand_words(setting.value, [&](std::string_view word) -> std::optional<std::string> {
      return value_of_variable(word.substr(1), setting);
    });
  }
  // 2.4: a setting that names itself has the value that it had until here.
  std::string expand_own(const DovecotSetting& setting) {
    return expand_words(setting.value, [&](std::string_view word) -> std::optional<std::string> {
      if (word.starts_with("$ENV:")) return value_of_variable(word.substr(1), setting);
      if (word != fmt::format("{}{}", kSet, setting.name)) return std::nullopt;
      return value_of_variable(setting.name, setting);
    });
  }
  // The others have the value that stands there at the end.
  void expand_all(DovecotBlock& block) {
    for (DovecotSetting& setting : block.settings)
      if (!setting.is_path && setting.value.find(kSet) != std::string::npos)
        setting.value =
            expand_words(setting.value, [&](std::string_view word) -> std::optional<std::string> {
              if (!word.starts_with(kSet)) return std::nullopt;
              word.remove_prefix(kSet.size());
              const DovecotSetting* found = block.find(word);
              if (found == nullptr) found = conf_.root.find(word);
              return found == nullptr ? value_of_variable(word, setting) : found->value;
            });
    for (DovecotBlock& inner : block.blocks) expand_all(inner);
  }

  void include(const DovecotLine& line, const Path& file) {
    const bool is_try = line.kind == Kind::include_try;
    const Path given = line.value;
    const Path pattern = given.is_absolute() ? given : file.parent_path() / given;
    const std::size_t number = line_;
    const std::vector<Path> paths = Globbed(pattern.native()).paths();
    if (paths.empty() && !is_try)
      tell(file.native(), number,
           fmt::format("there is no file {}; Dovecot does not start so", pattern.native()));
    for (const Path& path : paths) {
      line_ = number;
      include_one(path, file);
    }
  }
  void include_one(const Path& path, const Path& from) {
    const auto tell_it = [&](std::string_view why) {
      tell(from.native(), line_, fmt::format("{} is not read: {}", path.native(), why));
    };
    if (std::ranges::find(including_, path.lexically_normal()) != including_.end())
      return tell_it("it includes itself");
    if (including_.size() >= kDepthMax)
      return tell_it(fmt::format("more than {} files include one another", kDepthMax));
    if (conf_.files.size() >= kFilesMax)
      return tell_it(fmt::format("there are more than {} files", kFilesMax));
    const auto text = read_file(path, kFileMax);
    if (!text) return tell_it(text.error().what);
    if (*text) read_text(**text, path);
  }

  DovecotConf conf_;
  std::vector<Open> open_ = {Open{}};
  std::vector<Path> including_;
  std::size_t line_ = 1;
};

}  // namespace

const DovecotSetting* DovecotBlock::find(std::string_view setting) const {
  const auto found =
      std::ranges::find(settings.rbegin(), settings.rend(), setting, &DovecotSetting::name);
  return found == settings.rend() ? nullptr : &*found;
}

std::string DovecotBlock::value_of(std::string_view setting) const {
  const DovecotSetting* found = find(setting);
  return found == nullptr ? std::string() : found->value;
}

const DovecotBlock* DovecotBlock::find_block(std::string_view of_type,
                                             std::string_view of_name) const {
  const auto found = std::ranges::find_if(blocks, [&](const DovecotBlock& block) {
    return block.type == of_type && block.name == of_name;
  });
  return found == blocks.end() ? nullptr : &*found;
}

Result<DovecotConf> read_dovecot_conf(const Path& file) {
  return Reader().read(file);
}

}  // namespace posthorn::takeover
