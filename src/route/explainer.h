// Explainer: what the live server would do with a mail, step by step: it asks what the SMTP server
// asks at MAIL and RCPT and what the queue asks of each recipient, in their order, by the same
// functions, and has the way written down. It changes nothing, and what cannot be asked it says.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/line_channel.h"
#include "route/reception.h"

namespace posthorn::route {

// Where mail for one of the final recipients goes.
struct Leads {
  std::string address;
  std::string by;   // the entries that led to it
  std::string way;  // "the mailbox of bob@example.org", "mail.example:587 as poster", a refusal
};

struct Explained {
  enum class Outcome { taken, refused, unasked };
  Outcome outcome = Outcome::unasked;
  Reply reply;      // as an SMTP client would get it
  std::string why;  // of unasked, or put off by a table: for the operator
  Explanation steps;
  std::vector<Leads> leads;
  std::size_t leads_left_out = 0;
};

class Explainer {
 public:
  struct NoLogin {
    std::string why, basis;  // "there is no login of that name", "conf/users"
  };
  // What becomes of a login of this name with its right password: whose it is.
  using FindLogin = std::function<net::Task<std::expected<std::string, NoLogin>>(std::string)>;
  // What the operator should know of the files before he reads lines of them.
  struct Doubt {
    std::string text;
    std::string where = {};  // "path:line": it is told if that table was asked; empty: always
  };
  struct Sources {
    Directory& directory;  // as edge asks it: with the room in mailboxes, where that can be asked
    // Why an address may not log in now; nullopt: it may.
    std::function<std::optional<std::string>(const std::string& address)> find_ban = {};
    FindLogin find_login = {};  // where it cannot be asked: every name is taken for a login
    std::vector<Doubt> doubts = {};
  };
  Explainer(const config::Config& config, Sources sources)
      : config_(config), sources_(std::move(sources)) {}

  struct Recipient {
    std::string address;
    std::optional<std::string> sender = {};  // nullopt: any; empty: the null sender
    std::string client = {};                 // its address; empty: any stranger's
  };
  // Mail of a stranger, at port 25.
  net::Task<Explained> explain_recipient(Recipient question);
  struct Submission {
    std::string account, sender;
    std::optional<std::string> recipient = {};  // nullopt: of the sender alone
  };
  net::Task<Explained> explain_submission(Submission question);
  struct Relay {
    std::string address;
    std::string sender = {};
  };
  // By which way mail for an address leaves; of an alias of ours, for whom it leads to.
  net::Task<Explained> explain_relay(Relay question);

 private:
  net::Task<Explained> tell_recipient(Recipient question);
  net::Task<Explained> tell_submission(Submission question);
  net::Task<Explained> tell_relay(Relay question);
  net::Task<Explained> with_doubts(net::Task<Explained> told) const;
  bool bears_on(const Doubt& doubt, const Explanation& steps) const;
  net::Task<bool> find_login(Explained* explained, std::string* account) const;
  net::Task<> take_recipient(Explained* explained, const Client* client, RecipientQuestion question,
                             std::string sender);
  // Why there is no way; nullopt: there is one, or nobody could be asked.
  net::Task<std::optional<Reason>> plan(Explained* explained, PlanQuestion question,
                                        std::string by);
  bool find_client(const std::string& address, Explained& explained) const;

  const config::Config& config_;
  Sources sources_;
};

// Over the line protocol: the verb "explain", of= recipient, submission or relay. nullopt: another
// verb.
net::Awaitable<std::optional<net::Message>> answer_explain(Explainer& explainer,
                                                           const net::Message& request);
net::Message to_message(const Explained& explained);
Result<Explained> read_explained(const net::Message& answer);

}  // namespace posthorn::route
