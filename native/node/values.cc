#include "values.h"

#include <cmath>

namespace streamkit {

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = kMax;
  // What was not given reads as undefined.
  check(napi_get_cb_info(env, info, &count, values_, &self_, nullptr), "a call");
}

napi_value Arguments::fail(const char* code, const std::string& message) {
  if (!failed_) {
    failed_ = true;
    napi_throw_error(env_, code, message.c_str());
  }
  return nullptr;
}

napi_value Arguments::result(double value) const {
  napi_value result = nullptr;
  napi_create_double(env_, value, &result);
  return result;
}

bool Arguments::check(napi_status status, const char* expected) {
  if (status == napi_ok) {
    return true;
  }
  if (!failed_) {
    failed_ = true;
    napi_throw_type_error(env_, "ERR_INVALID_ARG_TYPE", (std::string("Expected ") + expected).c_str());
  }
  return false;
}

napi_value Arguments::property(napi_value object, const char* name) {
  napi_value value = nullptr;
  if (!check(napi_get_named_property(env_, object, name, &value), name)) {
    napi_get_undefined(env_, &value);
  }
  return value;
}

bool Arguments::has(napi_value object, const char* name) {
  napi_valuetype type = napi_undefined;
  napi_value value = nullptr;
  return napi_get_named_property(env_, object, name, &value) == napi_ok &&
         napi_typeof(env_, value, &type) == napi_ok && type != napi_undefined;
}

uint32_t Arguments::toU32(napi_value value) {
  const double number = toNumber(value);
  if (!(number >= 0 && number <= UINT32_MAX && std::floor(number) == number)) {
    check(napi_number_expected, "an integer between 0 and 2^32 - 1");
    return 0;
  }
  return static_cast<uint32_t>(number);
}

double Arguments::toNumber(napi_value value) {
  double number = 0;
  if (check(napi_get_value_double(env_, value, &number), "a number") && !std::isfinite(number)) {
    check(napi_number_expected, "a finite number");
    return 0;
  }
  return number;
}

bool Arguments::toBoolean(napi_value value) {
  bool boolean = false;
  check(napi_get_value_bool(env_, value, &boolean), "a boolean");
  return boolean;
}

std::string Arguments::toText(napi_value value) {
  size_t length = 0;
  if (!check(napi_get_value_string_utf8(env_, value, nullptr, 0, &length), "a string")) {
    return {};
  }
  std::string text(length, '\0');
  check(napi_get_value_string_utf8(env_, value, text.data(), length + 1, &length), "a string");
  return text;
}

Bytes Arguments::toBytes(napi_value value) {
  napi_typedarray_type type = napi_float64_array;
  size_t length = 0;
  void* data = nullptr;
  if (!check(napi_get_typedarray_info(env_, value, &type, &length, &data, nullptr, nullptr),
             "a Uint8Array") ||
      !check(type == napi_uint8_array ? napi_ok : napi_invalid_arg, "a Uint8Array")) {
    return {};
  }
  return Bytes(static_cast<const uint8_t*>(data), length);
}

bool Arguments::isNull(size_t index) const {
  napi_valuetype type = napi_undefined;
  return napi_typeof(env_, values_[index], &type) == napi_ok && type == napi_null;
}

std::span<const uint32_t> Arguments::uint32s(size_t index) {
  napi_typedarray_type type = napi_float64_array;
  size_t length = 0;
  void* data = nullptr;
  if (!check(napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr, nullptr),
             "a Uint32Array") ||
      !check(type == napi_uint32_array ? napi_ok : napi_invalid_arg, "a Uint32Array")) {
    return {};
  }
  return std::span(static_cast<const uint32_t*>(data), length);
}

ObjectBuilder& ObjectBuilder::set(const char* name, double value) {
  napi_value number = nullptr;
  napi_create_double(env_, value, &number);
  return set(name, number);
}

ObjectBuilder& ObjectBuilder::set(const char* name, const std::string& value) {
  napi_value text = nullptr;
  napi_create_string_utf8(env_, value.data(), value.size(), &text);
  return set(name, text);
}

ObjectBuilder& ObjectBuilder::setBoolean(const char* name, bool value) {
  napi_value boolean = nullptr;
  napi_get_boolean(env_, value, &boolean);
  return set(name, boolean);
}

}  // namespace streamkit
