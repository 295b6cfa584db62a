// SPDX-License-Identifier: Apache-2.0
// The machine's privileged state as a list of resources that have two forms each. A snippet that computes something else when only one resource
// has its other form has read it; a resource that is not what it was after a snippet has been written.
#pragma once
#include "common/types.h"
#include "snippets.h"
#include "tables.h"

namespace guest {

enum class Resource : u8 { gdtr, gdt, idtr, idt, ldtr, tr, cr0, cr2, cr3, cr4, flags, tpr, dr0, sysenter, lstar, kernel_gs_base, tsc, tsc_aux, xcr0, port, count };
constexpr unsigned resource_count = unsigned(Resource::count);
const char* name_of(Resource resource);

// A set of resources: those that have their other form, were read, were written.
class Resources {
public:
    constexpr Resources() = default;
    constexpr explicit Resources(u32 bits) : bits_(bits) {}
    static constexpr Resources all() { return Resources{(1u << resource_count) - 1}; }
    constexpr bool has(Resource r) const { return bits_ >> unsigned(r) & 1; }
    constexpr void add(Resource r) { bits_ |= 1u << unsigned(r); }
    constexpr void add(Resources more) { bits_ |= more.bits_; }
    constexpr Resources without(Resources less) const { return Resources{bits_ & ~less.bits_}; }
    constexpr bool empty() const { return !bits_; }

private:
    u32 bits_ = 0;
};

// The values of all resources, as numbers that can be compared: of tables, what makes the difference.
struct State {
    u64 values[resource_count] = {};
    u64& operator[](Resource r) { return values[unsigned(r)]; }
    u64 operator[](Resource r) const { return values[unsigned(r)]; }
    Resources differs_from(const State& other) const;
};

bool is_possible(const Snippet& snippet);        // on this processor
// What cannot have another form for this snippet: it would not run, or not end.
Resources fixed_for(const Snippet& snippet);

// The values that the registers get, some with the snippet's needs. Resources in memory (gdt, idt) are changed by `prepare`.
class World {
public:
    // `vmx_operation`: with the bits of CR0 and CR4 that VMX operation demands.
    World(Tables& tables, const Snippet& snippet, Resources other, bool vmx_operation = false) : tables_(tables), snippet_(snippet), other_(other), vmx_operation_(vmx_operation) {}
    u64 value(Resource resource) const;
    bool has_other(Resource resource) const { return other_.has(resource); }
    Tables& tables() const { return tables_; }
    void prepare() const;           // what lies in memory

private:
    Tables& tables_;
    const Snippet& snippet_;
    Resources other_;
    bool vmx_operation_;
};

void initialize_worlds(u64 root, u64 other_root);       // of page tables that map the same

// Of the processor that runs this.
void load(const World& world);
State current_state(u64 rflags);
// The part that neither VM entries nor VM exits switch: a VMM does.
constexpr Resource switched_by_software[] = {Resource::cr2, Resource::dr0, Resource::lstar, Resource::kernel_gs_base, Resource::tsc_aux, Resource::xcr0};
void load_one(const World& world, Resource resource);
u64 current_value(Resource resource);

constexpr u64 privileged_flags = 0x3200;                // IF and IOPL
constexpr u64 fs_base_of_snippets = 0x5000;

}  // namespace guest
