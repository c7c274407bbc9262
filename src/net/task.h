// The coroutine types of Posthorn. Awaited coroutines may take references; spawned ones
// (net::Scope) take values or objects that live as long as the role. Nothing throws: Task<T>
// co_returns a Result<T>.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "base/result.h"

namespace posthorn::net {

template <class T = void>
using Awaitable = asio::awaitable<T>;

template <class T = void>
using Task = asio::awaitable<Result<T>>;

using Executor = asio::any_io_executor;

}  // namespace posthorn::net
