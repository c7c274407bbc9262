#include "message/idna.h"

#include <memory>
#include <unicode/idna.h>

#include "base/ascii.h"

namespace posthorn::message {
namespace {

const icu::IDNA* idna() {
  static const std::unique_ptr<icu::IDNA> instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    return std::unique_ptr<icu::IDNA>(icu::IDNA::createUTS46Instance(
        UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ | UIDNA_NONTRANSITIONAL_TO_ASCII |
            UIDNA_NONTRANSITIONAL_TO_UNICODE,
        status));
  }();
  return instance.get();
}

enum class Form { ascii, unicode };

std::optional<std::string> convert(std::string_view domain, Form form) {
  if (idna() == nullptr || domain.size() > 255) return std::nullopt;
  UErrorCode status = U_ZERO_ERROR;
  icu::IDNAInfo info;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  const icu::StringPiece text(domain.data(), static_cast<std::int32_t>(domain.size()));
  if (form == Form::ascii)
    idna()->nameToASCII_UTF8(text, sink, info, status);
  else
    idna()->nameToUnicodeUTF8(text, sink, info, status);
  if (U_FAILURE(status) || info.hasErrors() || out.empty()) return std::nullopt;
  return out;
}

}  // namespace

std::optional<std::string> ascii_domain(std::string_view domain) {
  if (is_ascii(domain)) return std::string(domain);
  return convert(domain, Form::ascii);
}

std::string ascii_address(std::string address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string::npos || is_ascii(std::string_view(address).substr(at))) return address;
  const auto domain = convert(std::string_view(address).substr(at + 1), Form::ascii);
  if (domain) address.replace(at + 1, std::string::npos, *domain);
  return address;
}

std::optional<std::string> other_form(std::string_view key) {
  std::size_t begin = key.rfind('@');
  begin = begin == std::string_view::npos ? 0 : begin + 1;
  if (key.substr(begin).starts_with('.')) ++begin;
  const std::string_view domain = key.substr(begin);
  const bool is_plain = is_ascii(domain);
  if (is_plain && domain.find("xn--") == std::string_view::npos) return std::nullopt;
  const auto other = convert(domain, is_plain ? Form::unicode : Form::ascii);
  if (!other || *other == domain) return std::nullopt;
  return std::string(key.substr(0, begin)) + *other;
}

}  // namespace posthorn::message
