/* device: the opened CUDA device, and the call as C sees it (cuda.h is for C++). */
#ifndef BAI_CUDA_DEVICE_H
#define BAI_CUDA_DEVICE_H

#include "call.h"
#include "runtime.h"

rt *bai_cuda_rt(struct bai_cuda *c);

#endif
