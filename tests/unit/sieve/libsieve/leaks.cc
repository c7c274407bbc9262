// libsieve loses what it had parsed when a script turns out to be faulty; the sanitizer is told, so
// that leaks of ours stand out.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libsieve_\n";
}
