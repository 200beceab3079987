/* layout: the size of every struct that Lua shares with the library, as the C compiler sees it: NAME SIZE, one a line. */
#include <stdio.h>

#include "bauta/data.h"
#include "bauta/graph.h"
#include "bauta/model.h"
#include "bauta/picture.h"
#include "bauta/run.h"
#include "bauta/weights.h"

#define SAY(T) printf("%s %zu\n", #T, sizeof(T));

int main(void)
{
#include "layout.inc"
    return 0;
}
