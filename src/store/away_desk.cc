#include "store/away_desk.h"

#include "config/account_path.h"
#include "store/away.h"

namespace posthorn::store {

net::Task<net::Message> answer_away(const Accounts& accounts, const Account& account,
                                    const net::Message& request) {
  const Accounts::Options& options = accounts.options();
  CO_TRY(const Path home,
         config::account_path(options.mail, options.store.location, account.name()));
  net::BlockingPool& pool = accounts.pool();
  if (request.verb == "away") {
    CO_TRY(const auto away, co_await pool.run([&] { return read_away(home); }));
    if (!away) co_return net::Message("none");
    co_return net::Message("ok").add("text", format_away(*away));
  }
  if (request.verb == "away-set") {
    CO_TRY(const Away away, parse_away(request.get("text")));
    CO_TRY_OK(co_await pool.run([&] { return write_away(*options.disk, home, away); }));
    co_return net::Message("ok");
  }
  if (request.verb == "away-remove") {
    CO_TRY_OK(co_await pool.run([&] { return remove_away(*options.disk, home); }));
    co_return net::Message("ok");
  }
  co_return fail(ErrorKind::permanent, "no question of this desk");
}

}  // namespace posthorn::store
