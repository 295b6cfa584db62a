// SPDX-License-Identifier: Apache-2.0
#include "base/config/scalar.h"

#include <cmath>

namespace vtsim::config {
namespace {

std::optional<unsigned> shift_of_unit(std::string_view unit) {
    if (unit.empty() || unit == "B") return 0;
    constexpr std::string_view letters = "KMGT";
    const auto letter = letters.find(unit.front() == 'k' ? 'K' : unit.front());
    const auto rest = unit.substr(1);
    if (letter == std::string_view::npos || !(rest.empty() || rest == "iB" || rest == "B" || rest == "i")) return std::nullopt;
    return 10 * static_cast<unsigned>(letter + 1);
}

}  // namespace

std::optional<WholeNumber> parse_whole(std::string_view text) {
    WholeNumber number;
    if (text.starts_with('-')) {
        number.negative = true;
        text.remove_prefix(1);
    }
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    if (hexadecimal) text.remove_prefix(2);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.magnitude, hexadecimal ? 16 : 10);
    if (error != std::errc{}) return std::nullopt;
    const auto shift = shift_of_unit(text.substr(static_cast<std::size_t>(end - text.data())));
    if (!shift || number.magnitude > (~u64{0} >> *shift)) return std::nullopt;
    number.magnitude <<= *shift;
    return number;
}

std::optional<bool> parse_bool(std::string_view text) {
    if (text == "true" || text == "on" || text == "yes" || text == "1") return true;
    if (text == "false" || text == "off" || text == "no" || text == "0") return false;
    return std::nullopt;
}

std::optional<double> parse_real(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

}  // namespace vtsim::config
