/* main: starts LuaJIT and hands the command line to lua/bauta/cli.lua; the verbs live there.
 *
 * The only user of the classic Lua API. It makes a state with a cap on its memory, finds the Lua files, runs the command line
 * under a traceback handler, and turns what comes back into the exit status. */
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bauta/graph.h"
#include "bauta/system.h"

enum { EXIT_SCRIPT = 2, EXIT_MACHINE = 5, EXIT_BUG = 70 };
enum { MEMORY_LIMIT = 1 << 30 }; /* bytes of Lua objects; tensors are not among them */

typedef struct memory { size_t used, limit; } memory;

static void *capped(void *ud, void *block, size_t old, size_t size)
{
    memory *m = ud;
    if (!size) {
        free(block);
        m->used -= old;
        return NULL;
    }
    if (size > old && m->used + (size - old) > m->limit)
        return NULL;
    void *p = realloc(block, size);
    if (p)
        m->used += size - (block ? old : 0);
    return p;
}

/* After a script has eaten all memory: closes what Lua holds of the library, which takes a little memory itself. */
static void close_library(lua_State *L, memory *m)
{
    m->limit = SIZE_MAX;
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    lua_getfield(L, -1, "bauta.ffi");
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "close_all");
        lua_pcall(L, 0, 0, 0);
    }
}

/* The message as it is, and below it where it happened; cli.lua shows the latter with --trace only. Errors that are tables
 * (made by lua/bauta/errors.lua) pass: they know where. */
static int traceback(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        return 1;
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* This program's file. */
static void find_program(char *exe, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", exe, size - 1);
    exe[n > 0 ? n : 0] = 0;
}

/* Whether this program lies in the build folder it was built in. */
static int uninstalled(const char *exe)
{
    size_t root = strlen(BAUTA_BUILD_ROOT);
    return !strncmp(exe, BAUTA_BUILD_ROOT, root) && exe[root] == '/';
}

/* The prefix of the installed tree, which may have been moved since: what stands in front of bin/bauta. */
static void find_prefix(char *out, size_t size, const char *exe)
{
    size_t n = strlen(exe), tail = strlen(BAUTA_PROGRAM);
    if (n > tail && exe[n - tail - 1] == '/' && !strcmp(exe + n - tail, BAUTA_PROGRAM))
        snprintf(out, size, "%.*s", (int)(n - tail - 1), exe);
    else
        snprintf(out, size, "%s", BAUTA_PREFIX);
}

static void field(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* A folder of the installed tree; one configured with an absolute path stays as it is. */
static void below(lua_State *L, const char *name, const char *prefix, const char *folder)
{
    lua_pushfstring(L, "%s%s%s", *folder == '/' ? "" : prefix, *folder == '/' ? "" : "/", folder);
    lua_setfield(L, -2, name);
}

/* The folders, as a table: lua (our Lua files), headers (the folder that holds bauta/plugin.h, for those who write plugins),
 * plugins (ours), this program's file, and the program that tests the operations. */
static void push_places(lua_State *L)
{
    char exe[PATH_MAX], prefix[PATH_MAX];
    const char *lua = getenv("BAUTA_LUA");
    find_program(exe, sizeof exe);
    find_prefix(prefix, sizeof prefix, exe);
    int here = uninstalled(exe);
    lua_newtable(L);
    field(L, "program", exe);
    field(L, "version", ba_version()); /* also what makes the linker keep libbauta, whose functions Lua looks up in the process */
    below(L, "lua", prefix, here ? BAUTA_SOURCE_ROOT "/lua" : BAUTA_LUA_DIR);
    if (lua && *lua)
        field(L, "lua", lua);
    below(L, "headers", prefix, here ? BAUTA_SOURCE_ROOT "/core/include" : BAUTA_INCLUDE_DIR);
    below(L, "selftest", prefix, here ? BAUTA_BUILD_ROOT "/tests/kernels/test_ops" : BAUTA_LIBEXEC_DIR "/test_ops");
    if (here)
        setenv("BAUTA_DEVICE_PATH", BAUTA_BUILD_ROOT "/kernels/cuda", 0);
    below(L, "plugins", prefix, here ? BAUTA_BUILD_ROOT "/plugins" : BAUTA_PLUGIN_DIR);
}

static void set_path(lua_State *L, const char *lua)
{
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", lua, lua);
    lua_setfield(L, -2, "path");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "cpath");
    lua_pop(L, 1);
}

/* Runs cli.lua as a function of (places, arguments...); leaves the exit status. */
static int run(lua_State *L, memory *m, int argc, char **argv)
{
    lua_pushcfunction(L, traceback);
    push_places(L);
    lua_getfield(L, -1, "lua");
    set_path(L, lua_tostring(L, -1));
    lua_pushliteral(L, "/bauta/cli.lua");
    lua_concat(L, 2);
    if (luaL_loadfilex(L, lua_tostring(L, -1), "t")) {
        fprintf(stderr, "bauta: %s; is Bauta installed whole? BAUTA_LUA names the folder of its Lua files\n", lua_tostring(L, -1));
        return EXIT_MACHINE;
    }
    lua_insert(L, -3); /* chunk, places, path */
    lua_pop(L, 1);
    for (int i = 1; i < argc; i++)
        lua_pushstring(L, argv[i]);
    int failed = lua_pcall(L, argc, 1, 1);
    const char *msg = failed ? lua_tostring(L, -1) : NULL;
    if (failed == LUA_ERRMEM || (msg && !strcmp(msg, "not enough memory"))) { /* too little even for Lua's own handlers */
        fprintf(stderr, "bauta: not enough memory (script limit %d MiB)\n", MEMORY_LIMIT >> 20);
        close_library(L, m);
        return EXIT_SCRIPT;
    }
    if (failed) {
        fprintf(stderr, "bauta: internal error: %s\n", msg ? msg : "(no message)");
        return EXIT_BUG;
    }
    return lua_isnumber(L, -1) ? (int)lua_tointeger(L, -1) : EXIT_BUG;
}

/* Only here for a state that could not even be set up in protected mode. */
static int panic(lua_State *L)
{
    fprintf(stderr, "bauta: %s (script limit %d MiB)\n", lua_tostring(L, -1), MEMORY_LIMIT >> 20);
    exit(EXIT_SCRIPT);
}

/* Descriptors 0 to 2 that were closed get /dev/null, so that no file of a run ever takes their numbers. */
static void fill_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

static void tell(const char *line) { fprintf(stderr, "bauta: %s\n", line); }

int main(int argc, char **argv)
{
    memory m = { 0, MEMORY_LIMIT };
    fill_descriptors();
    ba_notice_to(tell);
    lua_State *L = lua_newstate(capped, &m);
    if (!L) { /* meson has asked; this is another library than it was built with */
        fprintf(stderr, "bauta: Lua cannot be started: no memory, or a LuaJIT without GC64, in which the memory of scripts cannot be bounded\n");
        return EXIT_MACHINE;
    }
    if (!lua_checkstack(L, argc + 16)) {
        fprintf(stderr, "bauta: no memory to start Lua\n");
        return EXIT_MACHINE;
    }
    lua_atpanic(L, panic);
    luaL_openlibs(L); /* turns the compiler on */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* scripts describe; a compiled endless loop could not be stopped */
    int status = run(L, &m, argc, argv);
    lua_close(L);
    return status;
}
