#pragma once

#include <node_api.h>

#include <string>

#include "../core/bytes.h"
#include "../core/stats.h"

namespace streamkit {

/** The arguments of one call. A value of the wrong type throws once, and what is read after is of no account.
 */
class Arguments {
 public:
  static constexpr size_t kMax = 6;

  Arguments(napi_env env, napi_callback_info info);

  napi_env env() const { return env_; }
  napi_value self() const { return self_; }
  napi_value at(size_t index) const { return values_[index]; }
  /** An exception is pending. */
  bool failed() const { return failed_; }
  napi_value fail(const char* code, const std::string& message);
  /** What the call gives back. */
  napi_value result(double value) const;

  bool isNull(size_t index) const;
  uint32_t id(size_t index) { return toU32(values_[index]); }
  double number(size_t index) { return toNumber(values_[index]); }
  bool boolean(size_t index) { return toBoolean(values_[index]); }
  std::string text(size_t index) { return toText(values_[index]); }
  /** Points into the JavaScript value. */
  Bytes bytes(size_t index) { return toBytes(values_[index]); }
  std::span<const uint32_t> uint32s(size_t index);

  napi_value property(napi_value object, const char* name);
  bool has(napi_value object, const char* name);
  uint32_t toU32(napi_value value);
  double toNumber(napi_value value);
  bool toBoolean(napi_value value);
  std::string toText(napi_value value);
  Bytes toBytes(napi_value value);

 private:
  bool check(napi_status status, const char* expected);

  napi_env env_;
  napi_value self_ = nullptr;
  napi_value values_[kMax];
  bool failed_ = false;
};

/** Builds one plain object; a failure leaves out what could not be made (out of memory, or an exception is
 * pending). */
class ObjectBuilder {
 public:
  explicit ObjectBuilder(napi_env env) : env_(env) { napi_create_object(env, &object_); }

  ObjectBuilder& set(const char* name, napi_value value) {
    napi_set_named_property(env_, object_, name, value);
    return *this;
  }
  ObjectBuilder& set(const char* name, double value);
  ObjectBuilder& set(const char* name, const std::string& value);
  template <typename T>
  ObjectBuilder& set(const char* name, const Figure<T>& figure) {
    return set(name, static_cast<double>(figure.get()));
  }
  ObjectBuilder& setBoolean(const char* name, bool value);
  napi_value value() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

}  // namespace streamkit
