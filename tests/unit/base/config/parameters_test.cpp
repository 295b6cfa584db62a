// SPDX-License-Identifier: Apache-2.0
#include "base/config/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "base/error.h"

namespace vtsim::config {

enum class Colour : u8 { red, green };
struct Inner {
    u64 size = 1;
    u8 small = 2;
    int signed_number = -3;
};
struct Outer {
    Inner inner;
    bool flag = false;
    double ratio = 0.5;
    std::string text = "t";
    Colour colour = Colour::red;
    std::vector<unsigned> list{1, 2};
};
template <>
inline constexpr auto enum_names<Colour> = std::array{std::pair{std::string_view{"red"}, Colour::red}, std::pair{std::string_view{"green"}, Colour::green}};
template <>
inline constexpr auto schema<Inner> = std::tuple{Param{"size", &Inner::size, "bytes"}, Param{"small", &Inner::small, "a byte"},
                                                 Param{"signed_number", &Inner::signed_number, "of either sign"}};
template <>
inline constexpr auto schema<Outer> = std::tuple{Param{"inner", &Outer::inner, "nested"},   Param{"flag", &Outer::flag, "on or off"},
                                                 Param{"ratio", &Outer::ratio, "a ratio"},   Param{"text", &Outer::text, "a word"},
                                                 Param{"colour", &Outer::colour, "a colour"}, Param{"list", &Outer::list, "numbers"}};

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Fixture : testing::Test {
    Outer outer;
    Parameters parameters{outer};

    std::string error_of(auto&& action) {
        try {
            action();
        } catch (const ConfigError& error) {
            return error.what();
        }
        return "no error";
    }
    std::string load_error(std::string_view toml) {
        return error_of([&] { parameters.load(toml, "file.toml"); });
    }
    std::string set_error(std::string_view key, std::string_view value) {
        return error_of([&] { parameters.set(key, value); });
    }
};
using ConfigurationFile = Fixture;
using CommandLineSetting = Fixture;
using EffectiveConfiguration = Fixture;

TEST_F(ConfigurationFile, FillsEveryKindOfMember) {
    parameters.load("flag = true\nratio = 2\ntext = \"word\"\ncolour = \"green\"\nlist = [7, 8, 9]\n[inner]\nsize = \"32KiB\"\nsmall = 255\nsigned_number = -2147483648\n", "f");
    EXPECT_TRUE(outer.flag);
    EXPECT_EQ(outer.ratio, 2.0);
    EXPECT_EQ(outer.text, "word");
    EXPECT_EQ(outer.colour, Colour::green);
    EXPECT_THAT(outer.list, ElementsAre(7, 8, 9));
    EXPECT_EQ(outer.inner.size, 32U * 1024);
    EXPECT_EQ(outer.inner.small, 255);
    EXPECT_EQ(outer.inner.signed_number, -2147483648);
}

TEST_F(ConfigurationFile, LeavesAloneWhatItDoesNotName) {
    parameters.load("inner.size = 5", "f");
    EXPECT_EQ(outer.inner.size, 5U);
    EXPECT_EQ(outer.inner.small, 2);
    EXPECT_EQ(outer.text, "t");
}

TEST_F(ConfigurationFile, NamesFileLineKeyAndExpectation) {
    EXPECT_THAT(load_error("flag = true\n[inner]\nsmall = 256\n"),
                AllOf(HasSubstr("file.toml:3:"), HasSubstr("'inner.small'"), HasSubstr("256"), HasSubstr("from 0 to 255")));
    EXPECT_THAT(load_error("flag = 1"), HasSubstr("expected on or off"));
    EXPECT_THAT(load_error("ratio = \"x\""), HasSubstr("expected a number"));
    EXPECT_THAT(load_error("text = 4"), HasSubstr("expected a text"));
    EXPECT_THAT(load_error("colour = \"blue\""), HasSubstr("expected one of red, green"));
    EXPECT_THAT(load_error("inner = 4"), HasSubstr("expected a table"));
    EXPECT_THAT(load_error("text = { a = 1 }"), HasSubstr("a table: expected a text"));
    EXPECT_THAT(load_error("list = 4"), HasSubstr("expected a list"));
    EXPECT_THAT(load_error("\n\nflag = = 3"), HasSubstr("file.toml:3: "));
}

TEST_F(ConfigurationFile, SuggestsTheNearestKnownKey) {
    EXPECT_THAT(load_error("[inner]\nsise = 3"), AllOf(HasSubstr("file.toml:2: unknown key 'inner.sise'"), HasSubstr("did you mean 'inner.size'?")));
    EXPECT_THAT(load_error("[iner]\nsize = 3"), HasSubstr("did you mean 'inner'?"));
    EXPECT_THAT(load_error("xyzzyplugh = 3"), AllOf(HasSubstr("unknown key"), Not(HasSubstr("did you mean"))));
}

TEST_F(ConfigurationFile, PassesOverKeysOfSomebodyElse) {
    EXPECT_THAT(parameters.load("inner.rows = [{name = \"x\"}]\ninner.size = 3", "f", {"inner.rows", "other"}), ElementsAre("inner.rows"));
    EXPECT_EQ(outer.inner.size, 3U);
    EXPECT_THAT(parameters.load("inner.size = 4", "f", {"inner.rows"}), IsEmpty());
}

TEST_F(ConfigurationFile, AliasSetsEveryParameterBehindIt) {
    parameters.alias("both.sizes", {"inner.size", "inner.small"});
    parameters.load("[both]\nsizes = 9", "f");
    EXPECT_EQ(outer.inner.size, 9U);
    EXPECT_EQ(outer.inner.small, 9);
    EXPECT_THAT(load_error("[both]\nsizes = \"x\""), AllOf(HasSubstr("file.toml:2:"), HasSubstr("'both.sizes'")));
    EXPECT_THAT(load_error("[both]\nsises = 1"), HasSubstr("did you mean 'both.sizes'?"));
    parameters.set("both.sizes", "7");
    EXPECT_EQ(outer.inner.size, 7U);
    EXPECT_EQ(outer.inner.small, 7);
    EXPECT_THAT(set_error("both.sizes", "x"), HasSubstr("'both.sizes'"));
    EXPECT_THAT(boost::json::serialize(parameters.json()), Not(HasSubstr("both")));
}

TEST_F(ConfigurationFile, MustExist) {
    EXPECT_THAT(error_of([&] { parameters.load_file("/nonexistent/x.toml"); }), HasSubstr("/nonexistent/x.toml: expected a readable"));
    EXPECT_THAT(error_of([&] { parameters.load_file("/"); }), HasSubstr("expected a readable"));
}

TEST_F(CommandLineSetting, ReadsEveryKindOfValue) {
    parameters.set("inner.size", "1G");
    EXPECT_EQ(outer.inner.size, 1U << 30);
    parameters.set("inner.size", "0xffffffffffffffff");
    EXPECT_EQ(outer.inner.size, ~u64{0});
    parameters.set("flag", "on");
    EXPECT_TRUE(outer.flag);
    parameters.set("flag", "off");
    EXPECT_FALSE(outer.flag);
    parameters.set("ratio", "1.25");
    EXPECT_EQ(outer.ratio, 1.25);
    parameters.set("text", "1G");
    EXPECT_EQ(outer.text, "1G");
    parameters.set("list", "3,4");
    EXPECT_THAT(outer.list, ElementsAre(3, 4));
    parameters.set("list", "");
    EXPECT_THAT(outer.list, IsEmpty());
}

TEST_F(CommandLineSetting, RejectsWhatDoesNotFitAndChangesNothing) {
    for (const char* value : {"", "-1", "abc", "12q", "18446744073709551616", "17179869184G", "1.5", "true"})
        EXPECT_THAT(set_error("inner.size", value), HasSubstr("'inner.size' = \"" + std::string(value) + "\": expected a whole number")) << value;
    EXPECT_EQ(outer.inner.size, 1U);
    EXPECT_THAT(set_error("inner.signed_number", "-2147483649"), HasSubstr("expected"));
    EXPECT_THAT(set_error("list", "1,x"), HasSubstr("expected a list"));
    EXPECT_THAT(outer.list, ElementsAre(1, 2));
    EXPECT_THAT(set_error("ratio", "nan"), HasSubstr("expected a number"));
}

TEST_F(CommandLineSetting, SuggestsTheNearestKnownKey) {
    EXPECT_THAT(set_error("inner.sizes", "1"), HasSubstr("did you mean 'inner.size'?"));
    EXPECT_THAT(set_error("small", "1"), HasSubstr("did you mean 'inner.small'?"));
    EXPECT_THAT(set_error("inner", "1"), HasSubstr("not the whole table"));
}

TEST_F(EffectiveConfiguration, IsNestedAsTheStructsAre) {
    EXPECT_EQ(boost::json::serialize(parameters.json()),
              R"({"inner":{"size":1,"small":2,"signed_number":-3},"flag":false,"ratio":5E-1,"text":"t","colour":"red","list":[1,2]})");
}

TEST_F(EffectiveConfiguration, ListsAsAFileThatGivesTheSame) {
    parameters.set("inner.size", "77");
    const auto listing = parameters.listing();
    EXPECT_THAT(listing, HasSubstr("inner.size = 77"));
    EXPECT_THAT(listing, HasSubstr("# bytes\n"));
    Outer other;
    Parameters others{other};
    others.load(listing, "listing");
    EXPECT_EQ(others.json(), parameters.json());
}

}  // namespace
}  // namespace vtsim::config
