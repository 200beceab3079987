-- paper: the papers' ImageNet distillation as a description, for the plan only: nothing of it can run without the pictures.
local bauta = require "bauta"

local p = bauta.params {
    bauta.choice("teacher", "small", { "small", "base" }, "size of the DeiT teacher"),
    bauta.string("keep", "50%", "what the teacher sees"),
}
return bauta.distill {
    name = "deit-" .. p.teacher, epochs = 300, batch = 4,
    data = bauta.data "images" { path = "imagenet" },
    student = bauta.arch "deit" { size = "tiny" },
    teacher = bauta.arch "deit" { size = p.teacher },
    mask = p.keep ~= "all" and bauta.mask "student" { keep = p.keep } or nil,
    losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} },
}
