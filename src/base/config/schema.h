// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <tuple>

#include "base/types.h"

// A parameter is declared once: a member of a plain struct, and one row here. Files, --set, Python attributes, --help, range
// checks and the printed effective configuration all read the row.
namespace vtsim::config {

template <class Struct, class Value>
struct Param {
    std::string_view name;
    Value Struct::*member;
    std::string_view description;   // one sentence with the unit
};
template <class Struct, class Value>
Param(std::string_view, Value Struct::*, std::string_view) -> Param<Struct, Value>;

// Specialise for each parameter struct:  template <> inline constexpr auto schema<TlbParams> = std::tuple{Param{...}, ...};
// A member whose type has a schema of its own is a nested table ("mmu.stlb.entries").
template <class Struct>
inline constexpr auto schema = std::tuple<>{};

template <class Struct>
concept HasSchema = std::tuple_size_v<std::remove_cvref_t<decltype(schema<Struct>)>> != 0;

}  // namespace vtsim::config
