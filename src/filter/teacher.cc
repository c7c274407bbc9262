#include "filter/teacher.h"

#include <fmt/format.h>

namespace posthorn::filter {
namespace {

// sysexits.h, as spamd answers. 69: it was started without --allow-tell.
constexpr int kUsage = 64, kDataError = 65, kNoInput = 66, kUnavailable = 69, kTooBig = 98;

constexpr std::string_view kProbe = "Subject: probe\r\n\r\n";

std::string head_of(std::string_view fields, std::string_view message) {
  return fmt::format("TELL SPAMC/1.5\r\nContent-length: {}\r\n{}\r\n", message.size(), fields);
}

}  // namespace

net::Task<Taught> Teacher::teach(Lesson lesson) {
  const std::string& user = lesson.account.empty() ? config_.user : lesson.account;
  std::string fields =
      fmt::format("Message-class: {}\r\nSet: local\r\n", message::to_string(lesson.what));
  if (!user.empty()) fields += fmt::format("User: {}\r\n", clean(user));
  const auto text = co_await spamd_.ask(head_of(fields, lesson.message), lesson.message);
  const auto answer = text ? parse_answer(*text) : std::unexpected(text.error());
  if (!answer) {
    // Whether it was the mail or spamd itself, a question that has no mail tells.
    const auto alive = co_await may_teach();
    co_return fail(alive && *alive ? ErrorKind::temporary : ErrorKind::closed, answer.error().what);
  }
  switch (answer->code) {
    case 0: {
      const std::string* const did = answer->find("didset");
      const bool is_new = did != nullptr && did->find("local") != std::string::npos;
      co_return Taught{is_new ? Taught::Outcome::learned : Taught::Outcome::known, answer->said};
    }
    case kUsage:
    case kDataError:
    case kNoInput:
    case kTooBig:
      co_return Taught{Taught::Outcome::refused, answer->said};
    case kUnavailable:
      co_return fail(ErrorKind::closed, fmt::format("spamd says \"{}\"", answer->said));
    default:
      co_return fail(ErrorKind::temporary, fmt::format("spamd says \"{}\"", answer->said));
  }
}

net::Task<bool> Teacher::may_teach() {
  CO_TRY(const std::string text, co_await spamd_.ask(head_of("", kProbe), kProbe));
  CO_TRY(const SpamdAnswer answer, parse_answer(text));
  if (answer.code == 0) co_return true;
  if (answer.code == kUnavailable) co_return false;
  co_return fail(ErrorKind::temporary, fmt::format("spamd says \"{}\"", answer.said));
}

}  // namespace posthorn::filter
