#include "route/asked_words.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "smtp/proto/command.h"

namespace posthorn::route {
namespace {

std::string path_of(std::string_view word) {
  const bool is_path = word.starts_with('<') && word.ends_with('>');
  return is_path ? std::string(word) : fmt::format("<{}>", word);
}

bool needs_utf8(std::string_view word, std::string_view beside) {
  return !is_ascii(word) || !is_ascii(beside);
}

std::unexpected<Reply> refused(smtp::Reply reply) {
  return std::unexpected(Reply{reply.code, std::move(reply.enhanced), std::move(reply.text)});
}

}  // namespace

std::expected<std::string, Reply> read_sender(std::string_view word, std::string_view beside) {
  auto mail = smtp::parse_mail(
      fmt::format("FROM:{}{}", path_of(word), needs_utf8(word, beside) ? " SMTPUTF8" : ""));
  if (!mail) return refused(std::move(mail.error()));
  return std::move(mail->sender);
}

std::expected<std::string, Reply> read_recipient(std::string_view word, std::string_view beside) {
  auto rcpt = smtp::parse_rcpt("TO:" + path_of(word), needs_utf8(word, beside)
                                                          ? message::AddressCharset::utf8
                                                          : message::AddressCharset::ascii);
  if (!rcpt) return refused(std::move(rcpt.error()));
  return std::move(rcpt->address);
}

}  // namespace posthorn::route
