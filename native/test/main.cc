#include <cstring>

#include "test.h"

namespace streamkit::test {
namespace {

int failures = 0;

}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

void fail(const char* file, int line, const std::string& what) {
  failures += 1;
  // A test that goes wrong in a loop would bury the first failure.
  if (failures <= 20) {
    std::fprintf(stderr, "    %s:%d: %s\n", file, line, what.c_str());
  }
}

std::vector<uint8_t> fromHex(const std::string& text) {
  std::vector<uint8_t> bytes;
  std::string digits;
  for (const char letter : text) {
    if (letter != ' ') {
      digits += letter;
    }
  }
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

}  // namespace streamkit::test

/** Runs the tests whose names contain the argument, or all. */
int main(int count, char** arguments) {
  using namespace streamkit::test;
  int run = 0;
  int failed = 0;
  for (const Test& test : tests()) {
    if (count > 1 && std::strstr(test.name, arguments[1]) == nullptr) {
      continue;
    }
    const int before = failures;
    test.run();
    run += 1;
    failed += failures > before ? 1 : 0;
    std::printf("%s %s\n", failures > before ? "FAILED" : "ok    ", test.name);
  }
  std::printf("%d tests, %d failed\n", run, failed);
  return failed == 0 && run > 0 ? 0 : 1;
}
