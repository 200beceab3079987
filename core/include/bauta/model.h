/* bauta/model.h: plugins that can be found, their settings, and models, scores and losses built with them.
 *
 *   ba_plugins   a search path and what lies on it         ->  a descriptor (struct ba_plugin_desc of bauta/plugin.h)
 *   ba_params    a descriptor and its settings, checked    ->  what a model, criterion, loss or data set is made with
 *   ba_build     a graph and the signals known in it: student.logits, student.class_attention of block 11, batch.labels
 *
 * All functions are called on one thread. What they return as `const char *` or as a tensor is lent. */
#ifndef BAUTA_MODEL_H
#define BAUTA_MODEL_H

#include "base.h"
#include "graph.h"

#pragma GCC visibility push(default)
/* cdef begin */
struct ba_plugin_desc;
typedef struct ba_plugins ba_plugins;
typedef struct ba_params ba_params;
typedef struct ba_build ba_build;

/* ---- finding plugins ---- */
/* The search path, first to last: folders added with ba_plugins_add, the environment variable BAUTA_PLUGIN_PATH (colons between),
 * and Bauta's own folder: `home`, or where it was installed when home is NULL. A folder of the variable that is not there is told (ba_notice_to). A plugin NAME of a KIND ("mask", "loss", "arch", "data", "reducer") is
 * the file KIND/NAME.so or NAME.so of such a folder. The same kind and name in two files is an error that names both. */
ba_plugins *ba_plugins_new(const char *home, ba_err *e);
void ba_plugins_free(ba_plugins *p);                       /* descriptors stay: an accepted plugin is mapped until the process ends */
int ba_plugins_add(ba_plugins *p, const char *folder, ba_err *e);
const char *ba_plugins_path(const ba_plugins *p);          /* the folders that are searched, colons between */

/* Finds, judges and loads one plugin; the file is first loaded in a child process, so that a broken one cannot end this one.
 * NULL and one sentence when it does not exist or is refused; a refusal is remembered and repeated. */
const struct ba_plugin_desc *ba_plugins_find(ba_plugins *p, const char *kind, const char *name, ba_err *e);

/* The same for one file, wherever it lies; its name says what the plugin is called. */
const struct ba_plugin_desc *ba_plugins_file(ba_plugins *p, const char *path, ba_err *e);

typedef struct ba_plugin_info {
    const char *kind, *name, *path;                        /* refused: kind and name as the file says, kind "" if unknown */
    const char *doc, *version, *cite;                      /* cite may be NULL; all NULL when refused */
    const char *refused;                                   /* why; NULL: accepted */
    const struct ba_plugin_desc *desc;                     /* NULL when refused */
    int32_t abi_major, abi_minor;                          /* that it was built for; 0 when refused */
} ba_plugin_info;
int64_t ba_plugins_scan(ba_plugins *p, ba_err *e);         /* looks at every file of the path; how many there are, sorted by kind and name */
int ba_plugins_entry(const ba_plugins *p, int64_t i, ba_plugin_info *out, ba_err *e); /* after ba_plugins_scan */
/* A found plugin's entry: where it came from. */
int ba_plugins_info(const ba_plugins *p, const struct ba_plugin_desc *d, ba_plugin_info *out, ba_err *e);
/* SHA-256 of the plugin's file as 64 hexadecimal digits and a zero. */
int ba_plugins_hash(const ba_plugins *p, const struct ba_plugin_desc *d, char out[65], ba_err *e);

int64_t ba_plugin_rows(const struct ba_plugin_desc *d);    /* rows of its parameter schema */
const ba_param *ba_plugin_row(const struct ba_plugin_desc *d, int64_t i); /* NULL when out of range */
const char *ba_plugin_need(const struct ba_plugin_desc *d, int64_t i);   /* signal i that must exist, "who.what"; NULL when out of range */

/* ---- settings of one instance ---- */
/* Defaults, and over them what is given. All errors are found: the first is in e, all of them (at most 20, then a count) in `report`,
 * one a line (may be NULL). Texts are copied. */
ba_params *ba_params_new(const struct ba_plugin_desc *d, int32_t n, const ba_attr *given, char *report, int64_t report_size, ba_err *e);
/* The same from text: "softmax=patches,layer=-1"; a value with a comma stands in double quotes, and none can hold one. */
ba_params *ba_params_parse(const struct ba_plugin_desc *d, const char *text, char *report, int64_t report_size, ba_err *e);
void ba_params_free(ba_params *p);
const struct ba_plugin_desc *ba_params_desc(const ba_params *p);
const void *ba_params_struct(const ba_params *p);          /* the plugin's own filled struct */
/* The value of row i: BA_I64 for numbers and flags (0, 1), BA_F64, BA_STR for texts and the names of choices. */
int ba_params_value(const ba_params *p, int64_t i, ba_attr *out, ba_err *e);

/* ---- what is known while a graph is described ---- */
/* Signals are tensors of the graph under (who, what, layer); see ba_host.signal in bauta/plugin.h for the names. */
ba_build *ba_build_new(ba_graph *g, ba_err *e);
void ba_build_free(ba_build *b);                           /* before its graph */
/* layer -1: a signal that belongs to no layer. Known ones are not replaced. */
int ba_build_put(ba_build *b, const char *who, const char *what, int64_t layer, ba_tensor *t, ba_err *e);
ba_tensor *ba_build_get(ba_build *b, const char *who, const char *what, int64_t layer, ba_err *e);
/* From now on signals and facts of `alias` are those of `who`, for scripts and plugins alike: a loss says "teacher" and is given its own one. At most
 * 8 at a time; a further call for the same alias replaces it; who NULL ends it. What is put and built keeps its own name. */
int ba_build_alias(ba_build *b, const char *alias, const char *who, ba_err *e);
int64_t ba_build_count(const ba_build *b);                 /* signals known */
/* *t NULL: offered, and nobody has asked for it yet. */
int ba_build_entry(const ba_build *b, int64_t i, const char **who, const char **what, int64_t *layer, ba_tensor **t, ba_err *e);
/* Geometry of a model ("patches", "prefix", "grid_rows", "grid_columns", "depth", "heads", "dim", "classes", "image_rows", "image_columns",
 * "channels", "trunk", "joins", "asks": the class token, 0, where a description by hand does not say it); -1 when unknown. */
int64_t ba_build_fact(ba_build *b, const char *who, const char *what, ba_err *e);
/* Says a fact of a model that is described by hand and not by ba_arch_build. What was said before can only be repeated. */
int ba_build_say(ba_build *b, const char *who, const char *what, int64_t value, ba_err *e);

/* ---- architectures ---- */
/* The same facts without a graph; also judges the settings against each other. */
int64_t ba_arch_fact(const ba_params *arch, const char *what, ba_err *e);
/* Makes the facts of a model known before it is built (a criterion wants to know the teacher's patches). ba_arch_build does it by itself. */
int ba_arch_declare(ba_build *b, const char *who, const ba_params *arch, ba_err *e);

typedef struct ba_arch_given {
    uint32_t size;               /* sizeof(ba_arch_given) */
    int32_t training;            /* 1: stochastic depth is on; wants the signal batch.step */
    ba_tensor *images;           /* u8 or f32 [B,H,W,C] */
    ba_tensor *scale, *shift;    /* f32 [C]: normalised pixel = pixel * scale + shift */
    ba_tensor *kept;             /* i32 [B,k], ascending; NULL: all patches */
    ba_store *store;             /* weights are found in it, or added and initialised */
    const ba_params *reducer;    /* takes tokens away inside the blocks; NULL: none */
} ba_arch_given;
/* Builds the model and makes its signals known as WHO: logits, features, tokens, class_attention, kept. */
int ba_arch_build(ba_build *b, const char *who, const ba_params *arch, const ba_arch_given *in, ba_err *e);

/* ---- criteria and losses ---- */
/* Scores f32 [B,N] of the patches of `whom` (the model that will be masked, declared or built). *out is NULL when the criterion masks nothing.
 * Scores of another model's grid are resampled bilinearly; with ba_mask_corners 1 the corners of both grids coincide, by default (0) their edges do. */
int ba_mask_corners(ba_build *b, int32_t on, ba_err *e);
/* The same resampling of any numbers [..,N] of WHO's patches, for whom; x itself where the grids are equal. */
ba_tensor *ba_mask_regrid(ba_build *b, const char *who, const char *whom, ba_tensor *x, ba_err *e);
int ba_mask_score(ba_build *b, const char *whom, const ba_params *mask, ba_tensor **out, ba_err *e);
/* A scalar, already weighted. label names the instance: its learned tensors are LABEL.name, its random streams LABEL/name; NULL: the plugin's
 * name. store: where its learned tensors are; NULL: it may not have any. */
int ba_loss_build(ba_build *b, const char *label, const ba_params *loss, ba_store *store, ba_tensor **out, ba_err *e);
/* ba_host.match and ba_host.layers for losses that are written in a script. out: 2 tensors. */
int ba_loss_match(ba_build *b, ba_tensor *student, ba_tensor *teacher, int32_t extras, ba_tensor **out, ba_err *e);
int64_t ba_loss_layers(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e);
/* Where losses that are built from now on keep what lives from step to step (queues, centres), as LABEL.name; NULL: they may not have any. */
int ba_build_states(ba_build *b, ba_store *s, ba_err *e);
/* Adds the operations with which they renew it. Call it after those of the optimiser. */
int ba_build_update(ba_build *b, ba_err *e);
/* cdef end */
#pragma GCC visibility pop

#endif
