#include "message/headers.h"

#include "base/ascii.h"

namespace posthorn::message {
namespace {

// RFC 5322 section 3.6.8: a field name is printable ASCII without colon or space; white space
// before the colon is obsolete and read. The length of the name with the colon, 0 if the line is no
// field.
std::size_t field_name_length(std::string_view line) {
  std::size_t i = 0;
  while (i < line.size() && line[i] > 0x20 && line[i] < 0x7F && line[i] != ':') ++i;
  if (i == 0 || i > 998) return 0;
  std::size_t end = i;
  while (end < line.size() && (line[end] == ' ' || line[end] == '\t')) ++end;
  return end < line.size() && line[end] == ':' ? end + 1 : 0;
}

}  // namespace

std::string unfold(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (const char c : value)
    if (c != '\r' && c != '\n') out += c;
  const std::size_t begin = out.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  return out.substr(begin, out.find_last_not_of(" \t") - begin + 1);
}

bool is_field_line(std::string_view line) {
  return field_name_length(line) > 0;
}

Headers::Headers(std::string_view block) : block_(block) {
  std::size_t at = 0;
  while (at < block.size() && fields_.size() < kFieldsMax) {
    // A field is its first line and the lines after it that begin with white space.
    std::size_t end = at;
    std::size_t line_end = 0;
    do {
      const std::size_t lf = block.find('\n', end);
      line_end = lf == std::string_view::npos ? block.size() : lf + 1;
      end = line_end;
    } while (end < block.size() && (block[end] == ' ' || block[end] == '\t'));
    const std::string_view raw = block.substr(at, end - at);
    if (const std::size_t colon = field_name_length(raw); colon > 0) {
      std::string_view name = raw.substr(0, colon - 1);
      while (name.back() == ' ' || name.back() == '\t') name.remove_suffix(1);
      std::string_view value = raw.substr(colon);
      if (value.ends_with('\n')) value.remove_suffix(1);
      if (value.ends_with('\r')) value.remove_suffix(1);
      fields_.push_back({name, value, raw});
    }
    at = end;
  }
}

const Field* Headers::find_field(std::string_view name) const {
  for (const Field& field : fields_)
    if (equals_ignoring_case(field.name, name)) return &field;
  return nullptr;
}

std::optional<std::string> Headers::find(std::string_view name) const {
  const Field* field = find_field(name);
  if (field == nullptr) return std::nullopt;
  return unfold(field->value);
}

std::vector<std::string> Headers::find_all(std::string_view name) const {
  std::vector<std::string> values;
  for (const Field& field : fields_)
    if (equals_ignoring_case(field.name, name)) values.push_back(unfold(field.value));
  return values;
}

std::size_t Headers::count(std::string_view name) const {
  std::size_t n = 0;
  for (const Field& field : fields_) n += equals_ignoring_case(field.name, name) ? 1 : 0;
  return n;
}

std::optional<HeaderEnd> find_end_at_line(std::string_view line, std::size_t at) {
  const std::size_t next = at + line.size();
  if (line == "\n" || line == "\r\n") return HeaderEnd{at, next};
  if (next > kHeaderMax) return HeaderEnd{at, at};
  return std::nullopt;
}

std::optional<HeaderEnd> find_header_end(std::string_view text, Input input) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t lf = text.find('\n', at);
    if (lf == std::string_view::npos && input == Input::beginning) return std::nullopt;
    const std::size_t next = lf == std::string_view::npos ? text.size() : lf + 1;
    if (const auto end = find_end_at_line(text.substr(at, next - at), at)) return end;
    at = next;
  }
  if (input == Input::whole) return HeaderEnd{at, at};
  return std::nullopt;
}

bool HeaderCollector::feed(std::string_view piece) {
  if (whole_) return true;
  std::size_t searched = block_.size();  // up to here there is no LF behind line_
  block_.append(piece.substr(0, kHeaderMax + 1024 - std::min(block_.size(), kHeaderMax + 1024)));
  const bool is_all = block_.size() > kHeaderMax;
  while (line_ < block_.size()) {
    const std::size_t lf = block_.find('\n', searched);
    if (lf == std::string::npos && !is_all) return false;
    const std::size_t next = lf == std::string::npos ? block_.size() : lf + 1;
    const auto line = std::string_view(block_).substr(line_, next - line_);
    if (const auto end = find_end_at_line(line, line_)) {
      block_.resize(end->header_size);
      return whole_ = true;
    }
    line_ = searched = next;
  }
  return false;
}

void HeaderCollector::finish() {
  if (whole_) return;
  if (const auto end = find_header_end(block_, Input::whole)) block_.resize(end->header_size);
  whole_ = true;
}

}  // namespace posthorn::message
