// The compiled contracts, embedded: raw init code and the artifact's JSON (abi, layout), from contracts/artifacts.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct entente_artifact {
    const char *name;
    const uint8_t *code;
    size_t code_count;
    const uint8_t *json;
    size_t json_count;
};
extern const size_t entente_artifact_count;
// nil beyond the last.
const struct entente_artifact *entente_artifact_at(size_t index);
