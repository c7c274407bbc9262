#include "message/dkim.h"

#include <algorithm>
#include <fmt/format.h>

#include "message/address.h"
#include "message/received.h"

namespace posthorn::message {
namespace {

constexpr std::size_t kPiece = 16'384;
constexpr std::size_t kLineMax = 76;
constexpr std::size_t kSameFieldMax = 50;  // of one name: h= stays short

// RFC 6376 section 5.4.1, and what lists and mail programs of today look at.
enum class Absent { passed_over, sealed };  // sealed: signed as absent, so that nobody adds one
struct Signable {
  std::string_view name;
  Absent absent;
};
constexpr Signable kSignable[] = {
    {"From", Absent::sealed},
    {"To", Absent::sealed},
    {"Cc", Absent::sealed},
    {"Subject", Absent::sealed},
    {"Reply-To", Absent::sealed},
    // A smarthost may add the ones that are missing.
    {"Date", Absent::passed_over},
    {"Message-ID", Absent::passed_over},
    {"Sender", Absent::passed_over},
    {"In-Reply-To", Absent::passed_over},
    {"References", Absent::passed_over},
    {"MIME-Version", Absent::passed_over},
    {"Content-Type", Absent::passed_over},
    {"Content-Transfer-Encoding", Absent::passed_over},
};
// Signed where they are, and more may come: a list puts its own on top.
constexpr std::string_view kOpen[] = {
    "Content-ID",     "Content-Description", "Resent-Date",      "Resent-From",
    "Resent-Sender",  "Resent-To",           "Resent-Cc",        "Resent-Message-ID",
    "List-ID",        "List-Help",           "List-Unsubscribe", "List-Unsubscribe-Post",
    "List-Subscribe", "List-Post",           "List-Owner",       "List-Archive",
};

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_space(char c) {
  return is_blank(c) || c == '\r' || c == '\n';
}

// Words of a field, on lines that stay short.
class Folded {
 public:
  explicit Folded(std::string text)
      : text_(std::move(text)), column_(text_.size() - (text_.rfind('\n') + 1)) {}
  // between: what stands in front of it unless a line begins.
  void put(std::string_view word, std::string_view between = " ") {
    if (column_ + between.size() + word.size() > kLineMax) {
      text_ += "\r\n ";
      column_ = 1;
    } else {
      text_ += between;
      column_ += between.size();
    }
    text_ += word;
    column_ += word.size();
  }
  // May be broken anywhere.
  void pour(std::string_view text) {
    while (!text.empty()) {
      if (column_ >= kLineMax) {
        text_ += "\r\n ";
        column_ = 1;
      }
      const std::string_view some = text.substr(0, kLineMax - column_);
      text_ += some;
      column_ += some.size();
      text.remove_prefix(some.size());
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::size_t column_;
};

void add_fields(const Headers& headers, std::string_view name, std::vector<SignedField>& chosen) {
  std::size_t n = 0;
  // RFC 6376 section 5.4.2: the last one first.
  for (std::size_t i = headers.fields().size(); i-- > 0 && n < kSameFieldMax;)
    if (const Field& field = headers.fields()[i]; equals_ignoring_case(field.name, name)) {
      chosen.push_back({name, &field});
      ++n;
    }
}

std::optional<std::string> domain_of(std::string_view value) {
  for (const Address& address : parse_addresses(value))
    if (address.mailbox && address.host && !address.host->empty()) return to_lower(*address.host);
  return std::nullopt;
}

std::string_view name_of(Canonicalization form) {
  return form == Canonicalization::relaxed ? "relaxed" : "simple";
}

}  // namespace

std::string canonical_field(std::string_view raw, Canonicalization form) {
  while (raw.ends_with('\n') || raw.ends_with('\r')) raw.remove_suffix(1);
  if (form == Canonicalization::simple) return std::string(raw) + "\r\n";
  const std::size_t colon = std::min(raw.find(':'), raw.size());
  std::string out = to_lower(trim(raw.substr(0, colon)));
  out += ':';
  const std::size_t value = out.size();
  bool has_blank = false;
  for (const char c : raw.substr(std::min(colon + 1, raw.size()))) {
    if (c == '\r' || c == '\n') continue;  // unfolded: the white space behind it stays
    if (is_blank(c)) {
      has_blank = true;
      continue;
    }
    if (has_blank && out.size() > value) out += ' ';
    has_blank = false;
    out += c;
  }
  return out + "\r\n";
}

void BodyCanonicalizer::append(std::string_view text) {
  out_ += text;
  if (out_.size() < kPiece) return;
  sink_(out_);
  out_.clear();
}

void BodyCanonicalizer::end_line() {
  has_blank_ = false;  // relaxed: at the end of a line it goes
  ++empty_lines_;
}

// Something that stays: now the line ends in front of it stay, too.
void BodyCanonicalizer::put(std::string_view text) {
  for (; empty_lines_ > 0; --empty_lines_) append("\r\n");
  if (has_blank_) append(" ");
  has_blank_ = false;
  has_text_ = true;
  append(text);
}

void BodyCanonicalizer::feed(std::string_view piece) {
  const bool is_relaxed = form_ == Canonicalization::relaxed;
  while (!piece.empty()) {
    const char c = piece.front();
    if (has_cr_) {
      has_cr_ = false;
      if (c == '\n') {
        end_line();
        piece.remove_prefix(1);
        continue;
      }
      put("\r");
    }
    if (c == '\r') {
      has_cr_ = true;
      piece.remove_prefix(1);
    } else if (is_relaxed && is_blank(c)) {
      has_blank_ = true;
      piece.remove_prefix(1);
    } else {
      const std::size_t end =
          std::min({piece.find_first_of(is_relaxed ? "\r \t" : "\r"), piece.size(), kPiece});
      put(piece.substr(0, end));
      piece.remove_prefix(end);
    }
  }
}

void BodyCanonicalizer::finish() {
  if (std::exchange(has_cr_, false)) put("\r");
  has_blank_ = false;
  empty_lines_ = 0;
  // Section 3.4.3: an empty body is one CRLF; section 3.4.4: it is nothing.
  if (has_text_ || form_ == Canonicalization::simple) append("\r\n");
  if (!out_.empty()) sink_(out_);
  out_.clear();
}

std::vector<SignedField> choose_signed_fields(const Headers& headers) {
  std::vector<SignedField> chosen;
  for (const auto& [name, absent] : kSignable) {
    const std::size_t before = chosen.size();
    add_fields(headers, name, chosen);
    const std::size_t found = chosen.size() - before;
    if (found < kSameFieldMax && (found > 0 || absent == Absent::sealed))
      chosen.push_back({name, nullptr});
  }
  for (const std::string_view name : kOpen) add_fields(headers, name, chosen);
  return chosen;
}

std::string make_signature_field(const SignatureTags& tags,
                                 const std::vector<SignedField>& fields) {
  Folded text("DKIM-Signature: v=1;");
  text.put(fmt::format("a={};", tags.algorithm));
  text.put(fmt::format("c={}/{};", name_of(tags.header), name_of(tags.body)));
  text.put(fmt::format("d={};", tags.domain));
  text.put(fmt::format("s={};", tags.selector));
  text.put(fmt::format("t={};", tags.time));
  if (tags.expires) text.put(fmt::format("x={};", *tags.expires));
  // Section 3.2 lets white space stand around the colons of h=.
  for (std::size_t i = 0; i < fields.size(); ++i)
    text.put(fmt::format("{}{}{}", i == 0 ? "h=" : "", fields[i].name,
                         i + 1 == fields.size() ? ";" : ":"),
             i == 0 ? " " : "");
  text.put(fmt::format("bh={};", tags.body_hash));
  text.put("b=");
  return text.take();
}

std::string make_signing_input(const std::vector<SignedField>& fields,
                               std::string_view signature_field, Canonicalization form) {
  std::string input;
  for (const SignedField& one : fields)
    if (one.field != nullptr) input += canonical_field(one.field->raw, form);
  input += canonical_field(signature_field, form);
  input.resize(input.size() - 2);  // section 3.7: without its CRLF
  return input;
}

std::string finish_signature_field(std::string field, std::string_view signature_base64) {
  Folded text(std::move(field));
  text.pour(signature_base64);
  return text.take() + "\r\n";
}

std::optional<std::string> find_signing_domain(const Headers& headers) {
  if (headers.count("From") != 1 || headers.has(kRedirectTrace)) return std::nullopt;
  const auto domain = domain_of(*headers.find("From"));
  if (!domain || !is_dkim_name(*domain)) return std::nullopt;
  for (const std::string& sender : headers.find_all("Sender"))
    if (const auto other = domain_of(sender); other && *other != *domain) return std::nullopt;
  return domain;
}

bool has_signature(const Headers& headers, std::string_view domain, std::string_view selector) {
  for (const Field& field : headers.fields()) {
    if (!equals_ignoring_case(field.name, "DKIM-Signature")) continue;
    const auto tags = parse_tags(field.value);
    if (tags && equals_ignoring_case(find_tag(*tags, "d"), domain) &&
        equals_ignoring_case(find_tag(*tags, "s"), selector) && !find_tag(*tags, "b").empty())
      return true;
  }
  return false;
}

std::optional<Tags> parse_tags(std::string_view text) {
  Tags tags;
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    std::string_view one = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto clean = [](std::string_view part) {
      std::string out;
      std::ranges::copy_if(part, std::back_inserter(out), [](char c) { return !is_space(c); });
      return out;
    };
    const std::size_t equals = one.find('=');
    std::string name = clean(one.substr(0, equals));
    if (equals == std::string_view::npos) {
      if (!name.empty() || !text.empty()) return std::nullopt;
      break;  // behind the last ";"
    }
    // Section 3.2: a tag that stands there twice makes the list invalid.
    if (name.empty() || std::ranges::find(tags, name, &Tags::value_type::first) != tags.end())
      return std::nullopt;
    tags.emplace_back(std::move(name), clean(one.substr(equals + 1)));
  }
  return tags;
}

std::string_view find_tag(const Tags& tags, std::string_view name) {
  const auto found = std::ranges::find(tags, name, &Tags::value_type::first);
  return found == tags.end() ? std::string_view() : std::string_view(found->second);
}

bool is_dkim_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const std::string_view label = text.substr(0, text.find('.'));
    const auto may_stand = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    if (label.empty() || label.size() > 63 || !std::ranges::all_of(label, may_stand)) return false;
    if (label.size() == text.size()) return true;
    text.remove_prefix(label.size() + 1);
  }
}

std::string make_key_record(std::string_view type, std::string_view public_key_base64) {
  return fmt::format("v=DKIM1; k={}; p={}", type, public_key_base64);
}

std::string make_zone_line(std::string_view name, std::string_view record) {
  constexpr std::size_t kStringMax = 255;
  std::string line = fmt::format("{}. IN TXT (", name);
  for (; !record.empty(); record.remove_prefix(std::min(kStringMax, record.size())))
    line += fmt::format(" \"{}\"", record.substr(0, kStringMax));
  return line + " )";
}

}  // namespace posthorn::message
