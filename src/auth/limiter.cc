#include "auth/limiter.h"

#include <charconv>
#include <fmt/format.h>

namespace posthorn::auth {
namespace {

constexpr std::int64_t kSteps = 60;
constexpr std::size_t kAccountsMax = 100'000;

}  // namespace

std::size_t SubmissionLimits::Window::sum(std::int64_t now_step) {
  while (!steps.empty() && steps.begin()->first <= now_step - kSteps) steps.erase(steps.begin());
  std::size_t all = 0;
  for (const auto& [step, count] : steps) all += count;
  return all;
}

net::Task<Permit> SubmissionLimits::take(Submission submission) {
  const bool may = take_now(submission);
  co_return Permit{may ? Permit::Outcome::ok : Permit::Outcome::too_many, {}, {}};
}

bool SubmissionLimits::take_now(const Submission& submission) {
  if (config_.messages_per_hour_max == 0 && config_.recipients_per_day_max == 0) return true;
  const auto minutes =
      std::chrono::duration_cast<std::chrono::minutes>(clock_.steady_now().time_since_epoch())
          .count();
  if (accounts_.size() >= kAccountsMax)
    for (auto at = accounts_.begin(); at != accounts_.end();)
      at = at->second.recipients.sum(minutes / 24) == 0 ? accounts_.erase(at) : std::next(at);
  Counts& counts = accounts_[submission.account];
  const bool is_over = (config_.messages_per_hour_max > 0 &&
                        counts.messages.sum(minutes) + 1 > config_.messages_per_hour_max) ||
                       (config_.recipients_per_day_max > 0 &&
                        counts.recipients.sum(minutes / 24) + submission.recipients >
                            config_.recipients_per_day_max);
  if (is_over) return false;
  ++counts.messages.steps[minutes];
  counts.recipients.steps[minutes / 24] += submission.recipients;
  return true;
}

ProgramLimiter::ProgramLimiter(const config::Submission& config, Limiter& users, const Clock& clock)
    : bounds_([&config] {
        config::Submission bounds;
        bounds.messages_per_hour_max = config.programs_per_hour_max;
        return bounds;
      }()),
      programs_(bounds_, clock),
      users_(users) {}

net::Task<Permit> ProgramLimiter::take(Submission submission) {
  if (!submission.is_of_root && !programs_.take_now(submission))
    co_return Permit{Permit::Outcome::too_many, {}, {}};
  co_return co_await users_.take(std::move(submission));
}

net::Task<Permit> RemoteLimiter::take(Submission submission) {
  net::Message request("limit");
  request.add("account", submission.account)
      .add("proof", submission.proof)
      .add("service", submission.service)
      .add("session", submission.session);
  request.add("recipients", std::to_string(submission.recipients));
  CO_TRY(const net::Message answer, co_await channel_.ask(std::move(request), 15s));
  if (answer.verb == "ok")
    co_return Permit{Permit::Outcome::ok, std::string(answer.get("token")),
                     std::string(answer.get("proof"))};
  if (answer.verb == "refused") co_return Permit{Permit::Outcome::too_many, {}, {}};
  if (answer.verb == "unproved") co_return Permit{};
  co_return fail(ErrorKind::temporary, std::string(answer.get("error")));
}

net::Awaitable<std::optional<net::Message>> answer_limit(Limiter& limiter,
                                                         const net::Message& request) {
  if (request.verb != "limit") co_return std::nullopt;
  const auto text = [&](std::string_view key) { return std::string(request.get(key)); };
  Submission submission{.account = text("account"),
                        .proof = text("proof"),
                        .service = text("service"),
                        .session = text("session")};
  const std::string_view count = request.get("recipients");
  std::from_chars(count.data(), count.data() + count.size(), submission.recipients);
  const auto answer = co_await limiter.take(std::move(submission));
  if (!answer) co_return net::Message("temporary").add("error", answer.error().what);
  if (answer->outcome == Permit::Outcome::unproved) co_return net::Message("unproved");
  if (answer->outcome == Permit::Outcome::too_many) co_return net::Message("refused");
  co_return net::Message("ok").add("token", answer->token).add("proof", answer->proof);
}

}  // namespace posthorn::auth
