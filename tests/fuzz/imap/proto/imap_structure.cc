// Any bytes as a message: its ENVELOPE, BODY and BODYSTRUCTURE are each one well formed list of the
// grammar of RFC 3501 section 9, of the right length, so no header can say more than its place
// allows.
#include "imap/proto/parser.h"
#include "imap/proto/response.h"
#include "search/record.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

// A reader of responses that knows no more than the grammar: lists, strings, NIL and numbers.
class Reader {
 public:
  explicit Reader(std::string_view text) : parser_(text) {}

  bool is_end() const { return parser_.at_end(); }
  bool is_list() const { return parser_.peek() == '('; }
  // One value; a list's length, 0 for anything else.
  std::size_t value(std::size_t depth = 0) {
    test::require(depth < 500);
    if (!parser_.take('(')) {
      string_or_number();
      return 0;
    }
    std::size_t count = 0;
    while (!parser_.take(')')) {
      // The parts of a multipart stand without spaces between them.
      if (count > 0 && !parser_.take_space()) test::require(is_list());
      value(depth + 1);
      ++count;
    }
    return count;
  }
  void string_or_number() {
    if (parser_.string() || parser_.number()) return;
    test::require(parser_.take_word("NIL"));
  }
  void envelope() {
    test::require(parser_.take('('));
    for (int i = 0; i < 10; ++i) {
      if (i > 0) test::require(parser_.take_space());
      if (i < 2 || i > 7) {
        string_or_number();
      } else if (!parser_.take_word("NIL")) {
        test::require(parser_.take('('));
        do {
          test::require(value() == 4);
        } while (is_list());
        test::require(parser_.take(')'));
      }
    }
    test::require(parser_.take(')') && is_end());
  }

 private:
  imap::Parser parser_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = test::text_of(data, size);
  const std::string record = search::make_record(text);
  const auto facts = search::read_record(record);
  test::require(facts && facts->header && facts->structure);
  std::string envelope;
  imap::append_envelope(envelope, *facts->header);
  Reader(envelope).envelope();

  const search::PartFacts& root = *facts->structure;
  for (const imap::Extended extended : {imap::Extended::no, imap::Extended::yes}) {
    std::string structure;
    imap::append_structure(structure, root, extended);
    Reader reader(structure);
    test::require(reader.value() >= (root.is_multipart() ? 2U : 7U) && reader.is_end());
  }
  return 0;
}
