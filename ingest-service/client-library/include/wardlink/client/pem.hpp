#pragma once
// A certificate, a key or an authority in PEM (RFC 7468).

#include <string>

namespace wardlink::client {

/// A text, or the path of the file that holds it.
class Pem {
 public:
  Pem() = default;  // an empty text: not_pem
  static Pem text(std::string text) { return Pem(std::move(text), {}); }
  static Pem file(std::string path) { return Pem({}, std::move(path)); }

  /// The text; a file is read at each call. `what` is its name in the sentence of the Error that is thrown where the
  /// file cannot be read (unreadable) or there is no PEM (not_pem).
  std::string read(const std::string& what) const;

 private:
  Pem(std::string text, std::string path) : text_(std::move(text)), path_(std::move(path)) {}

  std::string text_;
  std::string path_;  // empty: the text counts
};

}  // namespace wardlink::client
