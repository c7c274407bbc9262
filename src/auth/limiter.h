// Limiter: how much an account may do in a while, asked for by name, so that every edge worker
// counts against the same bound. A bound that is reached often means a stolen password.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "net/line_channel.h"
#include "net/task.h"

namespace posthorn::auth {

struct Submission {
  std::string account;
  std::size_t recipients = 0;
};

class Limiter {
 public:
  virtual ~Limiter() = default;
  // May the account send this message now? It counts if it may.
  virtual net::Task<bool> take(Submission submission) = 0;
};

// In the lookup role: messages in the last hour, recipients in the last day.
class SubmissionLimits final : public Limiter {
 public:
  SubmissionLimits(const config::Submission& config, const Clock& clock = Clock::system())
      : config_(config), clock_(clock) {}
  net::Task<bool> take(Submission submission) override;
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

class RemoteLimiter final : public Limiter {
 public:
  explicit RemoteLimiter(net::LineChannel& channel) : channel_(channel) {}
  net::Task<bool> take(Submission submission) override;

 private:
  net::LineChannel& channel_;
};

// The lookup role's side; nullopt: not its verb.
net::Awaitable<std::optional<net::Message>> answer_limit(Limiter& limiter,
                                                         const net::Message& request);

}  // namespace posthorn::auth
