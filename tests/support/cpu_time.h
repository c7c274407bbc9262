// How much processor time something takes: other processes and a slow disk do not count, so a bound
// on it can stand in a test. Under the sanitizers code takes many times longer than what is
// shipped; the bound is wider there, and still far below what a quadratic parser would need.
#pragma once

#include <chrono>
#include <ctime>

namespace posthorn::test {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr std::chrono::milliseconds kCpuSecond{5000};
#else
inline constexpr std::chrono::milliseconds kCpuSecond{1000};
#endif
#else
inline constexpr std::chrono::milliseconds kCpuSecond{1000};
#endif

template <class F>
std::chrono::milliseconds cpu_time(F&& f) {
  const auto now = [] {
    std::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto begin = now();
  f();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now() - begin);
}

}  // namespace posthorn::test
