#include "tools/import_files.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/file.h"
#include "maps/table.h"

namespace posthorn::tools {
namespace {

constexpr std::uint64_t kFileMax = 256U << 20U;

// The lines of a TOML file, each with the section that it stands in.
template <class F>
void for_each_line(std::string_view toml, F line_of) {
  std::string section;
  while (!toml.empty()) {
    const std::size_t size = std::min(toml.find('\n'), toml.size() - 1) + 1;
    const std::string_view line = toml.substr(0, size);
    toml.remove_prefix(size);
    const std::string_view text = trim(line.substr(0, line.find('#')), " \t\r\n");
    if (text.starts_with('[') && text.ends_with(']')) section = text.substr(1, text.size() - 2);
    const std::size_t equals = text.find('=');
    const bool is_header = text.starts_with('[');
    const std::string key = is_header || equals == std::string_view::npos
                                ? ""
                                : std::string(trim(text.substr(0, equals), " \t"));
    line_of(line, section, key);
  }
}

Result<std::string> text_or_none(const Path& file) {
  TRY(auto text, read_file(file, kFileMax));
  return text ? *std::move(text) : std::string();
}

std::string with_end(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

}  // namespace

Result<> replace_keeping_rights(const Path& file, std::string_view text, unsigned mode) {
  struct stat st{};
  const bool is_there = ::lstat(file.c_str(), &st) == 0;
  if (is_there && !S_ISREG(st.st_mode))
    return fail(ErrorKind::config, fmt::format("{}: it is no file", file.native()));
  const Path made = file.native() + ".import";
  TRY_OK(replace_file(Disk::real(), made, text, is_there ? st.st_mode & 07777U : mode));
  if (is_there && geteuid() == 0 && ::chown(made.c_str(), st.st_uid, st.st_gid) != 0)
    return fail_errno("chown", made.native(), errno);
  if (::chmod(made.c_str(), is_there ? st.st_mode & 07777U : mode) != 0)
    return fail_errno("chmod", made.native(), errno);
  return Disk::real().rename(made, file);
}

Result<> add_lines(const Path& table, const std::vector<takeover::Entry>& entries) {
  TRY(std::string text, text_or_none(table));
  std::set<std::string> known;
  for (const maps::Entry& entry : maps::parse_text(text, table.native()).entries)
    known.insert(entry.key);
  takeover::Plan more;
  for (const takeover::Entry& entry : entries)
    if (!known.contains(to_lower(entry.key))) more.add("more", entry);
  const std::string added = more.to_text("more");
  if (added.empty()) return {};
  const bool is_secret = table.filename() == "relay-sasl";
  TRY_OK(replace_keeping_rights(table, with_end(std::move(text)) + added, is_secret ? 0640 : 0644));
  fmt::print("added    to {}: {}\n", table.native(), more.tables().at("more").size());
  return {};
}

Result<> add_accounts(const Path& users,
                      const std::vector<std::pair<std::string, std::string>>& accounts) {
  TRY(std::string text, text_or_none(users));
  std::set<std::string> known;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    known.insert(to_lower(line.substr(0, line.find(':'))));
  }
  std::string added;
  std::size_t count = 0;
  for (const auto& [address, line] : accounts) {
    if (known.contains(to_lower(address))) continue;
    added += fmt::format("{}:{}\n", address, line);
    ++count;
  }
  if (added.empty()) return {};
  TRY_OK(replace_keeping_rights(users, with_end(std::move(text)) + added, 0640));
  fmt::print("added    to {}: {}\n", users.native(), count);
  return {};
}

Result<> put_file(const Path& place, const takeover::Plan::File& file) {
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::symlink_status(place, error))) {
    fmt::print("kept     {}\n", place.native());
    return {};
  }
  TRY_OK(make_folders(Disk::real(), place.parent_path(), 0755));
  TRY_OK(replace_keeping_rights(place, file.text, file.mode));
  fmt::print("made     {}\n", place.native());
  return {};
}

Result<> put_copy(const Path& folder, const takeover::Copy& copy) {
  TRY(const auto text, read_file(copy.from, kFileMax));
  if (!text)
    return fail(ErrorKind::config, fmt::format("{}: there is no such file", copy.from.native()));
  return put_file(folder / copy.to, {.text = *text, .mode = copy.mode});
}

std::optional<std::string> find_setting(std::string_view toml, std::string_view section,
                                        std::string_view key) {
  std::optional<std::string> found;
  for_each_line(toml, [&](std::string_view line, const std::string& at, const std::string& name) {
    if (at == section && name == key)
      found = std::string(trim(line.substr(line.find('=') + 1), " \t\r\n"));
  });
  return found;
}

Result<std::string> with_settings(std::string_view toml, Settings settings) {
  const auto lines_of = [](const std::string& key, const takeover::Plan::Setting& setting) {
    const std::string comment = setting.source.empty() ? "" : "# " + setting.source + "\n";
    return fmt::format("{}{} = {}\n", comment, key.substr(key.rfind('.') + 1), setting.value);
  };
  std::string out, open;  // open: a setting that goes on in further lines
  std::set<std::string> sections;
  for_each_line(toml,
                [&](std::string_view line, const std::string& section, const std::string& name) {
                  sections.insert(section);
                  const std::string key = section + "." + name;
                  const auto found = name.empty() ? settings.end() : settings.find(key);
                  if (found == settings.end()) {
                    out += line;
                    return;
                  }
                  if (std::ranges::count(line, '[') != std::ranges::count(line, ']')) open = key;
                  out += lines_of(key, found->second);
                  settings.erase(found);
                });
  if (!open.empty())
    return fail(ErrorKind::permanent,
                fmt::format("{} stands there in several lines: write it in one", open));
  out = with_end(std::move(out));
  // Those that do not stand there yet: below their section's name, or in one of their own.
  while (!settings.empty()) {
    const std::string section =
        settings.begin()->first.substr(0, settings.begin()->first.rfind('.'));
    std::string more;
    std::erase_if(settings, [&](const auto& one) {
      const bool is_of_it = one.first.substr(0, one.first.rfind('.')) == section;
      if (is_of_it) more += lines_of(one.first, one.second);
      return is_of_it;
    });
    const std::string header = "[" + section + "]\n";
    const std::size_t at = sections.contains(section) ? out.find(header) : std::string::npos;
    if (at == std::string::npos)
      out += "\n" + header + more;
    else
      out.insert(at + header.size(), more);
  }
  return out;
}

}  // namespace posthorn::tools
