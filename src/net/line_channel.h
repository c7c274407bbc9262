// LineChannel: the one protocol between roles that is not LMTP. A request is a line of
// tab-separated fields; the first is a tag that the channel adds, the answer carries it back.
// Requests may overlap. In a field, tab, LF, CR, NUL and backslash are written \t \n \r \0 \\, so
// no text can end a field or a line. At most 64 KiB a line.
//
//   C: 17 <tab> recipient <tab> address=bob@example.org <tab> account=
//   S: 17 <tab> ok <tab> to=bob@example.org
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/scope.h"
#include "net/socket.h"
#include "net/stream.h"

namespace posthorn::net {

// A verb (or, in an answer, a status) and key=value pairs in order; a key may stand more than once.
struct Message {
  std::string verb;
  std::vector<std::pair<std::string, std::string>> fields;

  Message() = default;
  explicit Message(std::string v) : verb(std::move(v)) {}
  Message& add(std::string_view key, std::string_view value) &;
  Message&& add(std::string_view key, std::string_view value) &&;
  std::string_view get(std::string_view key) const;  // empty if it is not there
  std::optional<std::string_view> find(std::string_view key) const;
  std::vector<std::string_view> all(std::string_view key) const;
};

inline constexpr std::size_t kLineMax = 65'536;
std::string format_message(std::string_view tag, const Message& message);  // with the LF
struct TaggedMessage {
  std::string tag;
  Message message;
};
Result<TaggedMessage> parse_message(std::string_view line);  // without the LF

// The client side: connects when first asked, again with back-off when the peer went; an unanswered
// request of a lost connection fails as temporary. Lives as long as the role.
class LineChannel {
 public:
  LineChannel(Scope& scope, Address address);
  ~LineChannel();
  Task<Message> ask(Message request, SteadyTime deadline);
  Task<Message> ask(Message request, std::chrono::milliseconds within);
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The server side: reads requests from one connection and answers each; several are worked on at a
// time.
using LineHandler = std::function<Awaitable<Message>(Message request)>;
// Asked before the handler is: an answer that the request gets in its place; nullopt: it may pass.
using LineGate = std::function<std::optional<Message>(const Message& request)>;
Awaitable<void> serve_lines(Scope& scope, StreamPtr stream, LineHandler handler,
                            LineGate gate = {});

}  // namespace posthorn::net
