// Kernels in C: what needs intrinsics or one particular instruction. Buffer-level calls, chosen at run time by CPU.
#pragma once
#include "division.h"
#include "mpc.h"
