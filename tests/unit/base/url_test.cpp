#include "gateway/base/url.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sanad {
namespace {

TEST(Url, TellsWhereToSend) {
  const auto read = [](std::string_view text) { return parse_http_url(text).value(); };
  EXPECT_EQ(read("http://witness.example"), (HttpUrl{false, "witness.example", 80, ""}));
  EXPECT_EQ(read("https://witness.example/"), (HttpUrl{true, "witness.example", 443, ""}));
  EXPECT_EQ(read("https://witness.example:8443/a/b%20c/"), (HttpUrl{true, "witness.example", 8443, "/a/b%20c"}));
  EXPECT_EQ(read("http://203.0.113.9:7070"), (HttpUrl{false, "203.0.113.9", 7070, ""}));
  EXPECT_EQ(read("http://[2001:db8::1]:7070/w"), (HttpUrl{false, "2001:db8::1", 7070, "/w"}));
}

TEST(Url, WhatIsNoneIsRefused) {
  for (const std::string& text : std::vector<std::string>{"",
                                                          "witness.example",
                                                          "ftp://witness.example",
                                                          "HTTP://witness.example",
                                                          "http://",
                                                          "http:///path",
                                                          "http://:80",
                                                          "http://-a",
                                                          "http://.a",
                                                          "http://a b",
                                                          "http://a_b",
                                                          "http://user@host",
                                                          "http://host:",
                                                          "http://host:0",
                                                          "http://host:080",
                                                          "http://host:65536",
                                                          "http://host:80x",
                                                          "http://host:+1",
                                                          "http://host/?q",
                                                          "http://host/#f",
                                                          "http://host?q",
                                                          "http://host/a b",
                                                          "http://host/a\r\nX: y",
                                                          "http://[::1",
                                                          "http://[127.0.0.1]/",
                                                          "http://[::1]x",
                                                          "http://[]/",
                                                          "http://::1/",
                                                          "http://h\xC3\xA9/",
                                                          "http://" + std::string(254, 'a'),
                                                          "http://a/" + std::string(kMaxUrl, 'a')}) {
    const auto url = parse_http_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, Errc::invalid_argument);
  }
}

TEST(Url, TheHostFieldHasBracketsAndNoPortThatGoesWithoutSaying) {
  for (const char* text : {"witness.example", "witness.example:8080", "[2001:db8::1]", "[2001:db8::1]:8080"})
    EXPECT_EQ(host_field(parse_http_url(std::string("http://") + text).value()), text);
  EXPECT_EQ(host_field(parse_http_url("https://witness.example:443/x").value()), "witness.example");
  EXPECT_EQ(host_field(parse_http_url("https://witness.example:80/x").value()), "witness.example:80");
}

}  // namespace
}  // namespace sanad
