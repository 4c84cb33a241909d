#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace streamkit::test {

/** A test that `main` runs; see TEST. */
struct Test {
  const char* name;
  std::function<void()> run;
};

std::vector<Test>& tests();
/** Notes that the test that runs has failed; it goes on, so that the rest of what is wrong shows too. */
void fail(const char* file, int line, const std::string& what);

struct Registration {
  Registration(const char* name, std::function<void()> run) { tests().push_back({name, std::move(run)}); }
};

/** Spaces are for reading. */
std::vector<uint8_t> fromHex(const std::string& text);

}  // namespace streamkit::test

#define TEST_CONCATENATED_(a, b) a##b
#define TEST_CONCATENATED(a, b) TEST_CONCATENATED_(a, b)

/** TEST("what holds") { … } */
#define TEST(name)                                                                       \
  static void TEST_CONCATENATED(test_, __LINE__)();                                      \
  static const ::streamkit::test::Registration TEST_CONCATENATED(registered_, __LINE__)( \
      name, TEST_CONCATENATED(test_, __LINE__));                                         \
  static void TEST_CONCATENATED(test_, __LINE__)()

#define EXPECT(condition)                                      \
  do {                                                         \
    if (!(condition)) {                                        \
      ::streamkit::test::fail(__FILE__, __LINE__, #condition); \
    }                                                          \
  } while (false)

/** Both as numbers; says what they were. */
#define EXPECT_EQ(actual, expected)                                                                        \
  do {                                                                                                     \
    const auto actual_ = static_cast<long long>(actual);                                                   \
    const auto expected_ = static_cast<long long>(expected);                                               \
    if (actual_ != expected_) {                                                                            \
      ::streamkit::test::fail(                                                                             \
          __FILE__, __LINE__,                                                                              \
          std::string(#actual) + " is " + std::to_string(actual_) + ", not " + std::to_string(expected_)); \
    }                                                                                                      \
  } while (false)
