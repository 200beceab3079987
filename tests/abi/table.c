/* table: size, and the offset of every field, of each struct that plugins and the core share. Compiled thrice: against the frozen headers of
 * ABI 1.0, against today's, and against today's as a plugin sees them that asks for no minor version, under the names that -DTABLE gives. */
#include <stdint.h>

#include <bauta/data.h>
#include <bauta/plugin.h>

#include "table.h"

#define SIZE(S) { #S, "", sizeof(S) }
#define AT(S, f) { #S, #f, offsetof(S, f) }

const abi_row TABLE[] = {
    SIZE(ba_err), AT(ba_err, code), AT(ba_err, msg),
    SIZE(ba_type), AT(ba_type, dtype), AT(ba_type, rank), AT(ba_type, dim),
    SIZE(ba_param), AT(ba_param, name), AT(ba_param, doc), AT(ba_param, unit), AT(ba_param, type), AT(ba_param, offset), AT(ba_param, def),
    AT(ba_param, min), AT(ba_param, max), AT(ba_param, choices),
    SIZE(ba_attr), AT(ba_attr, name), AT(ba_attr, type), AT(ba_attr, value),
    SIZE(ba_host), AT(ba_host, size), AT(ba_host, abi_minor), AT(ba_host, fail), AT(ba_host, op), AT(ba_host, output), AT(ba_host, scalar),
    AT(ba_host, constant), AT(ba_host, rank), AT(ba_host, dim), AT(ba_host, dtype), AT(ba_host, signal), AT(ba_host, publish), AT(ba_host, fact),
    AT(ba_host, weight), AT(ba_host, random), AT(ba_host, embed), AT(ba_host, linear), AT(ba_host, layernorm), AT(ba_host, block),
    AT(ba_host, data),
    SIZE(ba_block), AT(ba_block, size), AT(ba_block, layer), AT(ba_block, heads), AT(ba_block, mlp), AT(ba_block, prefix), AT(ba_block, eps),
    AT(ba_block, drop_path),
    SIZE(ba_mask_ops), AT(ba_mask_ops, size), AT(ba_mask_ops, score),
    SIZE(ba_loss_ops), AT(ba_loss_ops, size), AT(ba_loss_ops, build),
    SIZE(ba_arch_facts), AT(ba_arch_facts, size), AT(ba_arch_facts, image_rows), AT(ba_arch_facts, image_columns), AT(ba_arch_facts, channels),
    AT(ba_arch_facts, patches), AT(ba_arch_facts, prefix), AT(ba_arch_facts, grid_rows), AT(ba_arch_facts, grid_columns),
    AT(ba_arch_facts, depth), AT(ba_arch_facts, heads), AT(ba_arch_facts, dim), AT(ba_arch_facts, classes),
    SIZE(ba_arch_in), AT(ba_arch_in, size), AT(ba_arch_in, images), AT(ba_arch_in, scale), AT(ba_arch_in, shift), AT(ba_arch_in, kept),
    AT(ba_arch_in, training),
    SIZE(ba_arch_ops), AT(ba_arch_ops, size), AT(ba_arch_ops, facts), AT(ba_arch_ops, build),
    SIZE(ba_box), AT(ba_box, x0), AT(ba_box, y0), AT(ba_box, x1), AT(ba_box, y1),
    SIZE(ba_picture), AT(ba_picture, size), AT(ba_picture, rows), AT(ba_picture, columns), AT(ba_picture, pixels), AT(ba_picture, capacity),
    AT(ba_picture, label), AT(ba_picture, box),
    SIZE(ba_data_facts), AT(ba_data_facts, size), AT(ba_data_facts, count), AT(ba_data_facts, classes), AT(ba_data_facts, class_names),
    AT(ba_data_facts, has_boxes),
    SIZE(ba_data_ops), AT(ba_data_ops, size), AT(ba_data_ops, open), AT(ba_data_ops, read), AT(ba_data_ops, close),
    SIZE(ba_plugin_desc), AT(ba_plugin_desc, magic), AT(ba_plugin_desc, abi_major), AT(ba_plugin_desc, abi_minor), AT(ba_plugin_desc, size),
    AT(ba_plugin_desc, kind), AT(ba_plugin_desc, params_size), AT(ba_plugin_desc, nparams), AT(ba_plugin_desc, name), AT(ba_plugin_desc, doc),
    AT(ba_plugin_desc, version), AT(ba_plugin_desc, cite), AT(ba_plugin_desc, needs), AT(ba_plugin_desc, params), AT(ba_plugin_desc, ops),
    SIZE(ba_data_host), AT(ba_data_host, size), AT(ba_data_host, files_open), AT(ba_data_host, files_close), AT(ba_data_host, files_count),
    AT(ba_data_host, file_name), AT(ba_data_host, file_size), AT(ba_data_host, file_find), AT(ba_data_host, file_read),
    AT(ba_data_host, file_label), AT(ba_data_host, reserve), AT(ba_data_host, decode), AT(ba_data_host, file_picture), AT(ba_data_host, resize),
    { NULL, NULL, 0 },
};
