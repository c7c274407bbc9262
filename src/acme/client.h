// Client: one conversation with an ACME directory (RFC 8555): an account, an order, its challenges,
// the certificate; revocation; renewal information (RFC 9773). It knows the world only as Wire and
// Prover, so that tests are the directory. Every wait and every loop has an end; what the directory
// asks for (Retry-After) is honoured, and nothing is asked twice that was refused once.
//
//   order      pending - challenges proved -> ready - finalize -> processing -> valid: certificate
//              any of them -> invalid: a Failure with the authority's reason
//   challenge  offered to the web role -> told to the authority -> polled -> forgotten at any end
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "acme/jws.h"
#include "acme/problem.h"
#include "acme/protocol.h"
#include "net/http_client.h"
#include "net/task.h"

namespace posthorn::acme {

// The directory's end, and time.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual net::Task<net::HttpAnswer> ask(net::HttpRequest request) = 0;
  virtual net::Awaitable<void> wait(std::chrono::milliseconds time) = 0;
  virtual WallTime now() const = 0;
};

// Who answers a challenge: the web role.
struct Proof {
  std::string type;  // "http-01", "tls-alpn-01"
  std::string name, token, key_authorization;
};
class Prover {
 public:
  virtual ~Prover() = default;
  // An Error: it cannot be answered, and why (there is no listener for it).
  virtual net::Task<> offer(Proof proof) = 0;
  virtual net::Awaitable<void> forget(Proof proof) = 0;
};

class Client {
 public:
  template <class T = void>
  using Task = net::Awaitable<Attempt<T>>;

  struct Settings {
    std::string directory;  // its URL
    std::string email;
    std::vector<std::string> challenges;  // types, the preferred first
    std::optional<Binding> binding = {};
  };
  Client(Wire& wire, Prover& prover, Settings settings);

  // The directory itself; read again after an hour.
  Task<Directory> look();
  // The account of the key, made if there is none: its URL (RFC 8555 section 7.3).
  Task<std::string> enter(const AccountKey& key);
  // The account that all that follows is asked for by.
  struct Account {
    const AccountKey& key;
    std::string url;
  };
  // A Failure of type kAccountGone: the account is deactivated or revoked, and no other answer is
  // to be had with it.
  Task<std::string> issue(const Account& account, Wish wish, const std::string& request_der);
  Task<> revoke(const Account& account, const std::string& certificate_der, Reason reason);
  Task<> change_contact(const Account& account);

  struct Renewal {
    Window window;
    std::chrono::seconds again;  // to be asked so much later
  };
  // nullopt: this directory has no renewal information.
  Task<std::optional<Renewal>> find_window(const std::string& renewal_id);

 private:
  struct Posted {
    const AccountKey& key;
    std::string account;  // empty: signed by the key itself
    std::string url;
    std::string payload;
    std::string_view accept = "application/json";
  };
  // Of an attempt: a way that failed for a name is not tried again in it.
  using Failed = std::vector<std::pair<std::string, std::string>>;  // name, challenge's type

  Task<std::string> take_nonce();
  Task<net::HttpAnswer> post(Posted posted);
  Task<net::HttpAnswer> post_good(Posted posted);  // with a status that says yes
  Task<std::string> order(const Account& account, Wish wish, const std::string& request_der,
                          Failed& failed);
  Task<net::HttpAnswer> begin_order(const Account& account, Wish wish);
  Task<> judge_account(const Account& account);
  Task<> prove(const Account& account, const std::string& url, Failed& failed);
  Task<> prove_by(const Account& account, const std::string& url, const std::string& name,
                  const Challenge& challenge, Failed& failed);
  Task<Order> await_order(const Account& account, const std::string& url, Status left);
  net::Awaitable<bool> pause(class Patience& patience, const net::HttpAnswer& last);

  Wire& wire_;
  Prover& prover_;
  const Settings settings_;
  std::optional<Directory> directory_;
  WallTime looked_{};
  std::string nonce_;
};

inline constexpr std::string_view kAccountGone = "accountGone";
inline constexpr std::string_view kAccountUnknown = "accountDoesNotExist";

}  // namespace posthorn::acme
