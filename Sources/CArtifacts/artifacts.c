#include "CArtifacts.h"

#include "../../contracts/artifacts/digest.h"

// #embed (C23) cannot stand in a macro, so each pair is written out.
static const uint8_t Consortium_code[] = {
#embed "../../contracts/artifacts/Consortium.bin"
};
static const uint8_t Consortium_json[] = {
#embed "../../contracts/artifacts/Consortium.json"
};
static const uint8_t Identity_code[] = {
#embed "../../contracts/artifacts/Identity.bin"
};
static const uint8_t Identity_json[] = {
#embed "../../contracts/artifacts/Identity.json"
};
static const uint8_t Cash_code[] = {
#embed "../../contracts/artifacts/Cash.bin"
};
static const uint8_t Cash_json[] = {
#embed "../../contracts/artifacts/Cash.json"
};
static const uint8_t Records_code[] = {
#embed "../../contracts/artifacts/Records.bin"
};
static const uint8_t Records_json[] = {
#embed "../../contracts/artifacts/Records.json"
};
static const uint8_t Grants_code[] = {
#embed "../../contracts/artifacts/Grants.bin"
};
static const uint8_t Grants_json[] = {
#embed "../../contracts/artifacts/Grants.json"
};
static const uint8_t Market_code[] = {
#embed "../../contracts/artifacts/Market.bin"
};
static const uint8_t Market_json[] = {
#embed "../../contracts/artifacts/Market.json"
};
static const uint8_t Referee_code[] = {
#embed "../../contracts/artifacts/Referee.bin"
};
static const uint8_t Referee_json[] = {
#embed "../../contracts/artifacts/Referee.json"
};

#define ENTRY(NAME) {#NAME, NAME##_code, sizeof NAME##_code, NAME##_json, sizeof NAME##_json}
static const struct entente_artifact entente_artifacts[] = {
    ENTRY(Consortium), ENTRY(Identity), ENTRY(Cash), ENTRY(Records), ENTRY(Grants), ENTRY(Market), ENTRY(Referee),
};
const size_t entente_artifact_count = sizeof entente_artifacts / sizeof *entente_artifacts;

const struct entente_artifact *entente_artifact_at(size_t index) {
    return index < entente_artifact_count ? &entente_artifacts[index] : NULL;
}
