// Values as messages between ranks of one build on machines of one byte order; not a file format.
//
// A struct says its members once, for both directions, in a function that is found by its argument:
//
//   template <class Codec> void Members(Codec& codec, Timing& t) { codec(t.lane, t.seconds); }
//
//   const Message message = Encode(timing);
//   BITLOSS_TRY(const Timing timing, Decode<Timing>(message));
#ifndef BITLOSS_TEAM_CODEC_H_
#define BITLOSS_TEAM_CODEC_H_

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "bitloss/base/byte_reader.h"
#include "bitloss/team/team.h"

namespace bitloss {

template <class T>
concept PlainValue = std::is_arithmetic_v<T> || std::is_enum_v<T>;

class MessageWriter {
 public:
  template <class... Values>
  void operator()(Values&... values) {
    (Put(values), ...);
  }
  Message Take() { return std::move(bytes_); }

 private:
  template <class T>
  void Put(T& value) {
    if constexpr (PlainValue<T>) {
      PutBytes(std::as_bytes(std::span(&value, 1)));
    } else {
      Members(*this, value);
    }
  }
  template <class T>
  void Put(std::vector<T>& values) {
    uint64_t size = values.size();
    Put(size);
    if constexpr (PlainValue<T>) {
      PutBytes(std::as_bytes(std::span(values)));
    } else {
      for (T& value : values) Put(value);
    }
  }
  void Put(std::string& text) {
    uint64_t size = text.size();
    Put(size);
    PutBytes(std::as_bytes(std::span(text)));
  }
  template <class T>
  void Put(std::optional<T>& value) {
    bool has = value.has_value();
    Put(has);
    if (has) Put(*value);
  }
  void PutBytes(MessageView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  Message bytes_;
};

class MessageReader {
 public:
  explicit MessageReader(MessageView bytes) : reader_(bytes) {}

  template <class... Values>
  void operator()(Values&... values) {
    (Get(values), ...);
  }
  // Whether everything that was asked for was there, and nothing else.
  Status Finish() const {
    if (!status_.ok()) return status_;
    if (reader_.remaining() > 0) return BadInput("{} bytes too many", reader_.remaining());
    return Ok();
  }

 private:
  template <class T>
  void Get(T& value) {
    if constexpr (PlainValue<T>) {
      GetBytes(&value, sizeof(T));
    } else {
      Members(*this, value);
    }
  }
  template <class T>
  void Get(std::vector<T>& values) {
    const uint64_t size = GetSize();
    if constexpr (PlainValue<T>) {
      if (size > reader_.remaining() / sizeof(T)) return Fail();
      values.resize(size);
      GetBytes(values.data(), size * sizeof(T));
    } else {
      values.clear();
      for (uint64_t i = 0; i < size && status_.ok(); ++i) Get(values.emplace_back());
    }
  }
  void Get(std::string& text) {
    const uint64_t size = GetSize();
    if (size > reader_.remaining()) return Fail();
    text.resize(size);
    GetBytes(text.data(), size);
  }
  template <class T>
  void Get(std::optional<T>& value) {
    bool has = false;
    Get(has);
    value.reset();
    if (has) Get(value.emplace());
  }

  uint64_t GetSize() {
    uint64_t size = 0;
    Get(size);
    return size;
  }
  void GetBytes(void* to, size_t count) {
    if (!status_.ok()) return;
    const auto bytes = reader_.Take(count);
    if (!bytes.ok()) return Fail();
    if (count > 0) std::memcpy(to, bytes.value().data(), count);
  }
  void Fail() {
    if (status_.ok()) status_ = BadInput("a message between ranks ends early");
  }

  ByteReader reader_;
  Status status_;
};

template <class T>
Message Encode(T value) {
  MessageWriter writer;
  writer(value);
  return writer.Take();
}

template <class T>
Result<T> Decode(MessageView bytes) {
  T value{};
  MessageReader reader(bytes);
  reader(value);
  BITLOSS_DO(reader.Finish());
  return value;
}

}  // namespace bitloss

#endif  // BITLOSS_TEAM_CODEC_H_
