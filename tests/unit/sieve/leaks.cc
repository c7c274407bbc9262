// libsieve leaks two bytes for each fault that it reports; the sanitizer is told, so that leaks of
// ours stand out.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libsieve_strndup\n";
}
