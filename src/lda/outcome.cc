#include "lda/outcome.h"

#include <fmt/format.h>

namespace posthorn::lda {

void add_reason(Asker& asker, std::string_view why) {
  if (!asker.why.empty()) asker.why += "; ";
  asker.why += why;
}

Asker asker_of(const sieve::Action& action) {
  Asker asker{.at = {action.script, action.line}, .why = {}};
  if (action.by == sieve::Action::By::fault)
    asker.why = "the script failed";
  else if (action.by == sieve::Action::By::no_rule)
    asker.why = action.script.empty() ? "there is no script" : "no rule matched";
  return asker;
}

smtp::RecipientResult result_of(const Ending& ending) {
  using smtp::RecipientResult;
  using Reason = RecipientResult::Reason;
  struct Results {
    RecipientResult operator()(const Stored& stored) const {
      return {Reason::stored,
              {250, "2.0.0", "Ok: saved in " + stored.copies.front().placed.mailbox}};
    }
    RecipientResult operator()(const SentAway&) const {
      return {Reason::redirected, {250, "2.0.0", "Ok: sent on"}};
    }
    RecipientResult operator()(const Discarded&) const {
      return {Reason::discarded, {250, "2.0.0", "Ok: discarded"}};
    }
    RecipientResult operator()(const Refused& refused) const {
      return {Reason::rejected, {550, "5.7.1", refused.text}};
    }
    // RFC 3463 section 3.3: X.2.2, mailbox full.
    RecipientResult operator()(const Full& full) const {
      const std::string text = fmt::format("<{}>: Mailbox is full", full.recipient);
      if (full.is_put_off) return {Reason::over_quota, {452, "4.2.2", text}};
      return {Reason::over_quota, {552, "5.2.2", text}};
    }
    RecipientResult operator()(const Impossible&) const {
      return {Reason::rejected, {550, "5.1.1", "There can be no such mailbox"}};
    }
    RecipientResult operator()(const Postponed&) const {
      return {Reason::failed, {451, "4.2.0", "The mailbox could not be written; try again later"}};
    }
  };
  return std::visit(Results{}, ending);
}

}  // namespace posthorn::lda
