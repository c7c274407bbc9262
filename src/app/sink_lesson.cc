// LessonSink: what the store gives to the queue to be taught to spamd, over queue-learn.lmtp.sock.
// It is held in memory, a lesson a connection, up to filter.message_max.
#include "app/sinks.h"
#include "base/events.h"
#include "learn/courier.h"

namespace posthorn::app {
namespace {

using Reason = smtp::RecipientResult::Reason;

class LessonSink final : public smtp::Sink {
 public:
  LessonSink(filter::Teacher& teacher, const config::Filter& config)
      : teacher_(teacher), config_(config) {}

  net::Task<> begin(const message::Envelope& envelope) override {
    if (envelope.recipients.size() != 1)
      co_return fail(ErrorKind::permanent, "a lesson has one recipient");
    const std::string& to = envelope.recipients.front().address;
    const std::size_t at = to.rfind('@');
    const auto what = message::find_mail_class(std::string_view(to).substr(0, at));
    if (!what || at == std::string::npos || to.substr(at + 1) != learn::kLessonDomain)
      co_return fail(ErrorKind::permanent, "a lesson teaches spam or ham");
    what_ = *what;
    account_ = envelope.sender;
    co_return Result<>{};
  }

  net::Task<> write(std::string_view bytes) override {
    if (message_.size() + bytes.size() > config_.message_max)
      co_return fail(ErrorKind::permanent, "the lesson is longer than filter.message_max");
    message_ += bytes;
    co_return Result<>{};
  }

  net::Task<smtp::Committed> commit() override {
    const auto taught = co_await teacher_.teach(
        {.what = what_, .account = std::move(account_), .message = message_});
    co_return smtp::Committed{.queue_id = {}, .recipients = {answer_of(taught)}};
  }

  net::Awaitable<void> abort() override { co_return; }

 private:
  static smtp::RecipientResult answer_of(const Result<filter::Taught>& taught) {
    if (!taught) {
      const bool is_down = taught.error().kind == ErrorKind::closed;
      return {Reason::failed, {451, is_down ? "4.4.1" : "4.3.0", taught.error().what}};
    }
    switch (taught->outcome) {
      case filter::Taught::Outcome::learned:
        return {Reason::stored, {250, "2.0.0", std::string(learn::kLearned)}};
      case filter::Taught::Outcome::known:
        return {Reason::stored, {250, "2.0.0", std::string(learn::kKnown)}};
      case filter::Taught::Outcome::refused:
        break;
    }
    return {Reason::rejected, {554, "5.6.0", taught->said}};
  }

  filter::Teacher& teacher_;
  const config::Filter& config_;
  message::MailClass what_ = message::MailClass::ham;
  std::string account_, message_;
};

}  // namespace

std::unique_ptr<smtp::Sink> LessonSinkFactory::make() {
  return std::make_unique<LessonSink>(teacher_, config_);
}

}  // namespace posthorn::app
