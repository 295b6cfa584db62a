// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtsim/error.h>          // the errors of users are part of the public interface
