// The run's part that knows variables (RFC 5229): values by name, and texts with them filled in.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "sieve/language/run.h"

namespace posthorn::sieve {
namespace {

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && is_letter(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// RFC 5229 section 3: an identifier, namespaces with dots before it, or a match value's number.
bool is_reference(std::string_view text) {
  if (to_number<std::uint32_t>(text)) return text.find_first_not_of("0123456789") == text.npos;
  for (std::size_t dot = text.find('.'); dot != text.npos; dot = text.find('.')) {
    if (!is_name(text.substr(0, dot))) return false;
    text.remove_prefix(dot + 1);
    if (to_number<std::uint32_t>(text)) return true;  // ${name.1}
  }
  return is_name(text);
}

// Whole letters of at most so many bytes.
std::string_view cut(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

}  // namespace

std::string_view Run::variable(std::string_view name) const {
  const std::string key = to_lower(name);
  if (shared_names_.contains(key)) return shared_variable(key);
  const auto found = variables_.find(key);
  return found == variables_.end() ? std::string_view() : std::string_view(found->second);
}

bool Run::has_variable(std::string_view name) const {
  const std::string key = to_lower(name);
  return shared_names_.contains(key) || variables_.contains(key);
}

std::string_view Run::shared_variable(std::string_view name) const {
  const auto found = shared_variables_.find(to_lower(name));
  return found == shared_variables_.end() ? std::string_view() : std::string_view(found->second);
}

void Run::share_variable(std::string_view name) {
  shared_names_.insert(to_lower(name));
}

Flow Run::set_variable(std::string_view name, std::string value) {
  constexpr std::string_view kGlobal = "global.";
  std::string key = to_lower(name);
  bool is_shared = shared_names_.contains(key);
  if (key.starts_with(kGlobal)) {
    key.erase(0, kGlobal.size());
    is_shared = true;
  }
  Variables& variables = is_shared ? shared_variables_ : variables_;
  if (!variables.contains(key) && variables.size() >= settings().variables_max)
    return fail(fmt::format("a script may have {} variables", settings().variables_max));
  value.resize(cut(value, settings().variable_size_max).size());
  variables[key] = std::move(value);
  return Flow::next;
}

bool Run::wants_match_values() const {
  return program_ != nullptr && program_->requires_extension("variables") &&
         (test_ == nullptr || test_->captures == TestRow::Captures::yes);
}

void Run::set_match_values(std::vector<std::string> values) {
  if (values.size() > settings().match_values_max + 1)
    values.resize(settings().match_values_max + 1);
  for (std::string& value : values) value.resize(cut(value, settings().variable_size_max).size());
  match_values_ = std::move(values);
}

std::optional<std::string> Run::value_of(std::string_view name) {
  if (const auto number = to_number<std::uint32_t>(name))
    return *number < match_values_.size() ? match_values_[*number] : std::string();
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::string(variable(name));
  for (const Extension* extension : program_->required)
    for (const NamespaceRow& row : extension->namespaces)
      if (equals_ignoring_case(row.name, name.substr(0, dot)))
        return row.find(*this, name.substr(dot + 1)).value_or("");
  return std::string();
}

// RFC 5229 section 3: once, from the left; what is no reference stays as it is.
std::string_view Run::expand(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t begin = text.find("${");
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const std::size_t end = text.find('}');
    const std::string_view name =
        end == std::string_view::npos ? std::string_view() : text.substr(2, end - 2);
    if (!is_reference(name)) {
      out += "$";
      text.remove_prefix(1);
      continue;
    }
    out += *value_of(name);
    text.remove_prefix(end + 1);
    if (out.size() > settings().expansion_max) {
      fail("a text with its variables is too long");
      return {};
    }
  }
  spend(1 + out.size() / 256);
  return keep(std::move(out));
}

}  // namespace posthorn::sieve
