// Where each command is legal: every verb in every state of a session, row by row.
#include "smtp/server/legality.h"

#include <gtest/gtest.h>

namespace posthorn::smtp {
namespace {

constexpr Verb kVerbs[] = {Verb::ehlo, Verb::helo,     Verb::lhlo, Verb::mail,
                           Verb::rcpt, Verb::data,     Verb::bdat, Verb::rset,
                           Verb::noop, Verb::quit,     Verb::vrfy, Verb::expn,
                           Verb::help, Verb::starttls, Verb::auth, Verb::xforward};

int code_of(Verb verb, const DialogState& state, std::string argument = {}) {
  const auto reply = refuse_illegal({verb, std::move(argument)}, state);
  return reply ? reply->code : 0;
}

// The codes in the order of kVerbs; 0: legal.
std::vector<int> codes_in(const DialogState& state) {
  std::vector<int> codes;
  for (const Verb verb : kVerbs) codes.push_back(code_of(verb, state));
  return codes;
}

TEST(Legality, EveryVerbInEveryState) {
  const DialogState fresh{.offers_tls = true};
  DialogState greeted = fresh;
  greeted.greeted = true;
  DialogState in_mail = greeted;
  in_mail.in_mail = true;
  DialogState submission{.protocol = Protocol::submission,
                         .offers_tls = true,
                         .has_auth = true,
                         .greeted = true,
                         .requires_tls = true,
                         .requires_auth = true};
  DialogState submission_tls = submission;
  submission_tls.tls = true;
  DialogState user = submission_tls;
  user.authenticated = true;
  const DialogState lmtp{.protocol = Protocol::lmtp, .internal = true, .greeted = true};

  using Codes = std::vector<int>;
  //                        ehlo helo lhlo mail rcpt data bdat rset noop quit vrfy expn help tls
  //                        auth xfwd
  EXPECT_EQ(codes_in(fresh), (Codes{0, 0, 500, 503, 503, 503, 503, 0, 0, 0, 0, 0, 0, 0, 503, 502}));
  EXPECT_EQ(codes_in(greeted), (Codes{0, 0, 500, 0, 503, 503, 503, 0, 0, 0, 0, 0, 0, 0, 503, 502}));
  EXPECT_EQ(codes_in(in_mail), (Codes{0, 0, 500, 503, 0, 0, 0, 0, 0, 0, 0, 0, 0, 503, 503, 502}));
  EXPECT_EQ(codes_in(submission),
            (Codes{0, 0, 500, 530, 530, 530, 530, 0, 0, 0, 530, 530, 0, 0, 538, 502}));
  EXPECT_EQ(codes_in(submission_tls),
            (Codes{0, 0, 500, 530, 530, 530, 530, 0, 0, 0, 0, 0, 0, 503, 0, 502}));
  EXPECT_EQ(codes_in(user), (Codes{0, 0, 500, 0, 503, 503, 503, 0, 0, 0, 0, 0, 0, 503, 503, 502}));
  EXPECT_EQ(codes_in(lmtp), (Codes{500, 500, 0, 0, 503, 503, 503, 0, 0, 0, 0, 0, 0, 502, 503, 0}));
}

TEST(Legality, WithoutHeloOnlyMailIsSpared) {
  const DialogState state{.requires_helo = false};
  EXPECT_EQ(code_of(Verb::mail, state), 0);
  EXPECT_EQ(code_of(Verb::auth, {.has_auth = true, .may_auth_plain = true, .requires_helo = false}),
            503);
}

TEST(Legality, NoArgumentWhereNoneBelongs) {
  const DialogState in_mail{.offers_tls = true, .greeted = true, .in_mail = true};
  for (const Verb verb : {Verb::data, Verb::rset, Verb::quit, Verb::starttls})
    EXPECT_EQ(code_of(verb, in_mail, "x"), 501);
  for (const Verb verb : {Verb::noop, Verb::vrfy, Verb::help})
    EXPECT_EQ(code_of(verb, in_mail, "x"), 0);
}

TEST(Legality, PlaintextLoginOnlyBySetting) {
  DialogState state{.has_auth = true, .greeted = true};
  EXPECT_FALSE(offers_auth(state));
  EXPECT_EQ(code_of(Verb::auth, state), 538);
  state.may_auth_plain = true;
  EXPECT_TRUE(offers_auth(state));
  EXPECT_EQ(code_of(Verb::auth, state), 0);
}

}  // namespace
}  // namespace posthorn::smtp
