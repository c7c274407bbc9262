// Local delivery in a temporary folder: the site's scripts, the accounts on a disk that may fail,
// and a queue that keeps what Sieve sends on.
#pragma once

#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>

#include "lda/home_scripts.h"
#include "lda/sink.h"
#include "tests/support/fake_directory.h"
#include "tests/support/fault_disk.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::lda {

inline constexpr std::string_view kMail =
    "From: friend@elsewhere.test\r\nSubject: hello\r\n\r\nbody\r\n";

// The queue as the store sees it.
class Outgoing final : public smtp::SinkFactory {
 public:
  struct Mail {
    message::Envelope envelope;
    std::string text;
    bool is_committed = false, is_aborted = false;
  };
  std::unique_ptr<smtp::Sink> make() override { return std::make_unique<Transaction>(*this); }
  std::vector<Mail> committed() const {
    std::vector<Mail> all;
    for (const auto& mail : mails)
      if (mail->is_committed) all.push_back(*mail);
    return all;
  }

  std::vector<std::shared_ptr<Mail>> mails;
  bool is_down = false;
  ErrorKind down_kind = ErrorKind::temporary;
  std::function<void()> after_commit = [] {};

 private:
  class Transaction final : public smtp::Sink {
   public:
    explicit Transaction(Outgoing& queue) : queue_(queue) { queue.mails.push_back(mail_); }
    net::Task<> begin(const message::Envelope& envelope) override {
      mail_->envelope = envelope;
      if (queue_.is_down) co_return fail(queue_.down_kind, "the queue is away");
      co_return Result<>{};
    }
    net::Task<> write(std::string_view bytes) override {
      mail_->text += bytes;
      co_return Result<>{};
    }
    net::Task<smtp::Committed> commit() override {
      mail_->is_committed = true;
      queue_.after_commit();
      co_return smtp::Committed{.queue_id = "Q1", .recipients = {}};
    }
    net::Awaitable<void> abort() override {
      mail_->is_aborted = true;
      co_return;
    }

   private:
    Outgoing& queue_;
    std::shared_ptr<Mail> mail_ = std::make_shared<Mail>();
  };
};

// A test writes its scripts, then calls start().
struct DeliveryTest : testing::Test {
  DeliveryTest() {
    config.paths.sieve = folder.path() / "sieve";
    config.paths.state = folder.path() / "state";
    config.paths.mail = folder.path() / "mail";
    std::filesystem::create_directories(config.paths.sieve / "users");
    std::filesystem::create_directories(config.paths.state / "store");
    script("default.sieve", "keep;\n");
  }
  ~DeliveryTest() override {
    if (!accounts) return;
    accounts->stop();
    loop.wait(accounts->close());
  }
  void script(const std::string& name, std::string_view text) const {
    test::write_text(config.paths.sieve / name, text);
  }
  void start() {
    scripts = std::make_unique<SiteScripts>(loop.scope(), loop.pool(), config);
    test::Watched watched(loop, 1h, *scripts);
    for (const config::Finding& fault : watched.reload()) ADD_FAILURE() << fault.text();
    accounts = std::make_unique<store::Accounts>(loop.scope(), loop.pool(),
                                                 store::Accounts::Options{.store = config.store,
                                                                          .mail = config.paths.mail,
                                                                          .hostname = "mx.test",
                                                                          .disk = &disk,
                                                                          .boot_id = "boot-1"});
    memories.emplace(Memories::Parts{loop.scope(), loop.pool(), config, disk});
    answering.emplace(Replies::Parts{config, *memories, outbox});
    redirector.emplace(Redirector::Parts{directory, queue, loop.pool()});
    own.emplace(UserScripts::Parts{loop.pool(), config, homes});
    factory.emplace(StoreSinkParts{config, *accounts, *scripts, *own, *redirector, *answering});
  }
  void make_mailbox(const std::string& account, const std::string& mailbox) {
    const auto opened = loop.run(accounts->open(account));
    ASSERT_TRUE(opened);
    ASSERT_TRUE(loop.run((*opened)->create(mailbox)));
  }

  static message::Envelope envelope_to(const std::vector<std::string>& recipients) {
    message::Envelope envelope;
    envelope.sender = "friend@elsewhere.test";
    for (const std::string& address : recipients)
      envelope.recipients.push_back({.address = address, .original = {}, .notify = {}});
    return envelope;
  }
  // "250 2.0.0", for each recipient.
  std::vector<std::string> deliver(const std::vector<std::string>& recipients,
                                   std::string_view mail = kMail) {
    const auto sink = factory->make();
    EXPECT_TRUE(loop.run(sink->begin(envelope_to(recipients))));
    EXPECT_TRUE(loop.run(sink->write(mail)));
    const auto committed = loop.run(sink->commit());
    std::vector<std::string> replies;
    if (!committed) return replies;
    for (const auto& one : committed->recipients) {
      replies.push_back(fmt::format("{} {}", one.reply.code, one.reply.enhanced));
      last_text = one.reply.text;
    }
    return replies;
  }
  Path place(const std::string& user, const std::string& mailbox = "INBOX") const {
    const Path home = config.paths.mail / "example.org" / user;
    return mailbox == "INBOX" ? home : home / ("." + mailbox);
  }
  // The messages of a mailbox of user@example.org, with the letters of their flags in front.
  std::vector<std::string> messages(const std::string& user,
                                    const std::string& mailbox = "INBOX") const {
    std::vector<std::string> texts;
    for (const char* part : {"new", "cur"}) {
      const Path at = place(user, mailbox) / part;
      if (!std::filesystem::exists(at)) continue;
      for (const std::string& name : test::names_in(at)) {
        const std::size_t flags = name.find(":2,");
        texts.push_back((flags == std::string::npos ? "" : name.substr(flags + 3)) + "|" +
                        test::read_text(at / name));
      }
    }
    return texts;
  }
  std::size_t count(const std::string& user, const std::string& mailbox = "INBOX") const {
    return messages(user, mailbox).size();
  }

  test::TestLoop loop;
  test::TempFolder folder;
  config::Config config;
  test::FaultDisk disk;
  test::FakeDirectory directory;
  Outgoing queue;
  std::unique_ptr<SiteScripts> scripts;
  std::unique_ptr<store::Accounts> accounts;
  HomeScripts homes{config};
  std::optional<UserScripts> own;
  std::optional<Redirector> redirector;
  Outbox outbox{{directory, queue}};
  std::optional<Memories> memories;
  std::optional<Replies> answering;
  std::optional<StoreSinkFactory> factory;
  std::string last_text;  // of the last recipient's reply
};

}  // namespace posthorn::lda
