#include "sieve/language/message_view.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/base64.h"
#include "message/headers.h"

namespace posthorn::sieve {
namespace {

std::string_view without_empty_line(std::string_view block) {
  if (block == "\r\n" || block == "\n") return {};
  if (block.ends_with("\r\n\r\n")) return block.substr(0, block.size() - 2);
  if (block.ends_with("\n\n")) return block.substr(0, block.size() - 1);
  return block;
}

// RFC 2047 section 2: words of up to 75 letters, each whole characters.
std::string encode_words(std::string_view value) {
  if (is_ascii(value)) return std::string(value);
  constexpr std::size_t kBytes = 42;  // 56 of base64 and 12 around them
  std::string out;
  while (!value.empty()) {
    std::size_t size = std::min(kBytes, value.size());
    while (size > 0 && size < value.size() &&
           (static_cast<unsigned char>(value[size]) & 0xC0U) == 0x80U)
      --size;
    if (size == 0) size = std::min(kBytes, value.size());
    if (!out.empty()) out += "\r\n ";
    out += "=?utf-8?B?" + encode_base64(value.substr(0, size)) + "?=";
    value.remove_prefix(size);
  }
  return out;
}

// Behind lines that continue nothing: a field in front of them would take them for its own.
std::size_t first_field(std::string_view block) {
  std::size_t at = 0;
  while (at < block.size() && (block[at] == ' ' || block[at] == '\t'))
    at = std::min(block.find('\n', at), block.size() - 1) + 1;
  return at;
}

// RFC 5322 section 2.1.1: lines of up to 78, folded at blanks.
std::string fold(std::string_view name, std::string_view value) {
  std::string out(name);
  out += ": ";
  std::size_t column = out.size();
  while (!value.empty()) {
    const std::size_t blank = value.find(' ', 1);
    const std::string_view word = value.substr(0, blank);
    if (column + word.size() > 78 && word.starts_with(' ') && column > name.size() + 2) {
      out += "\r\n";
      column = 0;
    }
    out += word;
    column += word.size();
    if (const auto line = word.rfind('\n'); line != std::string_view::npos)
      column = word.size() - line - 1;
    value.remove_prefix(word.size());
  }
  return out + "\r\n";
}

}  // namespace

MessageView::MessageView(const Mail& mail, World& world)
    : mail_(mail), world_(world), headers_(without_empty_line(mail.header)) {}

const std::vector<std::string>& MessageView::values(std::string_view name) {
  const std::string key = to_lower(name);
  const auto found = values_.find(key);
  if (found != values_.end()) return found->second;
  std::vector<std::string> values;
  for (const message::Field& field : headers_.fields()) {
    if (!equals_ignoring_case(field.name, name)) continue;
    std::string value = message::unfold(field.value);
    if (value.find("=?") != std::string::npos)
      value = trim(message::decode_words(value), " \t\r\n");
    values.push_back(std::move(value));
  }
  return values_.emplace(key, std::move(values)).first->second;
}

std::vector<std::string> MessageView::raw_values(std::string_view name) const {
  return headers_.find_all(name);
}

std::uint64_t MessageView::size() const {
  if (!block_ && !body_) return mail_.size;
  const std::size_t before = without_empty_line(mail_.header).size() + 2;
  const std::size_t header = (block_ ? block_->size() : before - 2) + 2;
  if (body_) return header + body_->size();
  return header + (mail_.size > before ? mail_.size - before : 0);
}

std::optional<std::string_view> MessageView::text() {
  if (!block_ && !body_) return world_.text();
  if (text_) return *text_;
  const auto rest = body();
  if (!rest) return std::nullopt;
  text_ = (block_ ? *block_ : std::string(without_empty_line(mail_.header))) + "\r\n";
  *text_ += *rest;
  return *text_;
}

std::optional<std::string_view> MessageView::body() {
  if (body_) return *body_;
  const auto whole = world_.text();
  if (!whole) return std::nullopt;
  const auto end = message::find_header_end(*whole, message::Input::whole);
  return end ? whole->substr(end->body_begin) : std::string_view();
}

const message::Part* MessageView::parts() {
  if (parts_) return parts_.get();
  const auto whole = text();
  if (!whole) return nullptr;
  parts_ = std::make_unique<message::Part>(message::parse_parts(*whole));
  return parts_.get();
}

namespace {

// At most 100 levels (message/part.h).
void list_parts(const message::Part& part, std::vector<MessageView::Place>& list) {
  const std::size_t at = list.size();
  list.push_back({&part, 0});
  for (const message::Part& child : part.children) list_parts(child, list);
  list[at].end = list.size();
}

}  // namespace

const std::vector<MessageView::Place>& MessageView::all_parts() {
  if (all_parts_.empty())
    if (const message::Part* root = parts()) list_parts(*root, all_parts_);
  return all_parts_;
}

void MessageView::forget() {
  memos_.clear();
  all_parts_.clear();
  values_.clear();
  text_.reset();
  parts_.reset();
  version_.reset();
}

void MessageView::set_header(std::string block) {
  block_ = std::make_shared<const std::string>(std::move(block));
  headers_ = message::Headers(*block_);
  forget();
}

void MessageView::remove(const std::vector<std::size_t>& which) {
  if (which.empty()) return;
  const message::Field* const first = headers_.fields().data();
  set_header(headers_.without([&](const message::Field& field) {
    return std::ranges::binary_search(which, static_cast<std::size_t>(&field - first));
  }));
}

void MessageView::add(std::string_view name, std::string_view value, At at) {
  const std::string field = fold(name, encode_words(value));
  std::string block = block_ ? *block_ : std::string(without_empty_line(mail_.header));
  if (!block.empty() && !block.ends_with('\n')) block += "\r\n";
  block.insert(at == At::front ? first_field(block) : block.size(), field);
  set_header(std::move(block));
}

void MessageView::replace(std::string wire) {
  const auto end = message::find_header_end(wire, message::Input::whole);
  const std::size_t header = end ? end->header_size : wire.size();
  body_ = end ? wire.substr(end->body_begin) : std::string();
  set_header(wire.substr(0, header));
}

VersionPtr MessageView::version() {
  if (!block_ && !body_) return nullptr;
  if (!version_) {
    version_ = std::make_shared<const Version>(
        Version{block_ ? *block_ : std::string(without_empty_line(mail_.header)), body_});
  }
  return version_;
}

}  // namespace posthorn::sieve
