// Limiter: may an account send one more message now, and what proves to the queue that it does.
// Asked of lookup, so that every edge worker counts against the same bound and none can count past
// it: a message without a token is a stranger's. A bound that is reached often means a stolen
// password.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "net/line_channel.h"
#include "net/task.h"

namespace posthorn::auth {

struct Submission {
  std::string account;  // where the asker itself knows it (the queue, of programs); else:
  std::string proof;    // of the session's login
  std::string service;  // the login's
  std::string session;
  std::size_t recipients = 0;
  bool is_of_root = false;  // the asker's own knowledge, and not handed on
};

struct Permit {
  enum class Outcome { ok, too_many, unproved };  // unproved: the login is too long ago
  Outcome outcome = Outcome::unproved;
  std::string token;  // for this one message; empty where the account was known
  std::string proof;  // in place of the session's, which lives on
};

class Limiter {
 public:
  virtual ~Limiter() = default;
  // It counts if it may.
  virtual net::Task<Permit> take(Submission submission) = 0;
};

// In the lookup role, of known accounts: messages in the last hour, recipients in the last day.
class SubmissionLimits final : public Limiter {
 public:
  SubmissionLimits(const config::Submission& config, const Clock& clock = Clock::system())
      : config_(config), clock_(clock) {}
  net::Task<Permit> take(Submission submission) override;
  bool take_now(const Submission& submission);
  std::size_t size() const { return accounts_.size(); }

 private:
  // Sums over a sliding window, in 60 steps of its length.
  struct Window {
    std::map<std::int64_t, std::size_t> steps;
    std::size_t sum(std::int64_t now_step);
  };
  struct Counts {
    Window messages;    // steps of a minute
    Window recipients;  // steps of 24 minutes
  };
  const config::Submission& config_;
  const Clock& clock_;
  std::map<std::string, Counts> accounts_;
};

// In the queue: what programs of one account of this machine may send in an hour, besides the
// bounds that the account has as a user. Root may send what it likes: cron, what watches the
// machine.
class ProgramLimiter final : public Limiter {
 public:
  ProgramLimiter(const config::Submission& config, Limiter& users,
                 const Clock& clock = Clock::system());
  net::Task<Permit> take(Submission submission) override;

 private:
  const config::Submission bounds_;
  SubmissionLimits programs_;
  Limiter& users_;
};

class RemoteLimiter final : public Limiter {
 public:
  explicit RemoteLimiter(net::LineChannel& channel) : channel_(channel) {}
  net::Task<Permit> take(Submission submission) override;

 private:
  net::LineChannel& channel_;
};

// The lookup role's side; nullopt: not its verb.
net::Awaitable<std::optional<net::Message>> answer_limit(Limiter& limiter,
                                                         const net::Message& request);

}  // namespace posthorn::auth
