// How much processor time something takes: other processes and a slow disk do not count, so a bound
// on it can stand in a test. Seconds would still be another bound on each machine and in each
// build, so the unit is a pass: what this build needs here and now to copy a megabyte octet by
// octet. A parser that is linear takes some passes for each megabyte; a quadratic one thousands.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>

namespace posthorn::test {

// Ten times what any test needs, and far below what a quadratic parser would.
inline constexpr double kPassesMax = 300;

template <class F>
std::chrono::nanoseconds cpu_time(F&& f) {
  const auto now = [] {
    std::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto begin = now();
  f();
  return now() - begin;
}

// The processor time of f, in passes; the machine is measured before and after, for its speed
// may change meanwhile.
template <class F>
double cpu_passes(F&& f) {
  const auto pass = [] {
    const std::string from(1U << 20U, 'x');
    std::string to;
    return cpu_time([&] {
      for (const char c : from) to += c;
    });
  };
  const auto before = pass();
  const auto took = cpu_time(f);
  return static_cast<double>(took.count()) /
         static_cast<double>(std::max({before, pass(), std::chrono::nanoseconds(1)}).count());
}

}  // namespace posthorn::test
