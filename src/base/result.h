// Result and Error: how every function of Posthorn fails, and the macros that pass a failure on.
// An Error's text is for the operator's log; a peer never sees it. In doubt an error is temporary:
// "could not ask" is never "not found".
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace posthorn {

enum class ErrorKind {
  temporary,  // may work later: keep the mail, answer 4xx
  permanent,  // will not work later either
  protocol,   // the peer broke its protocol; the connection is of no more use
  closed,     // the peer went away
  timeout,    // a deadline passed
  config,     // the administrator's text is wrong; what = "file:line: reason"
};

std::string_view to_string(ErrorKind kind);

struct [[nodiscard]] Error {
  ErrorKind kind = ErrorKind::temporary;
  std::string what;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string what) {
  return std::unexpected<Error>(Error{kind, std::move(what)});
}

// A temporary Error that names the failed call and errno's text: "open /var/x: No such file …".
std::unexpected<Error> fail_errno(std::string_view call, std::string_view subject, int error);

}  // namespace posthorn

#define POSTHORN_JOIN_(a, b) a##b
#define POSTHORN_JOIN(a, b) POSTHORN_JOIN_(a, b)
#define POSTHORN_TRY_(tmp, ret, decl, ...)               \
  auto tmp = (__VA_ARGS__);                              \
  if (!tmp) ret std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define POSTHORN_TRY_OK_(tmp, ret, ...) \
  if (auto tmp = (__VA_ARGS__); !tmp) ret std::unexpected(std::move(tmp).error())

// TRY(auto file, open(path)); binds the value or returns the error.
#define TRY(decl, ...) POSTHORN_TRY_(POSTHORN_JOIN(try_, __LINE__), return, decl, __VA_ARGS__)
// TRY_OK(sync(file)); for a Result<void>, or where the value is of no interest.
#define TRY_OK(...) POSTHORN_TRY_OK_(POSTHORN_JOIN(try_, __LINE__), return, __VA_ARGS__)
// The same in a coroutine: CO_TRY(auto n, co_await stream.read_some(buffer));
#define CO_TRY(decl, ...) POSTHORN_TRY_(POSTHORN_JOIN(try_, __LINE__), co_return, decl, __VA_ARGS__)
#define CO_TRY_OK(...) POSTHORN_TRY_OK_(POSTHORN_JOIN(try_, __LINE__), co_return, __VA_ARGS__)
