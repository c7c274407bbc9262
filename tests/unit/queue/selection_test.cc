// Selection: what each filter means, that they are joined by AND over one and the same recipient,
// and that what is not understood is told in a sentence.
#include "queue/selection.h"

#include <gtest/gtest.h>

namespace posthorn::queue {
namespace {

struct To {
  std::string address, reason = {}, asked = {}, planned = {};
  RecipientState state = RecipientState::waiting;
};

Stored stored_of(std::string sender, const std::vector<To>& recipients) {
  Stored stored;
  stored.envelope.sender = std::move(sender);
  for (const To& to : recipients) {
    stored.envelope.recipients.push_back({to.address, {}, {}});
    stored.recipients.push_back({.state = to.state,
                                 .reason = to.reason,
                                 .notice = Notice::none,
                                 .is_own_refusal = false,
                                 .asked = to.asked,
                                 .planned = to.planned});
  }
  return stored;
}

using Filters = std::vector<std::pair<std::string, std::string>>;

net::Message request_of(const Filters& filters) {
  net::Message request("list");
  for (const auto& [key, value] : filters) request.add(key, value);
  return request;
}

bool holds(const Filters& filters, const Stored& stored, State state = State::deferred,
           std::chrono::milliseconds age = std::chrono::hours(3), std::string_view reason = {}) {
  const auto selection = parse_selection(request_of(filters));
  EXPECT_TRUE(selection) << selection.error().what;
  return selection && matches(*selection, {stored, state, age, reason});
}

TEST(Selection, NothingGivenMeansAll) {
  EXPECT_TRUE(holds({}, stored_of("", {})));
  EXPECT_TRUE(parse_selection(request_of({{"after", "X"}}))->is_empty());
  EXPECT_FALSE(parse_selection(request_of({{"from", ""}}))->is_empty());
}

TEST(Selection, ASenderIsOneAddressADomainOrNobody) {
  const Stored alice = stored_of("Alice@Example.org", {}), nobody = stored_of("", {});
  EXPECT_TRUE(holds({{"from", "alice@example.ORG"}}, alice));
  EXPECT_TRUE(holds({{"from", "<alice@example.org>"}}, alice));
  EXPECT_TRUE(holds({{"from", "@example.org"}}, alice));
  EXPECT_FALSE(holds({{"from", "lice@example.org"}}, alice));
  EXPECT_FALSE(holds({{"from", "@org"}}, alice));
  EXPECT_FALSE(holds({{"from", "<>"}}, alice));
  EXPECT_TRUE(holds({{"from", "<>"}}, nobody));
  EXPECT_TRUE(holds({{"from", ""}}, nobody));
  EXPECT_FALSE(holds({{"from", "@example.org"}}, nobody));
}

TEST(Selection, DomainsInUtf8AndInAsciiAreTheSame) {
  const Stored utf8 = stored_of("", {{.address = "jo@müller.test"}});
  const Stored ascii = stored_of("", {{.address = "jo@xn--mller-kva.test"}});
  for (const std::string name : {"müller.test", "xn--mller-kva.test", "MÜLLER.test"}) {
    EXPECT_TRUE(holds({{"domain", name}}, utf8)) << name;
    EXPECT_TRUE(holds({{"domain", name}}, ascii)) << name;
    EXPECT_TRUE(holds({{"to", "jo@" + name}}, utf8)) << name;
    EXPECT_TRUE(holds({{"to", "jo@" + name}}, ascii)) << name;
  }
  EXPECT_TRUE(holds({{"domain", "@FAR.test"}}, stored_of("", {{.address = "x@far.test"}})));
  EXPECT_FALSE(holds({{"domain", "far.test"}}, stored_of("", {{.address = "x@so.far.test"}})));
}

TEST(Selection, OnlyWhoWaitsCounts) {
  const Stored done = stored_of("", {{.address = "a@far.test", .state = RecipientState::delivered},
                                     {.address = "b@far.test", .state = RecipientState::bounced},
                                     {.address = "c@near.test"}});
  EXPECT_FALSE(holds({{"domain", "far.test"}}, done));
  EXPECT_TRUE(holds({{"to", "c@near.test"}}, done));
}

TEST(Selection, WhatTellsOfARecipientTellsOfOneAndTheSame) {
  const Stored two =
      stored_of("a@x.test", {{.address = "b@far.test", .reason = "451 busy", .asked = "mx1"},
                             {.address = "c@near.test", .reason = "550 no", .asked = "mx2"}});
  EXPECT_TRUE(holds({{"domain", "far.test"}, {"reason", "BUSY"}, {"relay", "mx1"}}, two));
  EXPECT_FALSE(holds({{"domain", "far.test"}, {"reason", "550"}}, two));
  EXPECT_FALSE(holds({{"to", "c@near.test"}, {"relay", "mx1"}}, two));
  EXPECT_FALSE(holds({{"domain", "far.test"}, {"from", "other@x.test"}}, two));
}

TEST(Selection, ARelayIsAHostAsAskedOrAsPlanned) {
  const Stored host = stored_of("", {{.address = "b@far.test",
                                      .asked = "smtp.far.test[192.0.2.1]:587",
                                      .planned = "[smart.test]:587"}});
  for (const std::string relay :
       {"smtp.far.test", "SMTP.far.test:587", "192.0.2.1", "[192.0.2.1]:587", "smart.test",
        "[smart.test]", "[smart.test]:587", "smtp.far.test[192.0.2.1]:587"})
    EXPECT_TRUE(holds({{"relay", relay}}, host)) << relay;
  for (const std::string relay :
       {"far.test", "smtp.far.test:25", "192.0.2.2", "local", "smtp.far.test[192.0.2.2]:587"})
    EXPECT_FALSE(holds({{"relay", relay}}, host)) << relay;
  const Stored six = stored_of("", {{.address = "b@far.test", .asked = "mx[2001:db8::1]:25"}});
  EXPECT_TRUE(holds({{"relay", "2001:db8::1"}}, six));
  EXPECT_TRUE(holds({{"relay", "[2001:DB8::1]:25"}}, six));
  const Stored local = stored_of("", {{.address = "b@here.test", .asked = "local:b@here.test"}});
  EXPECT_TRUE(holds({{"relay", "local"}}, local));
  EXPECT_FALSE(holds({{"relay", "here.test"}}, local));
  const Stored unreached =
      stored_of("", {{.address = "b@far.test", .asked = "relay:smart.test:25:me"},
                     {.address = "c@far.test", .asked = "mx:far.test"}});
  EXPECT_TRUE(holds({{"relay", "smart.test:25"}}, unreached));
  EXPECT_TRUE(holds({{"relay", "far.test"}}, unreached));
  EXPECT_FALSE(holds({{"relay", "far.test"}}, stored_of("", {{.address = "x@far.test"}})));
}

TEST(Selection, StateAgeAndReason) {
  const Stored one = stored_of("", {{.address = "b@far.test", .reason = "Connection Refused"}});
  EXPECT_TRUE(holds({{"state", "Hold"}}, one, State::hold));
  EXPECT_FALSE(holds({{"state", "hold"}}, one));
  EXPECT_TRUE(holds({{"older", "2h"}}, one));
  EXPECT_FALSE(holds({{"older", "3h"}}, one));
  EXPECT_FALSE(holds({{"older", "2d"}}, one));
  EXPECT_TRUE(holds({{"reason", "connection REFUSED"}}, one));
  EXPECT_FALSE(holds({{"reason", "timed out"}}, one));
  EXPECT_TRUE(holds({{"reason", "filter"}}, one, State::deferred, 1s, "waits for the filter"));
  EXPECT_FALSE(holds({{"reason", "refused"}}, one, State::deferred, 1s, "waits for the filter"));
}

TEST(Selection, WhatIsNotUnderstoodIsSaid) {
  for (const auto& [key, value] : Filters{{"older", "2"},
                                          {"older", "yesterday"},
                                          {"older", ""},
                                          {"state", "stuck"},
                                          {"relay", ""},
                                          {"relay", ":25"},
                                          {"to", "<>"},
                                          {"domain", "@"},
                                          {"from", "@"},
                                          {"older", "-1d"}}) {
    const auto selection = parse_selection(request_of({{key, value}}));
    ASSERT_FALSE(selection) << key << "=" << value;
    EXPECT_EQ(selection.error().kind, ErrorKind::permanent);
    EXPECT_TRUE(selection.error().what.starts_with(key + ":")) << selection.error().what;
  }
}

TEST(Selection, WhereItGoesIsToldAsPeopleNameIt) {
  EXPECT_EQ(destination_of({.asked = "mx[192.0.2.1]:25", .planned = "far.test"}),
            "mx[192.0.2.1]:25");
  EXPECT_EQ(destination_of({.asked = "relay:smart.test:25:me", .planned = "[smart.test]:25"}),
            "[smart.test]:25");
  EXPECT_EQ(destination_of({.asked = "local:b@x", .planned = ""}), "local");
  EXPECT_EQ(destination_of({}), "");
}

}  // namespace
}  // namespace posthorn::queue
