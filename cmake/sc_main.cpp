// SPDX-License-Identifier: Apache-2.0
// libsystemc refers to sc_main. vtsim has its own entry points, so this one only satisfies the linker.
extern "C" __attribute__((visibility("default"))) int sc_main(int /*argc*/, char** /*argv*/);
extern "C" int sc_main(int /*argc*/, char** /*argv*/) { return 0; }
