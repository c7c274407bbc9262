// What FETCH and SEARCH say is the same whether a message's record is there, missing, damaged or of
// another version; and a record that cannot be read is made again.
#include <fmt/format.h>
#include <fstream>
#include <sqlite3.h>

#include "imap/server/session.h"
#include "search/record.h"
#include "tests/support/session_transcripts.h"

namespace posthorn::imap {
namespace {

class Records : public ::testing::Test {
 protected:
  // One session; what is wrong with it, or nothing.
  std::string run(const std::string& dialog) {
    std::ofstream(folder_.path() / "dialog.txt") << "S: a0 OK %%\n" << dialog;
    const config::Config config;
    return test::run_session_transcript(
        {.transcript = test::Transcript::read(folder_.path() / "dialog.txt"),
         .service = "imap",
         .tag = "a0",
         .mail = folder_.path() / "mail",
         .store = config.store},
        1'000'000, config, serve);
  }

  // The rows of the index's records, after sql; the session is over.
  std::vector<std::string> records(const char* sql = "") {
    std::vector<std::string> found;
    sqlite3* db = nullptr;
    const Path file = folder_.path() / "mail/example.org/alice/posthorn.index";
    EXPECT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_stmt* s = nullptr;
    sqlite3_prepare_v2(db, "SELECT bytes FROM records ORDER BY uid", -1, &s, nullptr);
    while (sqlite3_step(s) == SQLITE_ROW)
      found.emplace_back(static_cast<const char*>(sqlite3_column_blob(s, 0)),
                         static_cast<std::size_t>(sqlite3_column_bytes(s, 0)));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return found;
  }

  test::TempFolder folder_;
};

constexpr const char* kSelect = "C: b1 SELECT INBOX\nS*:\nS: b1 OK %%\n";
constexpr const char* kEnvelope =
    "C: c1 FETCH 1 ENVELOPE\n"
    "S: * 1 FETCH (ENVELOPE (NIL \"lunch\" ((\"Ann\" NIL \"ann\" \"x.test\")) "
    "((\"Ann\" NIL \"ann\" \"x.test\")) ((\"Ann\" NIL \"ann\" \"x.test\")) NIL NIL NIL NIL NIL))\n"
    "S: c1 OK %%\n";
constexpr const char* kStructure =
    "C: c2 FETCH 1 (BODY BODYSTRUCTURE BODY.PEEK[1])\n"
    "S: * 1 FETCH (BODY (\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 4 1) "
    "BODYSTRUCTURE (\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 4 1 NIL NIL NIL NIL) BODY[1] {4}\n"
    "S: hi\nS: )\nS: c2 OK %%\n";
constexpr const char* kSearch =
    "C: c3 SEARCH SUBJECT LUN FROM ann@x\nS: * SEARCH 1\nS: c3 OK %%\n"
    "C: c4 SEARCH OR SUBJECT dinner BODY hi\nS: * SEARCH 1\nS: c4 OK %%\n"
    "C: c5 SEARCH NOT SUBJECT lunch\nS: * SEARCH\nS: c5 OK %%\n"
    "C: c6 SEARCH HEADER X-Odd yes SUBJECT lunch\nS: * SEARCH 1\nS: c6 OK %%\n";

TEST_F(Records, AreMadeAgainWhenTheyCannotBeRead) {
  const std::string mail =
      "From: Ann <ann@x.test>\\r\\nSubject: lunch\\r\\nX-Odd: yes\\r\\n"
      "Content-Type: text/html\\r\\n\\r\\nhi\\r\\n";
  ASSERT_EQ(run("R: a1 APPEND INBOX {83+}\\r\\n" + mail + "\\r\\n\nS: a1 OK %%\n" + kSelect +
                kSearch + kEnvelope + kSearch),
            "");
  const auto of_header = records();
  ASSERT_EQ(of_header.size(), 1U);
  EXPECT_FALSE(search::read_record(of_header[0])->structure);
  // One of the header alone is replaced when the structure is asked for.
  EXPECT_EQ(run(std::string(kSelect) + kStructure + kEnvelope + kSearch), "");
  const auto whole = records();
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_TRUE(search::read_record(whole[0])->structure);
  for (const char* damage :
       {"DELETE FROM records", "UPDATE records SET bytes = x''",
        "UPDATE records SET bytes = substr(bytes, 1, 30)",
        "UPDATE records SET bytes = CAST('(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)' AS BLOB)",
        "UPDATE records SET bytes = NULL",
        "UPDATE records SET bytes = x'07' || substr(bytes, 2)"}) {
    (void)records(damage);
    EXPECT_EQ(run(std::string(kSelect) + kSearch + kEnvelope + kStructure), "") << damage;
    EXPECT_EQ(records(), whole) << damage;
  }
}

}  // namespace
}  // namespace posthorn::imap
