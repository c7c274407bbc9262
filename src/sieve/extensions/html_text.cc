#include "sieve/extensions/html_text.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn::sieve {
namespace {

// HTML 4 section 24.2: the letters from U+00A0 on.
constexpr std::array<std::string_view, 96> kLatin = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};

constexpr std::pair<std::string_view, char32_t> kOthers[] = {
    {"lt", '<'},        {"gt", '>'},       {"amp", '&'},      {"quot", '"'},     {"apos", '\''},
    {"euro", 0x20AC},   {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018}, {"rsquo", 0x2019},
    {"sbquo", 0x201A},  {"ldquo", 0x201C}, {"rdquo", 0x201D}, {"bdquo", 0x201E}, {"bull", 0x2022},
    {"hellip", 0x2026}, {"trade", 0x2122}, {"zwnj", 0x200C},  {"zwj", 0x200D}};

// A line ends at these, as a reader sees them.
constexpr std::string_view kBlocks[] = {
    "address", "article", "blockquote", "br",    "dd", "div", "dl",     "dt", "footer", "form",
    "h1",      "h2",      "h3",         "h4",    "h5", "h6",  "header", "hr", "li",     "ol",
    "p",       "pre",     "section",    "table", "td", "th",  "title",  "tr", "ul"};

constexpr std::size_t kEntityMax = 32;

std::optional<char32_t> letter_of(std::string_view entity) {
  if (entity.starts_with('#')) {
    entity.remove_prefix(1);
    const bool is_hex = entity.starts_with('x') || entity.starts_with('X');
    const auto number = to_number<std::uint32_t>(entity.substr(is_hex ? 1 : 0), is_hex ? 16 : 10);
    if (!number || *number == 0 || *number > 0x10FFFF) return std::nullopt;
    if (*number >= 0xD800 && *number <= 0xDFFF) return std::nullopt;
    return static_cast<char32_t>(*number);
  }
  for (const auto& [name, letter] : kOthers)
    if (name == entity) return letter;
  const auto found = std::ranges::find(kLatin, entity);
  if (found == kLatin.end()) return std::nullopt;
  return static_cast<char32_t>(0xA0 + (found - kLatin.begin()));
}

// At "&": what stands for it goes to out.
void take_entity(std::string_view& html, std::string& out) {
  const std::size_t end = html.substr(0, kEntityMax).find(';');
  const auto letter =
      end == std::string_view::npos ? std::nullopt : letter_of(html.substr(1, end - 1));
  if (letter) {
    append_code_point(out, *letter == 0xA0 ? U' ' : *letter);
    html.remove_prefix(end + 1);
  } else {
    out += '&';
    html.remove_prefix(1);
  }
}

// Behind "<!--…-->"; a comment that never ends takes all that is left.
void skip_comment(std::string_view& html) {
  const std::size_t end = html.find("-->", 4);
  html.remove_prefix(end == std::string_view::npos ? html.size() : end + 3);
}

// At "<": its name, lower case; html is then behind its ">". Quoted values may hold one.
std::string take_tag(std::string_view& html) {
  std::size_t at = 1;
  while (at < html.size() && html[at] != '>' && html[at] != ' ' && html[at] != '\t' &&
         html[at] != '\r' && html[at] != '\n' && (html[at] != '/' || at == 1))
    ++at;
  std::string name = to_lower(html.substr(1, std::min<std::size_t>(at - 1, 16)));
  char quote = 0;
  for (; at < html.size() && (quote != 0 || html[at] != '>'); ++at) {
    if (quote != 0)
      quote = html[at] == quote ? '\0' : quote;
    else if (html[at] == '"' || html[at] == '\'')
      quote = html[at];
  }
  html.remove_prefix(std::min(at + 1, html.size()));
  return name;
}

// What stands within <script> and <style> is no text.
void skip_to_end(std::string_view& html, std::string_view name) {
  for (std::size_t at = html.find("</"); at != std::string_view::npos; at = html.find("</", at + 2))
    if (equals_ignoring_case(html.substr(at + 2, name.size()), name)) {
      html.remove_prefix(at);
      return;
    }
  html = {};
}

bool is_tag(std::string_view html) {
  if (html.size() < 2) return false;
  const char next = to_lower(html[1]);
  return (next >= 'a' && next <= 'z') || next == '/' || next == '!' || next == '?';
}

}  // namespace

std::string text_of_html(std::string_view html) {
  std::string out;
  out.reserve(html.size() / 2);
  while (!html.empty()) {
    const std::size_t plain = std::min(html.find_first_of("<&"), html.size());
    out += html.substr(0, plain);
    html.remove_prefix(plain);
    if (html.empty()) break;
    if (html.front() == '&') {
      take_entity(html, out);
    } else if (html.starts_with("<!--")) {
      skip_comment(html);
    } else if (!is_tag(html)) {
      out += '<';
      html.remove_prefix(1);
    } else {
      const std::string name = take_tag(html);
      if (name == "script" || name == "style") skip_to_end(html, name);
      const std::string_view bare = std::string_view(name).substr(name.starts_with('/') ? 1 : 0);
      if (std::ranges::find(kBlocks, bare) != std::end(kBlocks) && !out.empty() &&
          out.back() != '\n')
        out += '\n';
    }
  }
  return out;
}

}  // namespace posthorn::sieve
