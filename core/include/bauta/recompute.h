/* bauta/recompute.h: blocks of a graph, and computing what is in them again instead of keeping it for the gradient.
 *
 * A block is the unit whose activations are given up together, for example one block of a transformer; architectures that use ba_host's `block` have
 * one for each. What a block's nodes compute is then not kept for the gradient, but computed again from what enters the block, just before the
 * gradient of the block begins: less memory, more FLOPs (rows "ROLE.recompute" of the plan), the same bits. What the gradients of other nodes read
 * is kept all the same, and a program that would need more memory so computes nothing again. */
#ifndef BAUTA_RECOMPUTE_H
#define BAUTA_RECOMPUTE_H

#include "graph.h"

#pragma GCC visibility push(default)
/* cdef begin */
enum { BA_BLOCK_NEW = -1 };
/* Nodes made from now on lie in this block: BA_BLOCK_NEW a new one, 0 none, or one that was begun. Returns the block so far, or a negative code. */
int64_t ba_graph_block(ba_graph *g, int64_t block, ba_err *e);
int64_t ba_tensor_block(const ba_tensor *t);     /* the block of the node that made t; 0: none */
int ba_graph_recompute(ba_graph *g, int32_t on, ba_err *e); /* 1: when this graph is compiled, its blocks are computed again; 0 (default): they are not */
int64_t ba_plan_again(const ba_program *p);      /* nodes that are computed again; 0: the program is as without it */
int64_t ba_plan_kept(const ba_program *p);       /* bytes of the arena if nothing were computed again; those of ba_plan_arena where nothing is */
/* cdef end */
#pragma GCC visibility pop

#endif
