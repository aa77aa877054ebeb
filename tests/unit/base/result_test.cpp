#include "gateway/base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <stdexcept>

namespace sanad {
namespace {

TEST(Error, ContextGoesInFrontAndTheRestStays) {
  const Error inner{Errc::conflict, "taken", "name", "choose another"};
  const Error outer = Error(inner).within("couldn't add the peer");
  EXPECT_EQ(outer, (Error{Errc::conflict, "couldn't add the peer: taken", "name", "choose another"}));
}

TEST(Error, ErrnoBecomesOurs) {
  EXPECT_EQ(from_errno(ENOENT, "couldn't open x"), (Error{Errc::not_found, "couldn't open x: No such file or directory"}));
  EXPECT_EQ(from_errno(ENODEV, "x").code, Errc::not_found);
  EXPECT_EQ(from_errno(EACCES, "x").code, Errc::permission_denied);
  EXPECT_EQ(from_errno(EPERM, "x").code, Errc::permission_denied);
  EXPECT_EQ(from_errno(EEXIST, "x").code, Errc::conflict);
  EXPECT_EQ(from_errno(ECONNREFUSED, "x").code, Errc::unavailable);
  EXPECT_EQ(from_errno(EOPNOTSUPP, "x").code, Errc::unsupported);
  EXPECT_EQ(from_errno(ENOSPC, "x").code, Errc::io);
  EXPECT_FALSE(from_errno(12345, "x").message.empty());
}

TEST(Error, EveryCodeHasAWordOfItsOwn) {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) words.insert(to_string(static_cast<Errc>(i)));
  EXPECT_EQ(words.size(), static_cast<std::size_t>(Errc::internal) + 1);
}

TEST(Result, ValueOfAFailureIsABugAndSaysWhat) {
  const Result<int> failed = Error{Errc::io, "the disk is on fire"};
  try {
    (void)failed.value();
    FAIL();
  } catch (const std::logic_error& bug) {
    EXPECT_NE(std::string(bug.what()).find("the disk is on fire"), std::string::npos);
  }
}

}  // namespace
}  // namespace sanad
