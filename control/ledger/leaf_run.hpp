#pragma once
// The leaves of one commit, one behind the other in one piece of memory: they are made by one thread, stored by SQLite as they
// stand, and read by another thread.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sanad::ledger {

class LeafRun final {
 public:
  // Between two leaves. They are canonical JSON, which holds no raw line feed.
  static constexpr char kBetween = '\n';

  [[nodiscard]] bool empty() const { return ends_.empty(); }
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] std::size_t bytes() const { return text_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t i) const { return text(i, 1); }
  // So many leaves from `first` on, with kBetween between them. count > 0.
  [[nodiscard]] std::string_view text(std::size_t first, std::size_t count) const {
    const std::size_t begin = first == 0 ? 0 : ends_[first - 1] + 1;
    return std::string_view(text_).substr(begin, ends_[first + count - 1] - begin);
  }

  void add(std::string_view leaf) {
    text_ += leaf;
    close();
  }
  // `append(std::string&)` adds the leaf's bytes and nothing else; when it fails, so does this, and nothing is added.
  template <class Append>
  auto add_with(Append append) {
    const std::size_t before = text_.size();
    auto done = append(text_);
    done ? close() : text_.resize(before);
    return done;
  }
  // Forgets all but the first `count`.
  void cut(std::size_t count) {
    if (count > size()) return;
    ends_.resize(count);
    text_.resize(count == 0 ? 0 : ends_.back() + 1);
  }
  // For about as much as `like` holds.
  void reserve(const LeafRun& like) {
    text_.reserve(std::min(like.bytes(), kMostReserved));
    ends_.reserve(std::min(like.size(), kMostReserved / sizeof(std::size_t)));
  }

 private:
  static constexpr std::size_t kMostReserved = 1U << 20;

  void close() {
    ends_.push_back(text_.size());
    text_ += kBetween;
  }

  std::string text_;
  std::vector<std::size_t> ends_;
};

}  // namespace sanad::ledger
