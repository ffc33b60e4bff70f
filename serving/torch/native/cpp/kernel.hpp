// The kernel that compiler.py asks for, for what it says that the processor has.
#pragma once

#if !defined(KERNEL)
#define KERNEL "kernels/portable.hpp"
#endif
#include KERNEL
