#include "config/config.h"

#include <fmt/format.h>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <toml++/toml.h>

#include "base/edit_distance.h"
#include "config/config_keys.h"
#include "config/environment.h"
#include "config/toml_precheck.h"
#include "config/toml_words.h"
#include "config/units.h"

namespace posthorn::config {
namespace {

// Takes values out of the parsed file; remembers the first fault and every key it was asked for.
class Reader final : public KeyVisitor {
 public:
  Reader(const toml::table& root, std::string file) : root_(root), file_(std::move(file)) {}

  void section(std::string_view name, std::string_view) override {
    section_ = name;
    sections_.insert(section_);
    table_ = nullptr;
    const toml::node* node = root_.get(name);
    if (node == nullptr) return;
    table_ = node->as_table();
    if (table_ == nullptr) refuse(*node, fmt::format("{} must be a table: [{}]", name, name));
  }
  void text(std::string_view key, std::string& value, std::string_view) override {
    if (const toml::node* node = find(key)) take_string(key, *node, value);
  }
  void score(std::string_view key, std::string& value, std::string_view) override {
    const toml::node* node = find(key);
    if (node == nullptr || !take_string(key, *node, value) || value.empty()) return;
    if (!parse_score(value))
      refuse_key(*node, fmt::format("{} is \"{}\", must be a number or empty", key, value));
  }
  void choice(std::string_view key, const ChoiceRef& value, std::string_view) override {
    const toml::node* node = find(key);
    std::string word;
    if (node == nullptr || !take_string(key, *node, word)) return;
    if (!value.set(word))
      refuse_key(*node, fmt::format("{} is \"{}\", must be one of: {}", key, word,
                                    fmt::join(value.words(), ", ")));
  }
  void path(std::string_view key, Path& value, std::string_view) override {
    std::string text_value = value.native();
    if (const toml::node* node = find(key); node != nullptr && take_string(key, *node, text_value))
      value = text_value;
  }
  void list(std::string_view key, std::vector<std::string>& value, std::string_view) override {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    std::vector<std::string> items;
    if (const auto* one = node->as_string()) {
      items.push_back(one->get());
    } else if (const toml::array* array = node->as_array()) {
      for (const toml::node& item : *array) {
        if (!item.is_string())
          return refuse_key(item, fmt::format("{} must hold texts in quotes", key));
        items.push_back(item.as_string()->get());
      }
    } else {
      return refuse_key(*node, fmt::format("{} must be a list of texts: [\"…\", \"…\"]", key));
    }
    value = std::move(items);
  }
  void names(std::string_view key, std::map<std::string, std::string>& value,
             std::string_view) override {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const toml::table* given = node->as_table();
    if (given == nullptr)
      return refuse_key(*node, fmt::format("{0} must be a table: [{1}.{0}]", key, section_));
    std::map<std::string, std::string> items;
    for (const auto& [name, item] : *given) {
      if (!item.is_string())
        return refuse_key(item, fmt::format("{}.{} must be a text in quotes", key, name.str()));
      items[std::string(name.str())] = item.as_string()->get();
    }
    value = std::move(items);
  }
  void flag(std::string_view key, bool& value, std::string_view) override {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_boolean()) return refuse_key(*node, fmt::format("{} must be true or false", key));
    value = node->as_boolean()->get();
  }
  void count(std::string_view key, std::size_t& value, std::size_t min, std::size_t max,
             std::string_view) override {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_integer())
      return refuse_key(*node, fmt::format("{} must be a whole number", key));
    const std::int64_t n = node->as_integer()->get();
    if (n < 0 || static_cast<std::size_t>(n) < min || static_cast<std::size_t>(n) > max)
      return refuse_key(*node, fmt::format("{} is {}, must be {} to {}", key, n, min, max));
    value = static_cast<std::size_t>(n);
  }
  void bytes(std::string_view key, Bytes& value, Bytes min, Bytes max, std::string_view) override {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    std::optional<std::uint64_t> n;
    if (const auto* number = node->as_integer(); number != nullptr && number->get() >= 0)
      n = static_cast<std::uint64_t>(number->get());
    if (const auto* words = node->as_string()) n = parse_size(words->get());
    if (!n)
      return refuse_key(*node,
                        fmt::format("{} must be a size, as 1024 or \"50MB\" (B, KB, MB, GB)", key));
    if (*n < min || *n > max)
      return refuse_key(
          *node, fmt::format("{} must be {} to {}", key, format_size(min), format_size(max)));
    value = *n;
  }
  void duration(std::string_view key, Duration& value, Duration min, Duration max,
                std::string_view) override {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    std::optional<Duration> time;
    if (const auto* words = node->as_string()) time = parse_duration(words->get());
    if (!time)
      return refuse_key(*node, fmt::format("{} must be a time, as \"30s\" (ms, s, m, h, d)", key));
    if (*time < min || *time > max)
      return refuse_key(*node, fmt::format("{} must be {} to {}", key, format_duration(min),
                                           format_duration(max)));
    value = *time;
  }

  // After the visit: what stands in the file and is no key.
  void refuse_unknown() {
    for (const auto& [name, node] : root_) {
      if (!sections_.contains(std::string(name.str()))) {
        refuse_unknown(node, "section", std::string(name.str()), sections_);
        continue;
      }
      const toml::table* table = node.as_table();
      if (table == nullptr) continue;
      for (const auto& [key, value] : *table)
        if (!keys_[std::string(name.str())].contains(std::string(key.str())))
          refuse_unknown(value, "key", std::string(key.str()), keys_[std::string(name.str())]);
    }
  }

  const std::optional<Error>& fault() const { return fault_; }

 private:
  const toml::node* find(std::string_view key) {
    keys_[section_].insert(std::string(key));
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  bool take_string(std::string_view key, const toml::node& node, std::string& value) {
    if (!node.is_string()) {
      refuse_key(node, fmt::format("{} must be a text in quotes", key));
      return false;
    }
    value = node.as_string()->get();
    return true;
  }
  void refuse_key(const toml::node& node, std::string_view reason) {
    refuse(node, fmt::format("{}.{}", section_, reason));
  }
  void refuse_unknown(const toml::node& node, std::string_view what, const std::string& name,
                      const std::set<std::string>& known) {
    const std::string near = nearest(name, known);
    refuse(node, fmt::format("unknown {} \"{}\"{}", what, name,
                             near.empty() ? "; `posthorn defaults` prints all"
                                          : fmt::format(", did you mean \"{}\"?", near)));
  }
  void refuse(const toml::node& node, std::string reason) {
    // The first in the order of the file's lines is the one to mend first.
    const auto line = node.source().begin.line;
    if (fault_ && fault_line_ <= line) return;
    fault_line_ = line;
    fault_ = Error{ErrorKind::config, fmt::format("{}:{}: {}", file_, line, reason)};
  }

  const toml::table& root_;
  std::string file_;
  std::string section_;
  const toml::table* table_ = nullptr;
  std::set<std::string> sections_;
  std::map<std::string, std::set<std::string>> keys_;
  std::optional<Error> fault_;
  toml::source_index fault_line_ = 0;
};

// A variable's text as the value that its key wants; what does not fit stays a text, which the
// Reader then refuses with its reason.
class Typer final : public KeyVisitor {
 public:
  explicit Typer(const Override& given) : given_(given) {}
  void section(std::string_view name, std::string_view) override { here_ = name == given_.section; }
  void text(std::string_view key, std::string&, std::string_view) override { put_text(key); }
  void choice(std::string_view key, const ChoiceRef&, std::string_view) override { put_text(key); }
  void path(std::string_view key, Path&, std::string_view) override { put_text(key); }
  void list(std::string_view key, std::vector<std::string>&, std::string_view) override {
    if (!is_it(key)) return;
    toml::array items;
    for (const std::string_view item : split()) items.push_back(item);
    table_.insert_or_assign(given_.key, std::move(items));
  }
  // "name=table, other=table"
  void names(std::string_view key, std::map<std::string, std::string>&, std::string_view) override {
    if (!is_it(key)) return;
    toml::table items;
    for (const std::string_view item : split()) {
      const std::size_t equals = item.find('=');
      if (equals == std::string_view::npos) return put_text(key);
      items.insert_or_assign(item.substr(0, equals), item.substr(equals + 1));
    }
    table_.insert_or_assign(given_.key, std::move(items));
  }
  void flag(std::string_view key, bool&, std::string_view) override {
    if (!is_it(key)) return;
    const std::string& v = given_.value;
    if (v == "true" || v == "1" || v == "yes" || v == "on")
      table_.insert_or_assign(given_.key, true);
    else if (v == "false" || v == "0" || v == "no" || v == "off")
      table_.insert_or_assign(given_.key, false);
    else
      put_text(key);
  }
  void count(std::string_view key, std::size_t&, std::size_t, std::size_t,
             std::string_view) override {
    put_number(key);
  }
  void bytes(std::string_view key, Bytes&, Bytes, Bytes, std::string_view) override {
    put_number(key);
  }
  void duration(std::string_view key, Duration&, Duration, Duration, std::string_view) override {
    put_text(key);
  }
  toml::table take() {
    toml::table root;
    root.insert_or_assign(given_.section, std::move(table_));
    return root;
  }

 private:
  bool is_it(std::string_view key) const { return here_ && key == given_.key; }
  // At commas, without the blanks around.
  std::vector<std::string_view> split() const {
    std::vector<std::string_view> items;
    std::string_view rest = given_.value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      std::string_view item = rest.substr(0, comma);
      while (item.starts_with(' ')) item.remove_prefix(1);
      while (item.ends_with(' ')) item.remove_suffix(1);
      if (!item.empty()) items.push_back(item);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return items;
  }
  void put_text(std::string_view key) {
    if (is_it(key)) table_.insert_or_assign(given_.key, given_.value);
  }
  void put_number(std::string_view key) {
    if (!is_it(key)) return;
    std::int64_t number = 0;
    const std::string& v = given_.value;
    const auto [end, error] = std::from_chars(v.data(), v.data() + v.size(), number);
    if (error == std::errc{} && end == v.data() + v.size())
      table_.insert_or_assign(given_.key, number);
    else
      put_text(key);
  }

  const Override& given_;
  bool here_ = false;
  toml::table table_;
};

Result<> apply(Config& config, const Override& given) {
  Typer typer(given);
  visit_keys(config, typer);
  const toml::table table = typer.take();
  Reader reader(table, given.variable);
  visit_keys(config, reader);
  if (reader.fault()) {
    // There is no line in a variable.
    const std::string place = given.variable + ":0: ";
    std::string what = reader.fault()->what;
    if (what.starts_with(place)) what = given.variable + ": " + what.substr(place.size());
    return fail(ErrorKind::config, std::move(what));
  }
  config.from_environment.push_back(
      fmt::format("{} sets {}.{}", given.variable, given.section, given.key));
  return {};
}

class Printer final : public KeyVisitor {
 public:
  void section(std::string_view name, std::string_view about) override {
    out_ += std::exchange(tables_, {});
    section_ = name;
    out_ += fmt::format("\n# {}\n[{}]\n", about, name);
  }
  void text(std::string_view key, std::string& value, std::string_view about) override {
    line(key, quoted(value), about);
  }
  void choice(std::string_view key, const ChoiceRef& value, std::string_view about) override {
    line(key, quoted(std::string(value.word())),
         fmt::format("{} One of: {}.", about, fmt::join(value.words(), ", ")));
  }
  void path(std::string_view key, Path& value, std::string_view about) override {
    line(key, quoted(value.native()), about);
  }
  void list(std::string_view key, std::vector<std::string>& value,
            std::string_view about) override {
    std::string items;
    for (const std::string& item : value) items += (items.empty() ? "" : ", ") + quoted(item);
    line(key, "[" + items + "]", about);
  }
  // Behind the section's keys, as a section of its own, which whoever edits the file can go on
  // with.
  void names(std::string_view key, std::map<std::string, std::string>& value,
             std::string_view about) override {
    tables_ += fmt::format("\n# {}\n[{}.{}]\n", about, section_, key);
    for (const auto& [name, item] : value)
      tables_ += fmt::format("{} = {}\n", quoted(name), quoted(item));
  }
  void flag(std::string_view key, bool& value, std::string_view about) override {
    line(key, value ? "true" : "false", about);
  }
  void count(std::string_view key, std::size_t& value, std::size_t min, std::size_t max,
             std::string_view about) override {
    line(key, fmt::format("{}", value), fmt::format("{} {} to {}.", about, min, max));
  }
  void bytes(std::string_view key, Bytes& value, Bytes min, Bytes max,
             std::string_view about) override {
    line(key, quoted(format_size(value)),
         fmt::format("{} {} to {}.", about, format_size(min), format_size(max)));
  }
  void duration(std::string_view key, Duration& value, Duration min, Duration max,
                std::string_view about) override {
    line(key, quoted(format_duration(value)),
         fmt::format("{} {} to {}.", about, format_duration(min), format_duration(max)));
  }
  std::string take() { return std::move(out_) + std::move(tables_); }

 private:
  static std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        continue;
      }
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + "\"";
  }
  void line(std::string_view key, std::string value, std::string_view about) {
    out_ += fmt::format("# {}\n{} = {}\n", about, key, value);
  }

  std::string section_, tables_;
  std::string out_ =
      "# Posthorn's configuration. Every key stands here with its default; one that is left out "
      "has it too.\n"
      "# Sizes: \"50MB\" (B, KB, MB, GB). Times: \"30s\" (ms, s, m, h, d). `posthorn check` tells "
      "faults.\n";
};

void make_absolute(Path& path, const Path& root) {
  if (!path.empty() && path.is_relative()) path = (root / path).lexically_normal();
}

}  // namespace

std::optional<double> parse_score(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  double value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value, std::chars_format::fixed);
  if (text.empty() || error != std::errc{} || end != last || !std::isfinite(value))
    return std::nullopt;
  return value;
}

Result<Config> read_keys(std::string_view text, const Path& file) {
  std::string_view reason;
  if (const std::size_t line = find_toml_fault(text, reason); line != 0)
    return fail(ErrorKind::config, fmt::format("{}:{}: {}", file.native(), line, reason));
  const toml::parse_result parsed = toml::parse(text, file.native());
  if (!parsed)
    return fail(ErrorKind::config,
                fmt::format("{}:{}: {}", file.native(), parsed.error().source().begin.line,
                            explain_toml_fault(text, parsed.error().source().begin.line,
                                               parsed.error().description())));
  Config config;
  Reader reader(parsed.table(), file.native());
  visit_keys(config, reader);
  reader.refuse_unknown();
  if (reader.fault()) return std::unexpected(*reader.fault());
  return config;
}

Result<Config> parse(std::string_view text, const Path& file,
                     const std::vector<Override>& overrides) {
  TRY(Config config, read_keys(text, file));
  for (const Override& given : overrides) TRY_OK(apply(config, given));
  config.file = file;
  config.root = std::filesystem::absolute(file).parent_path().parent_path();
  for (Path* path :
       {&config.paths.maps,       &config.paths.users,       &config.paths.smtp_users,
        &config.paths.sieve,      &config.paths.certificate, &config.paths.key,
        &config.tls.folder,       &config.tls.authority,     &config.paths.spool,
        &config.paths.mail,       &config.paths.run,         &config.paths.state,
        &config.relay.trust_file, &config.dkim.folder,       &config.pgsql.password_file,
        &config.srs.secret_file,  &config.web.authority,     &config.web.webroot,
        &config.paths.acme,       &config.acme.eab_key_file, &config.acme.authority})
    make_absolute(*path, config.root);
  return config;
}

Result<Config> load(const Path& file) {
  if (std::error_code error; std::filesystem::is_directory(file, error))
    return fail(ErrorKind::config,
                fmt::format("{}: this is a folder; name the file: {}", file.native(),
                            (file / (file.filename() == "conf" ? "" : "conf") / "posthorn.toml")
                                .lexically_normal()
                                .native()));
  TRY(const auto text, read_file(file, 1U << 20U));
  if (!text)
    return fail(
        ErrorKind::config,
        fmt::format("{}: there is no such file; `posthorn init FOLDER` makes one", file.native()));
  TRY(const auto overrides, find_overrides(environment()));
  return parse(*text, std::filesystem::absolute(file), overrides);
}

std::string place_of(const Config& config, std::string_view section, std::string_view key,
                     std::string_view name) {
  const auto text = read_file(config.file, 1U << 20U);
  if (!text || !*text) return config.file.native();
  const toml::parse_result parsed = toml::parse(**text);
  if (!parsed) return config.file.native();
  const toml::node* node = parsed.table().get(section);
  if (node == nullptr) return config.file.native();
  if (const toml::table* table = node->as_table(); table != nullptr && table->contains(key))
    node = table->get(key);
  if (const toml::table* table = node->as_table(); table != nullptr && table->contains(name))
    node = table->get(name);
  return fmt::format("{}:{}", config.file.native(), node->source().begin.line);
}

std::string to_toml(const Config& config) {
  Config copy = config;
  Printer printer;
  visit_keys(copy, printer);
  return printer.take();
}

}  // namespace posthorn::config
