// AuthService: the one place where passwords are checked (in the lookup role), for every protocol.
// Hashing runs in the pool; failures slow down and at last ban the address they come from; a good
// login gives a one-time token for the store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auth/authenticator.h"
#include "auth/explanation.h"
#include "auth/limiter.h"
#include "auth/throttle.h"
#include "auth/user_file.h"
#include "base/log.h"
#include "config/config.h"
#include "maps/table.h"
#include "net/blocking_pool.h"
#include "net/keeper.h"
#include "net/line_channel.h"
#include "net/networks.h"
#include "net/scope.h"
#include "net/timer.h"
#include "net/watched_files.h"

namespace posthorn::auth {

// What is asked anew for each login, because it does not stand in a file that was read.
// What changes a login: a command of ours, unless they are kept by a program of somebody else.
std::string remedy_with(std::string_view command, const std::string& account,
                        const maps::Table* users);

struct Sources {
  // A login, then its {SCHEME}hash; asked instead of the file paths.users. It lives longer.
  const maps::Table* users = nullptr;
  // Is the domain ours? Without it the domain names decide.
  std::function<net::Task<bool>(std::string)> has_domain = {};
  // A login, then its quota rules; asked where users is.
  const maps::Table* quotas = nullptr;
};

// What a message's token is for, in place of a service.
inline constexpr std::string_view kMailService = "mail";

// What the queue asks of a message that came with a token.
struct MailClaim {
  std::string token;
  std::string session;
  std::string sender;  // of the envelope
  std::size_t recipients = 0;
};

// The users of paths.users and paths.smtp_users are a part of the role's generation: a file with a
// fault keeps its last good form, at a start the copy of it in paths.state; without one, who stands
// on a faulty line, or all of a missing file, cannot be judged now.
class AuthService final : public Authenticator, public Redeemer, public net::FilePart {
 public:
  // domain_names gives the local domains of now, for logins that name none.
  AuthService(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
              net::Networks exempt, std::function<std::vector<std::string>()> domain_names,
              const Clock& clock = Clock::system(), Sources sources = {});

  net::Task<> start();
  std::string look() const override;
  net::Awaitable<net::Prepared> prepare() override;
  std::shared_ptr<const void> commit() override;
  void tell(const config::Finding& finding) const override;
  void stop();

  // The users files as the next commit() puts them to use; nullptr: they are elsewhere, or cannot
  // be read. Between prepare() and commit().
  using UserFilePtr = std::shared_ptr<const UserFile>;
  std::pair<UserFilePtr, UserFilePtr> prepared() const;

  // Who may not log in now, and the operator's say in it.
  std::vector<Ban> bans() const { return throttle_.bans(); }
  // Of an address, in a sentence's part: "12 failed logins, 240 s left"; nullopt: it may.
  std::optional<std::string> find_ban(const std::string& address) const;
  Result<> ban(const std::string& address, std::chrono::milliseconds time);
  bool unban(const std::string& address);  // false: it was not banned

  net::Task<Verdict> authenticate(Attempt attempt) override;
  // explain.cc. What authenticate() would say now. It counts for nothing, and leaves no trace.
  net::Awaitable<LoginOutlook> explain(LoginQuestion question);
  net::Task<std::optional<std::string>> redeem(std::string token, std::string service,
                                               std::string session) override;
  // submissions.cc. A login's next message: it counts against the account's bounds, and gets a
  // token if its proof is good.
  net::Task<Permit> permit(Limiter& bounds, Submission submission);
  // The account that the token was given to for one message of this session, to no more recipients.
  std::optional<std::string> redeem_mail(const MailClaim& claim);
  // user_quota.cc. The account's own quota rules (config/quota.h); empty: it has none.
  net::Task<std::string> find_quota_rules(std::string account) const;
  // The users file that is in use. An Error: nobody of it is known.
  Result<UserFilePtr> user_file() const;

 private:
  net::Task<Verdict> judge(Attempt attempt);
  static void tell_failure(const log::Logger& log, const Attempt& attempt, std::string_view account,
                           std::string_view reason);
  net::Task<std::optional<Throttle::Try>> begin_try(Throttle::Who who);
  struct Token {
    std::string account, service, session;
    SteadyTime expires;
    std::size_t recipients = 0;  // of a message
  };
  static net::Awaitable<void> sweep(AuthService* self);
  // bans.cc. told, here and below: where the steps are written; nullptr: nowhere.
  bool is_shut_out(const Throttle::Who& who, Explanation* told = nullptr);
  void tell_bans(const Throttle::Who& who, Explanation& told);
  // credential.cc, down to weigh().
  std::optional<std::string> account_of(const std::string& user, Explanation* told = nullptr) const;
  struct Users {
    UserFile file;
    std::string unread;                  // why nobody of it can be judged
    std::set<std::string> faulty_names;  // who cannot be judged
    bool is_whole() const { return unread.empty() && file.faults.empty(); }
    std::vector<const std::string*> hashes;  // of file, for accounts that do not exist
  };
  using UsersPtr = std::shared_ptr<const Users>;
  struct Read {
    UsersPtr users;
    net::Prepared outcome;
    std::shared_ptr<const std::string> good;  // the text, if it has no fault
    bool is_stale = false;                    // a copy's
  };
  static UsersPtr parse(const std::string& text, const Path& path);
  Read read_users(const Path& path, const UsersPtr& before) const;
  using HashLine = UserFile::Hashes::value_type;
  const HashLine* hash_of(const Users& users, const std::string& account) const;
  net::Task<std::optional<std::string>> find_hash(const UsersPtr& users, std::string account,
                                                  Explanation* told) const;
  net::Task<std::optional<std::string>> find_row(std::string account, Explanation* told) const;
  const std::string* stand_in_for(const Users& users, const std::string& account) const;
  net::Task<bool> is_any_user(std::string account) const;
  // What a password is held against.
  struct Credential {
    UsersPtr users;
    bool is_for_smtp = false;           // users are those of paths.smtp_users
    std::string account = {};           // empty: nobody can be meant
    std::optional<std::string> hash{};  // nullopt: there is no such user, or:
    bool is_by_name = false;            // the local part is the password (auth.any_user)
  };
  net::Task<Credential> find_credential(std::string service, std::string account,
                                        Explanation* told) const;
  // What only the log tells apart: for the peer, and in time, wrong and unknown are one.
  enum class Checked { right, wrong_password, unknown_user };
  net::Task<Checked> check(Credential credential, std::string password);
  static Result<Checked> foresee(const Credential& credential);
  bool may_come_from(const Credential& credential, const std::string& address,
                     Explanation* told) const;
  struct Judgement {
    bool is_good = false;
    std::string why = {};  // not
  };
  // password: nullopt: what becomes of the right one.
  net::Task<Judgement> weigh(const Attempt& attempt, const std::optional<std::string>& account,
                             std::optional<std::string> password, Explanation* told = nullptr);
  std::string cache_key(const std::string& account, const std::string& password,
                        std::string_view hash) const;
  std::string token_for(const std::string& account, const Attempt& attempt);
  std::string make_token(Token token);
  std::optional<Token> take_token(const std::string& token);
  std::string make_proof(const std::string& account, const std::string& service,
                         const std::string& session) const;
  std::optional<std::string> account_of_proof(const Submission& submission) const;
  std::string sign(std::string_view text) const;

  net::Scope& scope_;
  net::BlockingPool& pool_;
  const config::Config& config_;
  net::Networks exempt_;
  std::function<std::vector<std::string>()> domain_names_;
  const Clock& clock_;
  Sources sources_;
  net::Event stopped_;
  std::string stand_in_;  // with sources_.users: the hash of nobody
  UsersPtr users_;
  UsersPtr smtp_users_;  // nullptr: users_
  Read next_users_, next_smtp_users_;
  net::Keeper keeper_;
  Throttle throttle_;
  net::Event try_ended_;
  std::size_t waiting_ = 0;   // for a try of theirs to end
  std::string secret_;        // keys the cache; new in every process
  std::string proof_secret_;  // keys the sessions' proofs; likewise
  std::unordered_map<std::string, SteadyTime> cache_;
  std::unordered_map<std::string, Token> tokens_;
  std::size_t hashing_ = 0;
  log::Logger log_;
};

// The bounds as edge may ask for them: for a session with a proof, whatever account it names.
class LoginLimiter final : public Limiter {
 public:
  LoginLimiter(AuthService& service, Limiter& bounds) : service_(service), bounds_(bounds) {}
  net::Task<Permit> take(Submission submission) override {
    return service_.permit(bounds_, std::move(submission));
  }

 private:
  AuthService& service_;
  Limiter& bounds_;
};

// Edge and store ask over the line protocol.
class RemoteAuthenticator final : public Authenticator {
 public:
  explicit RemoteAuthenticator(net::LineChannel& channel) : channel_(channel) {}
  net::Task<Verdict> authenticate(Attempt attempt) override;

 private:
  net::LineChannel& channel_;
};

class RemoteRedeemer final : public Redeemer {
 public:
  explicit RemoteRedeemer(net::LineChannel& channel) : channel_(channel) {}
  net::Task<std::optional<std::string>> redeem(std::string token, std::string service,
                                               std::string session) override;

 private:
  net::LineChannel& channel_;
};

// The queue's side of a submitted message: whose it is. An Error: it could not be asked; nullopt:
// nobody's, or not with this sender.
net::Task<std::optional<std::string>> redeem_mail(net::LineChannel& lookup, MailClaim claim);

// The lookup role's side; nullopt: not one of its verbs.
net::Awaitable<std::optional<net::Message>> answer_authenticate(Authenticator& authenticator,
                                                                const net::Message& request);
net::Awaitable<std::optional<net::Message>> answer_redeem(Redeemer& redeemer,
                                                          const net::Message& request);
// may_send: whether the account may use the sender (RFC 6409 section 6.1).
using MaySend = std::function<net::Task<bool>(std::string account, std::string sender)>;
net::Awaitable<std::optional<net::Message>> answer_redeem_mail(AuthService& service,
                                                               const MaySend& may_send,
                                                               const net::Message& request);
// The operator's: bans, ban, unban (`posthorn ban`).
std::optional<net::Message> answer_bans(AuthService& service, const net::Message& request);
// The operator's: explain-login (`posthorn explain login`); in explain.cc.
net::Awaitable<std::optional<net::Message>> answer_explain(AuthService& service,
                                                           const net::Message& request);

}  // namespace posthorn::auth
