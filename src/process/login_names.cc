#include "process/login_names.h"

namespace posthorn::process {
namespace {

constexpr std::size_t kThreads = 4;
constexpr auto kKnownFor = 1min;  // an account that was made or renamed is seen by then
constexpr std::size_t kKnownMax = 10'000;
constexpr auto kWaitMax = 10s;

}  // namespace

struct LoginNames::Asked {
  explicit Asked(const net::Executor& executor) : done(executor) {}
  net::Event done;
  std::optional<Result<std::string>> answer;
};

LoginNames::LoginNames(net::Scope& scope, net::BlockingPool& pool, Find find, const Clock& clock)
    : scope_(scope),
      find_(std::move(find)),
      clock_(clock),
      own_(net::BlockingPool::make(kThreads).value_or(nullptr)),
      pool_(own_ ? *own_ : pool),
      answered_(scope.executor()) {}

net::Task<std::string> LoginNames::find(std::uint32_t uid) {
  const auto known = known_.find(uid);
  if (known != known_.end() && clock_.steady_now() < known->second.until)
    co_return known->second.name;
  std::shared_ptr<Asked> asked = asked_[uid];
  if (!asked) {
    asked = asked_[uid] = std::make_shared<Asked>(scope_.executor());
    scope_.spawn(ask(this, uid, asked));
  }
  const SteadyTime deadline = scope_.after(kWaitMax);
  while (!asked->answer)
    if (!co_await asked->done.wait(deadline) && !asked->answer)
      co_return fail(ErrorKind::temporary, "the name of the account cannot be asked");
  co_return *asked->answer;
}

net::Awaitable<void> LoginNames::ask(LoginNames* self, std::uint32_t uid,
                                     std::shared_ptr<Asked> asked) {
  const SteadyTime deadline = self->scope_.after(kWaitMax);
  const std::size_t at_once = self->own_ ? self->own_->threads() : 1;
  while (self->asking_ >= at_once && co_await self->answered_.wait(deadline)) {
  }
  if (self->asking_ < at_once) {
    ++self->asking_;
    asked->answer = co_await self->pool_.run([self, uid] { return self->find_(uid); });
    --self->asking_;
    self->answered_.set();
  } else {
    asked->answer = fail(ErrorKind::temporary, "too many accounts' names are asked for");
  }
  if (*asked->answer) {
    if (self->known_.size() >= kKnownMax) self->known_.clear();
    self->known_[uid] = {**asked->answer, self->clock_.steady_now() + kKnownFor};
  }
  self->asked_.erase(uid);
  asked->done.close();
}

}  // namespace posthorn::process
