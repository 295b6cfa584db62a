// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <boost/json/value.hpp>
#include <charconv>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/types.h"

// Scalars between text, files and members. What a member takes follows from its type alone.
namespace vtsim::config {

// Specialise for an enumeration that is a parameter: std::array{std::pair{std::string_view{"lru"}, Policy::lru}, ...}
template <class Enum>
inline constexpr auto enum_names = std::array<std::pair<std::string_view, Enum>, 0>{};

// A value as somebody wrote it. A word comes from a command line, where every kind looks alike.
struct Scalar {
    enum class Kind : u8 { word, string, integer, real, boolean };
    Kind kind = Kind::word;
    std::string text;
};

// Whole numbers: decimal or 0x..., with an optional unit of 2^10, 2^20, 2^30 or 2^40: "64", "0x40", "32KiB", "1G".
struct WholeNumber {
    bool negative = false;
    u64 magnitude = 0;
};
[[nodiscard]] std::optional<WholeNumber> parse_whole(std::string_view text);
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text);          // true, false, on, off, yes, no, 1, 0
[[nodiscard]] std::optional<double> parse_real(std::string_view text);

template <class T>
concept Whole = std::integral<T> && !std::same_as<T, bool>;

template <class T>
[[nodiscard]] std::optional<T> convert(const Scalar& scalar) {
    using Kind = Scalar::Kind;
    if constexpr (std::same_as<T, bool>) {
        return scalar.kind == Kind::integer || scalar.kind == Kind::real ? std::nullopt : parse_bool(scalar.text);
    } else if constexpr (Whole<T>) {
        if (scalar.kind == Kind::real || scalar.kind == Kind::boolean) return std::nullopt;
        const auto number = parse_whole(scalar.text);
        if (!number) return std::nullopt;
        const u64 most = u64{std::numeric_limits<T>::max()} + (number->negative ? 1 : 0);
        if (number->magnitude > most || (number->negative && !std::signed_integral<T>)) return std::nullopt;
        return static_cast<T>(number->negative ? u64{0} - number->magnitude : number->magnitude);
    } else if constexpr (std::floating_point<T>) {
        return scalar.kind == Kind::boolean || scalar.kind == Kind::string ? std::nullopt : std::optional<T>(parse_real(scalar.text));
    } else if constexpr (std::is_enum_v<T>) {
        for (const auto& [name, value] : enum_names<T>)
            if (name == scalar.text) return value;
        return std::nullopt;
    } else {
        static_assert(std::same_as<T, std::string>);
        return scalar.kind == Kind::word || scalar.kind == Kind::string ? std::optional(scalar.text) : std::nullopt;
    }
}

// What a member of the type takes, for messages: "a whole number up to 255".
template <class T>
[[nodiscard]] std::string expected() {
    if constexpr (std::same_as<T, bool>) return "on or off";
    else if constexpr (std::signed_integral<T>) return "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " + std::to_string(std::numeric_limits<T>::max());
    else if constexpr (Whole<T>) return "a whole number from 0 to " + std::to_string(std::numeric_limits<T>::max()) + (sizeof(T) >= 4 ? " (units: K, M, G)" : "");
    else if constexpr (std::floating_point<T>) return "a number";
    else if constexpr (std::is_enum_v<T>) {
        std::string names;
        for (const auto& [name, value] : enum_names<T>) names += (names.empty() ? "" : ", ") + std::string(name);
        return "one of " + names;
    } else return "a text";
}

template <class T>
[[nodiscard]] boost::json::value to_json(const T& value) {
    if constexpr (std::is_enum_v<T>) {
        for (const auto& [name, known] : enum_names<T>)
            if (known == value) return boost::json::string(name);
        return nullptr;
    } else if constexpr (std::same_as<T, std::string>) {
        return boost::json::string(value);
    } else {
        return value;
    }
}

}  // namespace vtsim::config
