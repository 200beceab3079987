/* pretend: a CUDA runtime and a cuBLASLt for tests, without a GPU. They do what their documentation says and no more: work is done as late as may be
 * (or, on streams but the first, as early as may be, with PRETEND_ORDER=early), what must not be called while a stream is captured fails, and arguments
 * that real libraries would misread end the program. */
#ifndef BAUTA_TEST_PRETEND_H
#define BAUTA_TEST_PRETEND_H

#include <cuda_runtime_api.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

struct CUgraph_st { std::vector<std::function<void()>> work; };

struct CUstream_st {
    int number, capturing, spoiled;
    uint64_t pushed, done;
    std::deque<std::function<void()>> work;
    CUgraph_st *graph;
    void (*push)(CUstream_st *s, std::function<void()> work);
    void (*inside)(const void *p, size_t bytes, const char *what); /* ends the program when device memory p does not hold that many bytes */
};

#endif
